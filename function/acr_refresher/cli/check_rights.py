"""The rights that serving a cluster takes, and what to add where one is missing.

Statements of RAM, rules and bindings of RBAC say what infra/ram and infra/rbac say, for the very
role, instance, cluster or secret. `holder` is the ARN of the identity that needs the right; if it
is empty (not known) there is nothing to paste.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from acr_refresher.core.model import AckAccess, Cluster, KmsAccess, Registry, Role, Rrsa
from acr_refresher.run.ports import OIDC_AUDIENCE

CLUSTER_ROLE = "acr-refresher"
"""The name of the ClusterRole, and of its binding."""


@dataclass(frozen=True, slots=True)
class Right:
    """A verb on a resource; on one object where a name is given. Namespace empty: in all."""

    verb: str
    resource: str
    subresource: str = ""
    name: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        named = f" {self.name}" if self.name else ""
        return f"{self.verb} {self._resource}{named}{self.place}"

    @property
    def place(self) -> str:
        """Where it is needed, if not in all namespaces."""
        return f" in {self.namespace}" if self.namespace else ""

    @property
    def rule(self) -> str:
        """As one of the rules of a ClusterRole, or of a Role in the namespace."""
        names = f'resourceNames: ["{self.name}"], ' if self.name else ""
        return (
            f'- {{apiGroups: [""], resources: ["{self._resource}"], {names}verbs: ["{self.verb}"]}}'
        )

    @property
    def attributes(self) -> dict[str, str]:
        """As an access review asks for it."""
        given = {
            "verb": self.verb,
            "resource": self.resource,
            "subresource": self.subresource,
            "name": self.name,
            "namespace": self.namespace,
        }
        return {key: value for key, value in given.items() if value}

    @property
    def _resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def rights_in(cluster: Cluster) -> tuple[Right, ...]:
    """All that a run may use there."""
    return (
        Right("list", "namespaces"),
        *(
            Right(verb, "secrets", name=wanted.name)
            for wanted in cluster.pull_secrets
            for verb in ("list", "patch", "create", "delete")
        ),
        *(Right(verb, "serviceaccounts") for verb in ("list", "get", "patch")),
        *(_token(rrsa) for rrsa in _identities(registries_of([cluster]))),
    )


def registries_of(clusters: Iterable[Cluster]) -> tuple[Registry, ...]:
    """The registries that any namespace of the clusters may get, each once."""
    found = (
        registry
        for cluster in clusters
        for wanted in cluster.pull_secrets
        for registry in (*wanted.registries, *wanted.allowed_on_request)
    )
    return tuple(dict.fromkeys(found))


def _identities(registries: Iterable[Registry]) -> Iterator[Rrsa]:
    """Of RRSA: each service account once."""
    found = {
        (one.rrsa.namespace, one.rrsa.service_account): one.rrsa for one in registries if one.rrsa
    }
    yield from found.values()


def _token(rrsa: Rrsa) -> Right:
    return Right("create", "serviceaccounts", "token", rrsa.service_account, rrsa.namespace)


@dataclass(frozen=True, slots=True)
class Grant:
    """Text to paste, and where."""

    where: str
    text: str


def holder_of(caller: str, role_chain: tuple[Role, ...]) -> str:
    """Who acts at the end of a chain: its last role, or who begins it."""
    return role_chain[-1].arn if role_chain else caller


def grant_assume_role(holder: str, role: Role) -> tuple[Grant, ...]:
    """For assuming a role: the caller's side, and the role's."""
    condition = {"StringEquals": {"sts:ExternalId": role.external_id}} if role.external_id else {}
    trust = _trust(role.arn, {"RAM": [holder]}, condition)
    allowed = _in_policy(holder, _allow("sts:AssumeRole", resource=role.arn))
    return (*allowed, trust) if holder else ()


def grant_oidc_trust(rrsa: Rrsa, issuer: str) -> tuple[Grant, ...]:
    """For a role's being assumed with tokens that this issuer gives a service account."""
    account = f"system:serviceaccount:{rrsa.namespace}:{rrsa.service_account}"
    claims = {"oidc:aud": OIDC_AUDIENCE, "oidc:iss": issuer, "oidc:sub": account}
    principal = {"Federated": [rrsa.oidc_provider_arn]}
    return (_trust(rrsa.role_arn, principal, {"StringEquals": claims}),)


def grant_registry_actions(holder: str, registry: Registry, *actions: str) -> tuple[Grant, ...]:
    """For actions of CR on a registry's instance; Personal Edition has none."""
    instance = f"{_cr_resource_prefix(holder, registry)}:instance/{registry.instance_id}"
    resource = instance if registry.instance_id else "*"
    return _in_policy(holder, _allow(*actions, resource=resource))


def grant_pull(holder: str, registry: Registry) -> tuple[Grant, ...]:
    """For pulling from a registry's repositories."""
    repositories = f"{_cr_resource_prefix(holder, registry)}:repository/{registry.instance_id}/*"
    resource = repositories if registry.instance_id else "*"
    return _in_policy(holder, _allow("cr:PullRepository", resource=resource))


def grant_kubeconfig(holder: str, access: AckAccess) -> tuple[Grant, ...]:
    """For fetching a cluster's kubeconfig: one action under both of its names."""
    actions = ("cs:DescribeClusterUserKubeconfig", "cs:GetUserConfig")
    resource = f"acs:cs:*:*:cluster/{access.cluster_id}"
    return _in_policy(holder, _allow(*actions, resource=resource))


def grant_kubeconfig_secret(holder: str, access: KmsAccess) -> tuple[Grant, ...]:
    """For reading a kubeconfig that is a secret of KMS, and for the key that encrypts it."""
    name = access.secret_name.rpartition("secret/")[2]
    place = f"acs:kms:{access.region_id}:{_account(holder)}"
    return _in_policy(
        holder,
        _allow("kms:GetSecretValue", resource=f"{place}:secret/{name}"),
        _allow("kms:Decrypt", resource=f"{place}:key/*"),
    )


def grant_cluster_list(holder: str) -> tuple[Grant, ...]:
    """For the list of an account's clusters: one action under both of its names."""
    return _in_policy(holder, _allow("cs:DescribeClustersV1", "cs:ListClusters", resource="*"))


def grant_cluster_rule(right: Right) -> tuple[Grant, ...]:
    """For a single right in a cluster."""
    if right.namespace:
        bound_as = "bound to the same user, as in infra/rbac/rrsa-role.yaml"
        return (Grant(f"the rules of a Role{right.place}, {bound_as}", right.rule),)
    return (Grant(f"the rules of the ClusterRole {CLUSTER_ROLE}", right.rule),)


def grant_cluster_role_binding(user: str) -> tuple[Grant, ...]:
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


def grant_in_ack(holder: str, cluster_id: str) -> tuple[Grant, ...]:
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


def _cr_resource_prefix(holder: str, registry: Registry) -> str:
    return f"acs:cr:{registry.region_id}:{_account(holder)}"


def _account(holder: str) -> str:
    """CR and KMS know the caller's own instances and secrets alone."""
    return holder.split(":")[3] if holder else "*"


def _allow(*actions: str, resource: str) -> str:
    action = actions[0] if len(actions) == 1 else list(actions)
    return json.dumps({"Effect": "Allow", "Action": action, "Resource": resource})
