variable "account" {
  description = "The number of the account in which the function runs."
  type        = string
}

variable "region" {
  description = "The function's region."
  type        = string
}

variable "name_prefix" {
  description = "What the names of all roles begin with; the function may assume such roles only."
  type        = string
  default     = "acr-refresher-"
}

variable "log_project" {
  description = "The log project that `logConfig` of s.yaml names."
  type        = string
}

variable "function" {
  description = "`functionName` of s.yaml; in infra/s.fc2.yaml the service has the same name."
  type        = string
  default     = "acr-refresher"
}

variable "registries" {
  description = "ACR instances of this account that config.yaml names without assumeRoleARN."
  type = map(object({
    region   = string
    instance = string
  }))
  default = {}
}

variable "serves_own_clusters" {
  description = "Whether config.yaml names clusters of this account without assumeRoleARN."
  type        = bool
  default     = false
}

variable "discovers_own_clusters" {
  description = "Whether config.yaml has clusters of this account found without assumeRoleARN."
  type        = bool
  default     = false
}

variable "personal_edition" {
  description = "Whether config.yaml names this account's Personal Edition without assumeRoleARN, which cannot be narrowed to an instance."
  type        = bool
  default     = false
}

variable "kubeconfig_secrets" {
  description = "KMS secrets of this account with kubeconfigs that config.yaml names without assumeRoleARN, and the keys they are encrypted with."
  type = map(object({
    region = string
    secret = string
    key    = string
  }))
  default = {}
}
