variable "function_role_arn" {
  description = "The ARN of the function's role, which may assume this role."
  type        = string
}

variable "external_id" {
  description = "The external ID that is required to assume the role, for accounts of different companies. null: none."
  type        = string
  default     = null
}

variable "name_prefix" {
  description = "The prefix of all names."
  type        = string
  default     = "acr-refresher-"
}

variable "max_session_hours" {
  description = "The maximum duration of a session of the role."
  type        = number
  default     = 1
}

variable "clusters" {
  description = "The IDs of the clusters of which the role may get kubeconfigs."
  type        = list(string)
  default     = []
}

variable "discovery" {
  description = "Whether the function may list the account's clusters, to discover them. Then the role may get the kubeconfigs of all of them."
  type        = bool
  default     = false
}

variable "account" {
  description = "The number of this account. Required for kubeconfig_secrets."
  type        = string
  default     = ""
}

variable "kubeconfig_secrets" {
  description = "KMS secrets with kubeconfigs of clusters outside ACK, and their encryption keys."
  type = map(object({
    region = string
    secret = string
    key    = string
  }))
  default = {}
}
