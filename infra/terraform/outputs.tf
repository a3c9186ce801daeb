output "s_yaml" {
  description = "In the function's account: the values for s.yaml."
  value = !local.home ? null : {
    role        = module.function[0].role_arn
    project     = module.sls[0].project
    logstore    = module.sls[0].function_logstore
    destination = module.function[0].failure_destination
  }
}

output "config_yaml" {
  description = "The values of `assumeRoleARN` for config.yaml, if Terraform created the roles."
  value = {
    clusters   = one(module.clusters[*].role_arn)
    registries = one(module.registries[*].role_arn)
  }

  precondition {
    condition     = length(local.disagreeing) == 0
    error_message = <<-EOT
      A role's trust policy requires one externalId for all. Set the same externalId, or none, for everything that
      config.yaml reaches with ${join("; ", local.disagreeing)}.
    EOT
  }
  precondition {
    condition     = length(local.crowded) == 0
    error_message = <<-EOT
      RAM attaches at most ${var.policies_per_role} custom policies to a role, but config.yaml needs more for the role
      ${join(", ", local.crowded)}. Apply for a higher quota in the Quota Center, and then set policies_per_role.
    EOT
  }
}

output "outcomes_logstore" {
  description = "In the function's account: the logstore for the function's records."
  value       = one(module.sls[*].outcomes_logstore)

  precondition {
    condition     = try(local.config.sls.project, local.log_project) == local.log_project
    error_message = "sls.project in config.yaml must be ${local.log_project}: Terraform creates this project."
  }
  precondition {
    condition     = try(local.config.sls.logstore, "outcomes") == "outcomes"
    error_message = "sls.logstore in config.yaml must be outcomes, which Terraform creates. Remove the key."
  }
  precondition {
    condition     = try(local.config.sls.regionId, var.region) == var.region
    error_message = "sls.regionId in config.yaml must be ${var.region}, where Terraform creates the project. Remove the key."
  }
}

output "role_ids" {
  description = "The ID of each role, which identifies it in ACK clusters (infra/rbac)."
  value       = local.role_ids
}
