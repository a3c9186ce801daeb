output "role_arn" {
  description = "`assumeRoleARN` of this account's registries in config.yaml."
  value       = alicloud_ram_role.registry.arn
}
