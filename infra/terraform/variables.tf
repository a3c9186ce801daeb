variable "region" {
  description = "The function's region, as in .env."
  type        = string
}

variable "accounts" {
  description = <<-EOT
    The accounts in which something is to be made, each under the name of its workspace: "default" is the function's.
    number: the account's. profile: the deployer's there, as `aliyun configure` makes it; left out, the environment
    counts. discovered: IDs of clusters that `discover` finds, for the grant in them. kubeconfig_keys: the KMS key
    of each kubeconfigSecret, by its cluster's name in config.yaml.
  EOT
  type = map(object({
    number          = string
    profile         = optional(string)
    discovered      = optional(list(string), [])
    kubeconfig_keys = optional(map(string), {})
  }))

  validation {
    condition     = contains(keys(var.accounts), "default")
    error_message = "The function's account is missing, as `default`."
  }
}

variable "action_policy" {
  description = "The SLS action policy that says whom alerts reach. \"\": nobody, they only show in the console."
  type        = string
}
