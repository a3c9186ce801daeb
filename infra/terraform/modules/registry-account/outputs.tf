output "role_arn" {
  description = "`assumeRoleARN` of this account's registries in config.yaml."
  value       = alicloud_ram_role.registry.arn
}

output "policies" {
  description = "The names of the role's policies without the common prefix."
  value       = keys(local.policies)
}
