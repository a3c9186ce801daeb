# An example of all modules: the accounts of function/config.yaml. The deployer's identity in each account
# comes from the environment or a profile, as the provider `alicloud` documents; no keys in here.
#
#   cp terraform.tfvars.example terraform.tfvars    and change it
#   terraform init && terraform apply

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
  profile = var.profiles.function
  region  = var.region
}

provider "alicloud" {
  alias   = "beijing"
  profile = var.profiles.beijing
  region  = "cn-beijing"
}

provider "alicloud" {
  alias   = "partner"
  profile = var.profiles.partner
  region  = "cn-beijing"
}

module "sls" {
  source = "./modules/sls"

  project       = "acr-refresher-${var.accounts.function}"
  action_policy = var.action_policy
}

module "function" {
  source = "./modules/function-account"

  account     = var.accounts.function
  region      = var.region
  log_project = module.sls.project
  registries = {
    main = { region = var.region, instance = "cri-acmehz0000000001" }
  }
}

# Clusters of the function's own account, and of another one.
module "clusters" {
  source = "./modules/cluster-account"

  function_role_arn = module.function.role_arn
}

module "clusters_beijing" {
  source    = "./modules/cluster-account"
  providers = { alicloud = alicloud.beijing }

  function_role_arn = module.function.role_arn
  discovery         = true
  # account            = "3000000000000003"
  # kubeconfig_secrets = { idc = { region = "cn-beijing", secret = "kubeconfig-idc", key = "key-..." } }
}

# A registry of another company.
module "partner_registry" {
  source    = "./modules/registry-account"
  providers = { alicloud = alicloud.partner }

  account           = var.accounts.partner
  function_role_arn = module.function.role_arn
  external_id       = var.partner_external_id
  max_session_hours = 12
  registries = {
    partner = { region = "cn-beijing", instance = "cri-partnerbj00000001" }
  }
}
