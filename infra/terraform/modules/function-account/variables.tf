variable "account" {
  description = "The number of the account in which the function runs."
  type        = string
}

variable "region" {
  description = "The function's region."
  type        = string
}

variable "name_prefix" {
  description = "The prefix of all names."
  type        = string
  default     = "acr-refresher-"
}

variable "log_project" {
  description = "The SLS project: `logConfig.project` in s.yaml."
  type        = string
}

variable "function" {
  description = "`functionName` in s.yaml. The service in infra/s.fc2.yaml has the same name."
  type        = string
  default     = "acr-refresher"
}

variable "registries" {
  description = "ACR instances of this account, which are in config.yaml without assumeRoleARN."
  type = map(object({
    region   = string
    instance = string
  }))
  default = {}
}

variable "roles" {
  description = "The ARNs of the roles that the function may assume: those in assumeRoleARN of config.yaml."
  type        = list(string)
  default     = []
}

variable "clusters" {
  description = "The IDs of the clusters of this account that are in config.yaml without assumeRoleARN."
  type        = list(string)
  default     = []
}

variable "discovers_own_clusters" {
  description = "Whether `discover` in config.yaml searches this account without assumeRoleARN. Then the function may get the kubeconfigs of all its clusters."
  type        = bool
  default     = false
}

variable "personal_edition" {
  description = "Whether this account's Personal Edition is in config.yaml without assumeRoleARN. Its policy cannot be limited to an instance."
  type        = bool
  default     = false
}

variable "kubeconfig_secrets" {
  description = "KMS secrets of this account with kubeconfigs, which are in config.yaml without assumeRoleARN, and their encryption keys."
  type = map(object({
    region = string
    secret = string
    key    = string
  }))
  default = {}
}
