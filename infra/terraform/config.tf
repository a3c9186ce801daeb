# What function/config.yaml needs in the account of this workspace. terraform.tfvars repeats none of it.
#
# Terraform creates a role with a name below if config.yaml lets the function itself assume it. It does not create roles
# with other names, roles of RRSA, or roles of a chain (several roles in assumeRoleARN): create these yourself, for
# example with modules/. outputs.tf refuses a config.yaml that cannot work with these roles.

locals {
  config   = yamldecode(file("${path.module}/../../function/config.yaml"))
  clusters = try(local.config.clusters, [])

  here     = var.accounts[terraform.workspace]
  home     = terraform.workspace == "default"
  function = var.accounts["default"].number

  function_role = "acs:ram::${local.function}:role/acr-refresher-function"
  log_project   = "acr-refresher-${local.function}" # as in s.yaml

  # The name of each role of this account in config.yaml. The function does not assume its own role.
  roles = {
    function = local.home ? "" : "another account's"
    cluster  = "acs:ram::${local.here.number}:role/acr-refresher-cluster"
    registry = "acs:ram::${local.here.number}:role/acr-refresher-registry"
  }

  things = {
    registries = local.config.registries
    clusters   = [for cluster in local.clusters : cluster if can(cluster.clusterId)]
    searches   = try(local.config.discover, [])
    secrets = [
      for cluster in local.clusters : merge({ cluster = cluster.name }, cluster.kubeconfigSecret)
      if can(cluster.kubeconfigSecret)
    ]
  }
  # Each thing with the role that reaches it. A chain of several roles gives a text that is no role's name.
  reached = {
    for kind, things in local.things : kind => [
      for thing in things : {
        thing = thing
        name  = try(thing.cluster, thing.name, "discover")
        role = can(thing.rrsaRoleARN) ? "by RRSA" : join(" then ", [
          for role in flatten([try(thing.assumeRoleARN, [])]) : try(role.arn, role)
        ])
        # The role that the function itself assumes, if there is one.
        first = can(thing.rrsaRoleARN) ? "" : try(
          flatten([thing.assumeRoleARN])[0].arn, flatten([thing.assumeRoleARN])[0], ""
        )
        external_id = try(
          thing.externalId, thing.assumeRoleARN.externalId, thing.assumeRoleARN[0].externalId, null
        )
      }
    ]
  }

  # For each role that the function itself assumes, by its ARN: what it reaches, and with which external ID.
  users = {
    for reached in concat(values(local.reached)...) : reached.first => {
      name = reached.name
      id   = reached.external_id == null ? "" : reached.external_id
    }... if reached.first != ""
  }
  # A trust policy requires one external ID for all.
  disagreeing = [
    for role, users in local.users :
    "${role} (${join(", ", [for user in users : "${user.name}: ${user.id == "" ? "none" : user.id}"])})"
    if length(distinct(users[*].id)) > 1
  ]
  # What each role is for.
  instances = {
    for role, name in local.roles : role => {
      for registry in local.reached.registries : registry.thing.name => {
        region   = try(registry.thing.regionId, split(":", registry.thing.instanceId)[0])
        instance = reverse(split(":", registry.thing.instanceId))[0]
      } if registry.role == name && can(registry.thing.instanceId)
    }
  }
  personal_edition = {
    for role, name in local.roles : role => anytrue([
      for registry in local.reached.registries : registry.role == name && !can(registry.thing.instanceId)
    ])
  }
  ack_clusters = {
    for role, name in local.roles : role =>
    distinct([for cluster in local.reached.clusters : cluster.thing.clusterId if cluster.role == name])
  }
  discovers = {
    for role, name in local.roles : role => anytrue([for search in local.reached.searches : search.role == name])
  }
  kubeconfig_secrets = {
    for role, name in local.roles : role => {
      for secret in local.reached.secrets : secret.thing.cluster => {
        region = try(secret.thing.regionId, split(":", secret.thing.arn)[2])
        secret = try(secret.thing.name, split(":secret/", secret.thing.arn)[1])
        key    = local.here.kubeconfig_keys[secret.thing.cluster]
      } if secret.role == name
    }
  }
  external_ids = {
    for role, name in local.roles : role => try(
      [for user in local.users[name] : user.id if user.id != ""][0], null
    )
  }

  serves_clusters = { for role, ids in local.ack_clusters : role => length(ids) > 0 || local.discovers[role] }
  serves_registries = {
    for role, instances in local.instances : role => length(instances) > 0 || local.personal_edition[role]
  }
  # A registry token is valid for as long as the session of the role in the registry's account.
  session_seconds = max(3600, [
    for registry in local.reached.registries : try(registry.thing.expireDuration, 3600)
    if registry.role == local.roles.registry
  ]...)

  # The clusters in which each role gets the ClusterRole.
  granted = {
    for role, ids in local.ack_clusters : role => concat(ids, local.discovers[role] ? local.here.discovered : [])
  }
  # The number of policies of each role.
  policies = {
    function = try(length(module.function[0].policies), 0)
    cluster  = try(length(module.clusters[0].policies), 0)
    registry = try(length(module.registries[0].policies), 0)
  }
  crowded = [for role, number in local.policies : "${role} (${number})" if number > var.policies_per_role]
  role_ids = {
    function = one(module.function[*].role_id)
    cluster  = one(module.clusters[*].role_id)
  }
}
