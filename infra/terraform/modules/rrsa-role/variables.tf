variable "name" {
  description = "The role's name."
  type        = string
  default     = "acr-refresher-rrsa"
}

variable "oidc_provider_arn" {
  description = "The cluster's identity provider: acs:ram::ACCOUNT:oidc-provider/ack-rrsa-CLUSTER."
  type        = string
}

variable "oidc_issuer" {
  description = "The issuer of the cluster's service account tokens."
  type        = string
}

variable "namespace" {
  description = "The namespace of the service account that may assume the role."
  type        = string
}

variable "service_account" {
  description = "The service account that may assume the role."
  type        = string
}

variable "registry_role_arn" {
  description = "The role in the registry's account. It is the only role that the RRSA role may assume."
  type        = string
}
