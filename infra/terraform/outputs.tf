output "s_yaml" {
  description = "What s.yaml names; it is the same unless a name was changed."
  value = {
    role        = module.function.role_arn
    project     = module.sls.project
    logstore    = module.sls.function_logstore
    destination = module.function.failure_destination
  }
}

output "config_yaml" {
  description = "`assumeRoleARN` of clusters and registries."
  value = {
    clusters         = module.clusters.role_arn
    clusters_beijing = module.clusters_beijing.role_arn
    partner_registry = module.partner_registry.role_arn
  }
}

output "outcomes_logstore" {
  description = "Where the function reports outcomes."
  value       = module.sls.outcomes_logstore
}
