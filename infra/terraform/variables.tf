variable "region" {
  description = "The function's region, as in .env."
  type        = string
}

variable "accounts" {
  description = <<-EOT
    The accounts in which Terraform creates something, by the name of the workspace. "default" is the function's account.
    number: the account's number.
    profile: the deployer's profile of `aliyun configure`. If it is not set, the environment has the credentials.
    discovered: the IDs of clusters that `discover` finds. They are needed for the grant.
    kubeconfig_keys: the KMS key of each kubeconfigSecret, by the cluster's name in config.yaml.
  EOT
  type = map(object({
    number          = string
    profile         = optional(string)
    discovered      = optional(list(string), [])
    kubeconfig_keys = optional(map(string), {})
  }))

  validation {
    condition     = contains(keys(var.accounts), "default")
    error_message = "The function's account is missing. Add it as `default`."
  }
}

variable "action_policy" {
  description = "The ID of the SLS action policy for alerts. If it is empty, alerts are only shown in the console."
  type        = string
}

variable "policies_per_role" {
  description = "The maximum number of custom policies that RAM attaches to a role: a quota of the account, which can be raised."
  type        = number
  default     = 10
}
