variable "account" {
  description = "The number of this account."
  type        = string
}

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
  description = "The maximum duration of a session of the role, and so of a registry token: the upper limit of expireDuration in config.yaml."
  type        = number
  default     = 1
}

variable "registries" {
  description = "The ACR instances for which the role may create tokens."
  type = map(object({
    region   = string
    instance = string
  }))
}

variable "personal_edition" {
  description = "Whether the role may create tokens for the account's Personal Edition. Its policy cannot be limited to an instance."
  type        = bool
  default     = false
}
