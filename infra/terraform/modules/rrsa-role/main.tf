# The RRSA role in a cluster's account: a service account of the cluster assumes it with its own token.

locals {
  ram = "${path.module}/../../../ram"
}

resource "alicloud_ram_role" "rrsa" {
  role_name   = var.name
  description = "Lets a service account assume the role in a registry's account"
  assume_role_policy_document = templatefile("${local.ram}/rrsa-role.trust.json", {
    oidc_provider_arn = var.oidc_provider_arn
    oidc_issuer       = var.oidc_issuer
    namespace         = var.namespace
    service_account   = var.service_account
  })
}

resource "alicloud_ram_policy" "rrsa" {
  policy_name = var.name
  policy_document = templatefile("${local.ram}/rrsa-role.policy.json", {
    registry_role_arn = replace(var.registry_role_arn, "acs:ram::", "acs:ram:*:")
  })
}

resource "alicloud_ram_role_policy_attachment" "rrsa" {
  role_name   = alicloud_ram_role.rrsa.role_name
  policy_name = alicloud_ram_policy.rrsa.policy_name
  policy_type = "Custom"
}
