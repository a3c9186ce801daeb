variable "project" {
  description = "The SLS project: `logConfig.project` in s.yaml. Its name must be unique in the region, across all accounts."
  type        = string
}

variable "region" {
  description = "The region of the project."
  type        = string
}

variable "retention_days" {
  description = "How many days SLS keeps log lines and records."
  type        = number
  default     = 30
}

variable "action_policy" {
  description = "The ID of the SLS action policy for alerts. If it is empty, no notification is sent."
  type        = string
}
