variable "function_role_arn" {
  description = "The function's role, which may assume the one made here."
  type        = string
}

variable "external_id" {
  description = "What the function must say to assume the role. For accounts of different companies. Null: nothing."
  type        = string
  default     = null
}

variable "name_prefix" {
  description = "As in the function's account: it may assume roles with this prefix only."
  type        = string
  default     = "acr-refresher-"
}

variable "max_session_hours" {
  description = "How long a session of the role may last."
  type        = number
  default     = 1
}

variable "discovery" {
  description = "Whether the function may list the account's clusters, to find them by itself."
  type        = bool
  default     = false
}

variable "account" {
  description = "The number of this account. Needed with kubeconfig_secrets."
  type        = string
  default     = ""
}

variable "kubeconfig_secrets" {
  description = "KMS secrets that hold kubeconfigs of clusters outside ACK, and the keys they are encrypted with."
  type = map(object({
    region = string
    secret = string
    key    = string
  }))
  default = {}
}
