variable "project" {
  description = "The log project; `logConfig.project` in s.yaml. Unique in a region over all accounts."
  type        = string
}

variable "retention_days" {
  description = "How long log lines are kept."
  type        = number
  default     = 30
}

variable "action_policy" {
  description = "The SLS action policy that says whom an alert reaches. \"\": nobody."
  type        = string
}
