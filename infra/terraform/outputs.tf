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

  precondition {
    condition     = length(local.disagreeing) == 0
    error_message = <<-EOT
      A role's trust policy asks everybody for the same externalId. Give one and the same, or none, to all that
      config.yaml reaches through ${join("; ", local.disagreeing)}.
    EOT
  }
  precondition {
    condition     = length(local.not_assumable) == 0
    error_message = <<-EOT
      The function may assume only roles whose names begin with acr-refresher-. Give such a name to the role in
      assumeRoleARN of config.yaml: ${join(", ", local.not_assumable)}.
    EOT
  }
}

output "outcomes_logstore" {
  description = "In the function's account: where outcomes are reported."
  value       = one(module.sls[*].outcomes_logstore)

  precondition {
    condition     = try(local.config.sls.project, local.log_project) == local.log_project
    error_message = "sls.project in config.yaml has to be ${local.log_project}, which is made for it."
  }
  precondition {
    condition     = try(local.config.sls.logstore, "outcomes") == "outcomes"
    error_message = "sls.logstore in config.yaml has to be outcomes, which is made for it: leave it out."
  }
  precondition {
    condition     = try(local.config.sls.regionId, var.region) == var.region
    error_message = "sls.regionId in config.yaml has to be ${var.region}, where the project is made: leave it out."
  }
}

output "role_ids" {
  description = "By role, the ID that names it in ACK clusters (infra/rbac)."
  value       = local.role_ids
}
