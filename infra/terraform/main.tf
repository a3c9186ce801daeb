# Everything that acr-refresher needs in an account: the roles and permissions that follow from function/config.yaml
# (config.tf). The function's account also gets the logs, the dashboard and the alerts.
#
#   cp terraform.tfvars.example terraform.tfvars    then edit it: your accounts
#   terraform init && terraform apply               the function's account (workspace "default")
#   TF_WORKSPACE=partner terraform apply            then each other account, by its name in terraform.tfvars
#
# The provider `alicloud` takes the deployer's credentials from the account's profile or from the environment. No keys
# belong into these files. Each account can have its own administrator, who needs no access to other accounts.

terraform {
  required_version = ">= 1.3"
  required_providers {
    alicloud = {
      source  = "aliyun/alicloud"
      version = ">= 1.252.0"
    }
  }
}

provider "alicloud" {
  profile = local.here.profile
  region  = var.region
}

module "sls" {
  source = "./modules/sls"
  count  = local.home ? 1 : 0

  project       = local.log_project
  region        = var.region
  action_policy = var.action_policy
}

module "function" {
  source = "./modules/function-account"
  count  = local.home ? 1 : 0

  account                = local.function
  region                 = var.region
  log_project            = module.sls[0].project
  registries             = local.instances.function
  personal_edition       = local.personal_edition.function
  roles                  = sort(keys(local.users))
  clusters               = local.ack_clusters.function
  discovers_own_clusters = local.discovers.function
  kubeconfig_secrets     = local.kubeconfig_secrets.function
}

# If config.yaml reaches clusters with the role acr-refresher-cluster of this account.
module "clusters" {
  source = "./modules/cluster-account"
  count  = local.serves_clusters.cluster || length(local.kubeconfig_secrets.cluster) > 0 ? 1 : 0

  account            = local.here.number
  function_role_arn  = local.function_role
  external_id        = local.external_ids.cluster
  clusters           = local.ack_clusters.cluster
  discovery          = local.discovers.cluster
  kubeconfig_secrets = local.kubeconfig_secrets.cluster
}

# If config.yaml reaches registries with the role acr-refresher-registry of this account.
module "registries" {
  source = "./modules/registry-account"
  count  = local.serves_registries.registry ? 1 : 0

  account           = local.here.number
  function_role_arn = local.function_role
  external_id       = local.external_ids.registry
  max_session_hours = ceil(local.session_seconds / 3600)
  registries        = local.instances.registry
  personal_edition  = local.personal_edition.registry
}

# Grants the ClusterRole of infra/rbac to the role. ACK identifies the role by its ID.
resource "alicloud_cs_kubernetes_permissions" "granted" {
  for_each = { for role, clusters in local.granted : role => clusters if length(clusters) > 0 }

  uid = local.role_ids[each.key]

  dynamic "permissions" {
    for_each = each.value
    content {
      cluster     = permissions.value
      role_type   = "cluster"
      role_name   = "acr-refresher"
      is_custom   = true
      is_ram_role = true
    }
  }

  # ACK refuses the grant (ErrorRamPolicyConfig) if the role has no permissions in RAM.
  depends_on = [module.function, module.clusters]
}
