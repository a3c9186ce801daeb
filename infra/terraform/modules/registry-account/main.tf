# The role in an account with ACR instances. It may create tokens for image pulls, and nothing else.

locals {
  ram = "${path.module}/../../../ram"

  trust = var.external_id == null ? templatefile("${local.ram}/registry-account-role.trust.json", {
    function_role_arn = var.function_role_arn
    }) : templatefile("${local.ram}/registry-account-role.trust-external-id.json", {
    function_role_arn = var.function_role_arn
    external_id       = var.external_id
  })

  policies = merge(
    { for name, registry in var.registries : name =>
      templatefile("${local.ram}/registry-account-role.policy.json", {
        region   = registry.region
        account  = var.account
        instance = registry.instance
      })
    },
    { for name in var.personal_edition ? ["personal"] : [] : name =>
      templatefile("${local.ram}/personal-edition.policy.json", {})
    },
  )
}

resource "alicloud_ram_role" "registry" {
  role_name                   = "${var.name_prefix}registry"
  description                 = "Lets the function acr-refresher mint registry tokens"
  assume_role_policy_document = local.trust
  max_session_duration        = var.max_session_hours * 3600
}

resource "alicloud_ram_policy" "registry" {
  for_each = local.policies

  policy_name     = "${var.name_prefix}registry-${each.key}"
  policy_document = each.value
}

resource "alicloud_ram_role_policy_attachment" "registry" {
  for_each = alicloud_ram_policy.registry

  role_name   = alicloud_ram_role.registry.role_name
  policy_name = each.value.policy_name
  policy_type = "Custom"
}
