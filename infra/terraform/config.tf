# What function/config.yaml asks of this workspace's account. None of it is said again in terraform.tfvars.
#
# Roles are made by the names below, where config.yaml has the function itself assume them. What it reaches by
# several roles in turn, by RRSA, or by a role of another name, has its roles made elsewhere (modules/ may help). What
# could not work with the roles that are made is refused (outputs.tf).

locals {
  config   = yamldecode(file("${path.module}/../../function/config.yaml"))
  clusters = try(local.config.clusters, [])

  here     = var.accounts[terraform.workspace]
  home     = terraform.workspace == "default"
  function = var.accounts["default"].number

  function_role = "acs:ram::${local.function}:role/acr-refresher-function"
  log_project   = "acr-refresher-${local.function}" # as in s.yaml

  # How config.yaml names each role of this account. Its own role, the function need not assume.
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
  # Each of them with the role through which it is reached; several are no role's name.
  reached = {
    for kind, things in local.things : kind => [
      for thing in things : {
        thing = thing
        name  = try(thing.cluster, thing.name, "discover")
        role = can(thing.rrsaRoleARN) ? "by RRSA" : join(" then ", [
          for role in flatten([try(thing.assumeRoleARN, [])]) : try(role.arn, role)
        ])
        # The one that the function itself assumes, if any.
        first = can(thing.rrsaRoleARN) ? "" : try(
          flatten([thing.assumeRoleARN])[0].arn, flatten([thing.assumeRoleARN])[0], ""
        )
        external_id = try(
          thing.externalId, thing.assumeRoleARN.externalId, thing.assumeRoleARN[0].externalId, null
        )
      }
    ]
  }

  # By ARN, who is reached through a role that the function itself assumes, and with what external ID.
  users = {
    for reached in concat(values(local.reached)...) : reached.first => {
      name = reached.name
      id   = reached.external_id == null ? "" : reached.external_id
    }... if reached.first != ""
  }
  # A trust policy asks everybody for the same one.
  disagreeing = [
    for role, users in local.users :
    "${role} (${join(", ", [for user in users : "${user.name}: ${user.id == "" ? "none" : user.id}"])})"
    if length(distinct(users[*].id)) > 1
  ]
  # infra/ram/function-role.policy.json goes by the prefix.
  not_assumable = [for role in keys(local.users) : role if length(regexall(":role/acr-refresher-", role)) == 0]

  # Below: by role, what it is for.
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
    [for cluster in local.reached.clusters : cluster.thing.clusterId if cluster.role == name]
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
  # A registry's token lives as long as the session of the role in its account.
  session_seconds = max(3600, [
    for registry in local.reached.registries : try(registry.thing.expireDuration, 3600)
    if registry.role == local.roles.registry
  ]...)

  # By role, the clusters in which it is given the ClusterRole.
  granted = {
    for role, ids in local.ack_clusters : role => concat(ids, local.discovers[role] ? local.here.discovered : [])
  }
  role_ids = {
    function = one(module.function[*].role_id)
    cluster  = one(module.clusters[*].role_id)
  }
}
