variable "account" {
  description = "The number of this account, which owns the instances."
  type        = string
}

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
  description = "How long a session of the role may last, and with it a registry token: the most that expireDuration in config.yaml may ask for."
  type        = number
  default     = 1
}

variable "registries" {
  description = "The ACR instances that may be pulled from."
  type = map(object({
    region   = string
    instance = string
  }))
}

variable "personal_edition" {
  description = "Whether the account's Personal Edition may be pulled from, which cannot be narrowed to an instance."
  type        = bool
  default     = false
}
