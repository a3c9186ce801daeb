output "project" {
  description = "`logConfig.project` in s.yaml."
  value       = alicloud_log_project.this.project_name
}

output "function_logstore" {
  description = "`logConfig.logstore` in s.yaml."
  value       = alicloud_log_store.this["function"].logstore_name
}

output "outcomes_logstore" {
  description = "The logstore for the function's records."
  value       = alicloud_log_store.this["outcomes"].logstore_name
}
