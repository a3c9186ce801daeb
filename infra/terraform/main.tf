# What acr-refresher needs in an account: the roles and rights that follow from function/config.yaml (config.tf), and
# in the function's account logs, dashboard and alerts.
#
#   cp terraform.tfvars.example terraform.tfvars    and put your accounts into it
#   terraform init && terraform apply               the function's account, which goes by "default"
#   TF_WORKSPACE=partner terraform apply            after it each other one, by its name in terraform.tfvars
#
# The deployer's identity in an account is that of its profile or of the environment, as the provider `alicloud`
# documents; no keys in here. Each account may be done by its own administrator: no one needs to be in two.

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
  serves_own_clusters    = local.serves_clusters.function
  discovers_own_clusters = local.discovers.function
  kubeconfig_secrets     = local.kubeconfig_secrets.function
}

# Where config.yaml reaches clusters through the role acr-refresher-cluster of this account.
module "clusters" {
  source = "./modules/cluster-account"
  count  = local.serves_clusters.cluster || length(local.kubeconfig_secrets.cluster) > 0 ? 1 : 0

  account            = local.here.number
  function_role_arn  = local.function_role
  external_id        = local.external_ids.cluster
  discovery          = local.discovers.cluster
  kubeconfig_secrets = local.kubeconfig_secrets.cluster
}

# Where it reaches registries through the role acr-refresher-registry.
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

# The ClusterRole of infra/rbac, to the role by its id, as ACK names users in clusters.
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

  # ACK refuses this (ErrorRamPolicyConfig) for a role without rights in RAM.
  depends_on = [module.function, module.clusters]
}
