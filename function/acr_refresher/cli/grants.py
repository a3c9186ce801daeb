"""What is to be added where something is missing: statements of RAM, rules and bindings of RBAC.

They say what infra/ram says, for the very role, instance, cluster or secret. `holder` is the ARN of
who has to be allowed something; where it is empty, not known, there is nothing to paste.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from acr_refresher.cli.rights import Right
from acr_refresher.core.model import AckAccess, KmsAccess, Registry, Role, Rrsa
from acr_refresher.ports import OIDC_AUDIENCE

CLUSTER_ROLE = "acr-refresher"
"""The name of the ClusterRole, and of its binding."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Text to paste, and where."""

    where: str
    text: str


def holder_of(caller: str, role_chain: tuple[Role, ...]) -> str:
    """Who acts at the end of a chain: its last role, or who begins it."""
    return role_chain[-1].arn if role_chain else caller


def assume_role(holder: str, role: Role) -> tuple[Grant, ...]:
    """For assuming a role: the caller's side, and the role's."""
    condition = {"StringEquals": {"sts:ExternalId": role.external_id}} if role.external_id else {}
    trust = _trust(role.arn, {"RAM": [holder]}, condition)
    allowed = _in_policy(holder, _allow("sts:AssumeRole", resource=role.arn))
    return (*allowed, trust) if holder else ()


def assume_role_with_oidc(rrsa: Rrsa, issuer: str) -> tuple[Grant, ...]:
    """For a role's being assumed with tokens that this issuer gives a service account."""
    account = f"system:serviceaccount:{rrsa.namespace}:{rrsa.service_account}"
    claims = {"oidc:aud": OIDC_AUDIENCE, "oidc:iss": issuer, "oidc:sub": account}
    principal = {"Federated": [rrsa.oidc_provider_arn]}
    return (_trust(rrsa.role_arn, principal, {"StringEquals": claims}),)


def registry_actions(holder: str, registry: Registry, *actions: str) -> tuple[Grant, ...]:
    """For actions of CR on a registry's instance; Personal Edition has none."""
    instance = f"{_place(holder, registry)}:instance/{registry.instance_id}"
    resource = instance if registry.instance_id else "*"
    return _in_policy(holder, _allow(*actions, resource=resource))


def pulling(holder: str, registry: Registry) -> tuple[Grant, ...]:
    """For pulling from a registry's repositories."""
    repositories = f"{_place(holder, registry)}:repository/{registry.instance_id}/*"
    resource = repositories if registry.instance_id else "*"
    return _in_policy(holder, _allow("cr:PullRepository", resource=resource))


def kubeconfig(holder: str, access: AckAccess) -> tuple[Grant, ...]:
    """For fetching a cluster's kubeconfig: one action under both of its names."""
    actions = ("cs:DescribeClusterUserKubeconfig", "cs:GetUserConfig")
    resource = f"acs:cs:*:*:cluster/{access.cluster_id}"
    return _in_policy(holder, _allow(*actions, resource=resource))


def kubeconfig_secret(holder: str, access: KmsAccess) -> tuple[Grant, ...]:
    """For reading a kubeconfig that is a secret of KMS, and for the key that encrypts it."""
    name = access.secret_name.rpartition("secret/")[2]
    place = f"acs:kms:{access.region_id}:{_account(holder)}"
    return _in_policy(
        holder,
        _allow("kms:GetSecretValue", resource=f"{place}:secret/{name}"),
        _allow("kms:Decrypt", resource=f"{place}:key/*"),
    )


def listing(holder: str) -> tuple[Grant, ...]:
    """For the list of an account's clusters: one action under both of its names."""
    return _in_policy(holder, _allow("cs:DescribeClustersV1", "cs:ListClusters", resource="*"))


def in_cluster(right: Right) -> tuple[Grant, ...]:
    """For a single right in a cluster."""
    if right.namespace:
        bound_as = "bound to the same user, as in infra/rbac/rrsa-role.yaml"
        return (Grant(f"the rules of a Role{right.place}, {bound_as}", right.rule),)
    return (Grant(f"the rules of the ClusterRole {CLUSTER_ROLE}", right.rule),)


def bound(user: str) -> tuple[Grant, ...]:
    """For the ClusterRole as a whole, in a cluster outside ACK: clusterrolebinding.yaml."""
    _, service_account, identity = user.rpartition("system:serviceaccount:")
    namespace, _, name = identity.partition(":")
    group = "rbac.authorization.k8s.io"
    subject = (
        {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        if service_account
        else {"apiGroup": group, "kind": "User", "name": user}
    )
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": CLUSTER_ROLE},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": CLUSTER_ROLE},
        "subjects": [subject],
    }
    return (Grant("the cluster (kubectl apply -f -)", json.dumps(binding)),) if user else ()


def granted_by_ack(holder: str, cluster_id: str) -> tuple[Grant, ...]:
    """For the ClusterRole as a whole, on ACK: an entry among all that the identity is granted."""
    entry = {
        "cluster": cluster_id,
        "role_type": "cluster",
        "role_name": CLUSTER_ROLE,
        "is_custom": True,
        "is_ram_role": ":role/" in holder,
    }
    where = f"all that ACK grants {holder}, as infra/rbac/README.md#on-ack shows"
    return (Grant(where, json.dumps(entry)),) if holder else ()


def _in_policy(holder: str, *statements: str) -> tuple[Grant, ...]:
    where = f"the policy of {holder}"
    return tuple(Grant(where, one) for one in statements) if holder else ()


def _trust(role_arn: str, principal: dict[str, list[str]], condition: dict[str, Any]) -> Grant:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    text = json.dumps({**statement, "Condition": condition} if condition else statement)
    return Grant(f"the trust policy of {role_arn}", text)


def _place(holder: str, registry: Registry) -> str:
    return f"acs:cr:{registry.region_id}:{_account(holder)}"


def _account(holder: str) -> str:
    """CR and KMS know the caller's own instances and secrets alone."""
    return holder.split(":")[3] if holder else "*"


def _allow(*actions: str, resource: str) -> str:
    action = actions[0] if len(actions) == 1 else list(actions)
    return json.dumps({"Effect": "Allow", "Action": action, "Resource": resource})
