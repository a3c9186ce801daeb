variable "region" {
  description = "The function's region."
  type        = string
  default     = "cn-hangzhou"
}

variable "accounts" {
  description = "The numbers of the accounts."
  type = object({
    function = string
    partner  = string
  })
}

variable "profiles" {
  description = "The deployer's profile for each account, as `aliyun configure` makes them."
  type = object({
    function = string
    beijing  = string
    partner  = string
  })
}

variable "partner_external_id" {
  description = "What the function must say to assume the partner's role. Null: nothing."
  type        = string
  default     = null
}

variable "action_policy" {
  description = "The SLS action policy that says whom an alert reaches."
  type        = string
  default     = ""
}
