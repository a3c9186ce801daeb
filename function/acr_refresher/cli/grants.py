"""What is to be added where something is missing: statements of RAM policies, rules of RBAC.

They say what infra/ram says, for the very role, instance, cluster or secret.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from acr_refresher.cli.rights import Right
from acr_refresher.core.model import AckAccess, KmsAccess, Registry, Role

OWN = "FUNCTION-ROLE-ARN"
"""Stands for the identity that a chain begins with, which no configuration names."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Text to paste, and where."""

    where: str
    text: str


def assume_role(before: tuple[Role, ...], role: Role) -> tuple[Grant, ...]:
    """For a role of a chain, after those before it: the caller's side, and the role's."""
    caller = before[-1].arn if before else OWN
    trust: dict[str, Any] = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"RAM": [caller]},
    }
    if role.external_id:
        trust["Condition"] = {"StringEquals": {"sts:ExternalId": role.external_id}}
    return (
        Grant(f"the policy of {_holder(before)}", _allow("sts:AssumeRole", resource=role.arn)),
        Grant(f"the trust policy of {role.arn}", json.dumps(trust)),
    )


def registry_actions(registry: Registry, *actions: str) -> tuple[Grant, ...]:
    """For actions of CR on a registry's instance; Personal Edition has none."""
    instance = f"{_place(registry)}:instance/{registry.instance_id}"
    resource = instance if registry.instance_id else "*"
    return _in_policy(registry, _allow(*actions, resource=resource))


def pulling(registry: Registry) -> tuple[Grant, ...]:
    """For pulling from a registry's repositories."""
    repositories = f"{_place(registry)}:repository/{registry.instance_id}/*"
    resource = repositories if registry.instance_id else "*"
    return _in_policy(registry, _allow("cr:PullRepository", resource=resource))


def kubeconfig(access: AckAccess) -> tuple[Grant, ...]:
    """For fetching a cluster's kubeconfig: one action under both of its names."""
    actions = ("cs:DescribeClusterUserKubeconfig", "cs:GetUserConfig")
    resource = f"acs:cs:*:*:cluster/{access.cluster_id}"
    where = f"the policy of {_holder(access.role_chain)}"
    return (Grant(where, _allow(*actions, resource=resource)),)


def kubeconfig_secret(access: KmsAccess) -> tuple[Grant, ...]:
    """For reading a kubeconfig that is a secret of KMS, and for the key that encrypts it."""
    account = _account(access.role_chain)
    name = access.secret_name.rpartition("secret/")[2]
    place = f"acs:kms:{access.region_id}:{account}"
    where = f"the policy of {_holder(access.role_chain)}"
    return (
        Grant(where, _allow("kms:GetSecretValue", resource=f"{place}:secret/{name}")),
        Grant(where, _allow("kms:Decrypt", resource=f"{place}:key/*")),
    )


def listing(role_chain: tuple[Role, ...]) -> tuple[Grant, ...]:
    """For the list of an account's clusters: one action under both of its names."""
    text = _allow("cs:DescribeClustersV1", "cs:ListClusters", resource="*")
    return (Grant(f"the policy of {_holder(role_chain)}", text),)


def in_cluster(right: Right) -> tuple[Grant, ...]:
    """For a right in a cluster."""
    role = f"a Role{right.place}" if right.namespace else "the ClusterRole acr-refresher"
    return (Grant(f"the rules of {role}", right.rule),)


def _in_policy(registry: Registry, statement: str) -> tuple[Grant, ...]:
    return (Grant(f"the policy of {_holder(_chain(registry))}", statement),)


def _place(registry: Registry) -> str:
    return f"acs:cr:{registry.region_id}:{_account(_chain(registry))}"


def _chain(registry: Registry) -> tuple[Role, ...]:
    first = (Role(registry.rrsa.role_arn),) if registry.rrsa else ()
    return (*first, *registry.role_chain)


def _holder(role_chain: tuple[Role, ...]) -> str:
    return role_chain[-1].arn if role_chain else "the function's own role"


def _account(role_chain: tuple[Role, ...]) -> str:
    return role_chain[-1].arn.split(":")[3] if role_chain else "*"


def _allow(*actions: str, resource: str) -> str:
    action = actions[0] if len(actions) == 1 else list(actions)
    return json.dumps({"Effect": "Allow", "Action": action, "Resource": resource})
