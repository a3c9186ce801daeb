# The role in an account with ACK clusters. The function gets kubeconfigs with it.
# In each cluster, the role also needs the permissions of infra/rbac.

locals {
  ram = "${path.module}/../../../ram"

  trust = var.external_id == null ? templatefile("${local.ram}/cluster-account-role.trust.json", {
    function_role_arn = var.function_role_arn
    }) : templatefile("${local.ram}/cluster-account-role.trust-external-id.json", {
    function_role_arn = var.function_role_arn
    external_id       = var.external_id
  })

  # A policy has at most 6144 characters. Many clusters are divided among several policies.
  ids      = var.discovery ? ["*"] : var.clusters
  clusters = chunklist([for id in local.ids : "acs:cs:*:*:cluster/${id}"], 90)

  policies = merge(
    { for number, arns in local.clusters : number == 0 ? "clusters" : "clusters-${number + 1}" =>
      templatefile("${local.ram}/cluster-account-role.policy.json", { clusters = jsonencode(arns) })
    },
    { for name in var.discovery ? ["discovery"] : [] : name =>
      templatefile("${local.ram}/cluster-discovery.policy.json", {})
    },
    { for name, kept in var.kubeconfig_secrets : "kubeconfig-${name}" =>
      templatefile("${local.ram}/kubeconfig-secret.policy.json", {
        region  = kept.region
        account = var.account
        secret  = kept.secret
        key     = kept.key
      })
    },
  )
}

resource "alicloud_ram_role" "cluster" {
  role_name                   = "${var.name_prefix}cluster"
  description                 = "Lets the function acr-refresher get kubeconfigs"
  assume_role_policy_document = local.trust
  max_session_duration        = var.max_session_hours * 3600
}

resource "alicloud_ram_policy" "cluster" {
  for_each = local.policies

  policy_name     = "${var.name_prefix}cluster-${each.key}"
  policy_document = each.value
}

resource "alicloud_ram_role_policy_attachment" "cluster" {
  for_each = alicloud_ram_policy.cluster

  role_name   = alicloud_ram_role.cluster.role_name
  policy_name = each.value.policy_name
  policy_type = "Custom"
}
