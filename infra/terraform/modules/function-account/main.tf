# The function's role, and the queue for failed invocations.

locals {
  ram = "${path.module}/../../../ram"

  # A policy has at most 6144 characters. Many roles and clusters are divided among several policies.
  roles    = chunklist([for arn in var.roles : replace(arn, "acs:ram::", "acs:ram:*:")], 50)
  ids      = var.discovers_own_clusters ? ["*"] : var.clusters
  clusters = chunklist([for id in local.ids : "acs:cs:*:*:cluster/${id}"], 90)

  # The permissions of the function's code, and of Function Compute, which uses the same role.
  policies = merge(
    { for number, arns in local.roles : number == 0 ? "assume-roles" : "assume-roles-${number + 1}" =>
      templatefile("${local.ram}/function-role.policy.json", { roles = jsonencode(arns) })
    },
    { for number, arns in local.clusters : number == 0 ? "clusters" : "clusters-${number + 1}" =>
      templatefile("${local.ram}/cluster-account-role.policy.json", { clusters = jsonencode(arns) })
    },
    {
      outcomes = templatefile("${local.ram}/outcomes-log.policy.json", {
        region   = var.region
        account  = var.account
        project  = var.log_project
        logstore = "outcomes"
      })
      fan-out = templatefile("${local.ram}/fan-out.policy.json", {
        region   = var.region
        account  = var.account
        service  = var.function
        function = var.function
      })
      platform = templatefile("${local.ram}/function-platform.policy.json", {
        region   = var.region
        account  = var.account
        project  = var.log_project
        logstore = "function"
        queue    = alicloud_message_service_queue.failed.queue_name
      })
    },
    { for name, registry in var.registries : "registry-${name}" =>
      templatefile("${local.ram}/registry-account-role.policy.json", {
        region   = registry.region
        account  = var.account
        instance = registry.instance
      })
    },
    { for name in var.discovers_own_clusters ? ["discovery"] : [] : name =>
      templatefile("${local.ram}/cluster-discovery.policy.json", {})
    },
    { for name in var.personal_edition ? ["personal"] : [] : name =>
      templatefile("${local.ram}/personal-edition.policy.json", {})
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

resource "alicloud_ram_role" "function" {
  role_name                   = "${var.name_prefix}function"
  description                 = "The role of the function acr-refresher"
  assume_role_policy_document = templatefile("${local.ram}/function-role.trust.json", {})
}

resource "alicloud_ram_policy" "function" {
  for_each = local.policies

  policy_name     = "${var.name_prefix}function-${each.key}"
  policy_document = each.value
}

resource "alicloud_ram_role_policy_attachment" "function" {
  for_each = alicloud_ram_policy.function

  role_name   = alicloud_ram_role.function.role_name
  policy_name = each.value.policy_name
  policy_type = "Custom"
}

resource "alicloud_message_service_queue" "failed" {
  queue_name               = "${var.name_prefix}failed"
  message_retention_period = 604800 # seconds: the maximum
}
