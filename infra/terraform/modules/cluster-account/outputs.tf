output "role_arn" {
  description = "`assumeRoleARN` of this account's clusters in config.yaml."
  value       = alicloud_ram_role.cluster.arn
}

output "role_id" {
  description = "The role's ID, which identifies it in ACK clusters (infra/rbac)."
  value       = alicloud_ram_role.cluster.role_id
}

output "policies" {
  description = "The names of the role's policies without the common prefix."
  value       = keys(local.policies)
}
