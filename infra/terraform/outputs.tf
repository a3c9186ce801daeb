output "s_yaml" {
  description = "In the function's account: what s.yaml names."
  value = !local.home ? null : {
    role        = module.function[0].role_arn
    project     = module.sls[0].project
    logstore    = module.sls[0].function_logstore
    destination = module.function[0].failure_destination
  }
}

output "config_yaml" {
  description = "What config.yaml names as `assumeRoleARN`, if it was made here."
  value = {
    clusters   = one(module.clusters[*].role_arn)
    registries = one(module.registries[*].role_arn)
  }
}

output "outcomes_logstore" {
  description = "In the function's account: where outcomes are reported."
  value       = one(module.sls[*].outcomes_logstore)

  precondition {
    condition     = try(local.config.sls.project, local.log_project) == local.log_project
    error_message = "sls.project in config.yaml has to be ${local.log_project}, which is made for it."
  }
}

output "role_ids" {
  description = "By role, the ID that names it in ACK clusters (infra/rbac)."
  value       = local.role_ids
}
