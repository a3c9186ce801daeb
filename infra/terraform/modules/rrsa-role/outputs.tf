output "role_arn" {
  description = "The role that the service account assumes."
  value       = alicloud_ram_role.rrsa.arn
}
