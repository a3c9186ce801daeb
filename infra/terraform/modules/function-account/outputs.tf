output "role_arn" {
  description = "`role` in s.yaml, and the role that the other accounts trust."
  value       = alicloud_ram_role.function.arn
}

output "failure_destination" {
  description = "`onFailure` in s.yaml."
  value       = "acs:mns:${var.region}:${var.account}:/queues/${alicloud_message_service_queue.failed.queue_name}/messages"
}

output "role_id" {
  description = "The role's ID, which identifies it in ACK clusters (infra/rbac)."
  value       = alicloud_ram_role.function.role_id
}

output "policies" {
  description = "The names of the role's policies without the common prefix."
  value       = keys(local.policies)
}
