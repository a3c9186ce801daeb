output "role_arn" {
  description = "`assumeRoleARN` of this account's clusters in config.yaml."
  value       = alicloud_ram_role.cluster.arn
}
