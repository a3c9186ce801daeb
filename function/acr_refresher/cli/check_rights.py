"""Results of a check, the rights that it asks for, and what to add where one is missing.

The RAM statements and RBAC rules are those of infra/ram and infra/rbac, for one role, instance,
cluster or secret. `holder` is the ARN of the identity that needs the right. If it is empty, it is
not known, and there is nothing to add.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Iterable
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, TypeVar

from acr_refresher.core.model import AckAccess, Cluster, KmsAccess, Registry, Role, Rrsa
from acr_refresher.core.outcome import Failure
from acr_refresher.core.ram_actions import (
    ALL_RESOURCES,
    GET_KUBECONFIG,
    LIST_CLUSTERS,
    RESOURCES,
    role_resource,
)
from acr_refresher.errors import Denied, PortError, Throttled, Unreachable
from acr_refresher.run.ports import OIDC_AUDIENCE

CLUSTER_ROLE = "acr-refresher"
"""The name of the ClusterRole, and of its binding."""
T = TypeVar("T")


class Verdict(str, Enum):
    """What a check found."""

    OK = "ok"
    WARNING = "warning"
    """The check could not be made from here. The function may have no problem."""
    UNREACHABLE = "unreachable"
    """No usable answer came, so it is not known whether something is missing."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Grant:
    """A statement or rule to add, and where to add it."""

    where: str
    text: str


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check of a subject: `what` was tried, why it failed, and what grants it."""

    subject: str
    what: str
    verdict: Verdict = Verdict.OK
    why: str = ""
    grants: tuple[Grant, ...] = ()

    @property
    def failing(self) -> bool:
        """Whether a run would fail for this reason."""
        return self.verdict in (Verdict.UNREACHABLE, Verdict.MISSING)


def check_result(
    subject: str, what: str, failure: Failure | None, grants: tuple[Grant, ...] = ()
) -> CheckResult:
    """The result of a check. Grants help against a denial only."""
    if failure is None:
        return CheckResult(subject, what)
    if failure.meaning in (Unreachable.meaning, Throttled.meaning):
        return CheckResult(subject, what, Verdict.UNREACHABLE, failure.message)
    denied = failure.meaning == Denied.meaning
    return CheckResult(subject, what, Verdict.MISSING, failure.message, grants if denied else ())


async def attempt(call: Awaitable[T]) -> T | Failure:
    """The answer, or the failure."""
    try:
        return await call
    except PortError as error:
        return error.failure()


# ---- rights in a cluster -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Right:
    """A verb on a resource, or on one object of it. An empty namespace means all namespaces."""

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
        """The namespace in words, or nothing for all namespaces."""
        return f" in {self.namespace}" if self.namespace else ""

    @property
    def rule(self) -> str:
        """A rule for a ClusterRole, or for a Role in the namespace."""
        names = f'resourceNames: ["{self.name}"], ' if self.name else ""
        return (
            f'- {{apiGroups: [""], resources: ["{self._resource}"], {names}verbs: ["{self.verb}"]}}'
        )

    @property
    def attributes(self) -> dict[str, str]:
        """The resource attributes of an access review."""
        return {key: value for key, value in asdict(self).items() if value}

    @property
    def _resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def rights_in(cluster: Cluster) -> tuple[Right, ...]:
    """All rights that a run may use in the cluster."""
    settings = filter(None, (registry.rrsa for registry in registries_of([cluster])))
    identities = {(rrsa.namespace, rrsa.service_account): rrsa for rrsa in settings}
    return (
        Right("list", "namespaces"),
        *(
            Right(verb, "secrets", name=wanted.name)
            for wanted in cluster.pull_secrets
            for verb in ("list", "patch", "create", "delete")
        ),
        *(Right(verb, "serviceaccounts") for verb in ("list", "get", "patch")),
        *(
            Right("create", "serviceaccounts", "token", rrsa.service_account, rrsa.namespace)
            for rrsa in identities.values()
        ),
    )


def registries_of(clusters: Iterable[Cluster]) -> tuple[Registry, ...]:
    """The registries that a namespace of the clusters may get, each once."""
    found = (
        registry
        for cluster in clusters
        for wanted in cluster.pull_secrets
        for registry in (*wanted.registries, *wanted.allowed_on_request)
    )
    return tuple(dict.fromkeys(found))


# ---- grants --------------------------------------------------------------------------------------


def holder_of(caller: str, role_chain: tuple[Role, ...]) -> str:
    """The ARN that acts at the end of a role chain: its last role, or the caller."""
    return role_chain[-1].arn if role_chain else caller


def grant_assume_role(holder: str, role: Role) -> tuple[Grant, ...]:
    """Allow the holder to assume a role: the holder's policy, and the role's trust policy."""
    condition = {"StringEquals": {"sts:ExternalId": role.external_id}} if role.external_id else {}
    trust = _trust(role.arn, {"RAM": [holder]}, condition)
    allowed = _in_policy(holder, _allow("sts:AssumeRole", resource=role_resource(role.arn)))
    return (*allowed, trust) if holder else ()


def grant_oidc_trust(rrsa: Rrsa, issuer: str) -> tuple[Grant, ...]:
    """Let a service account assume a role, with the tokens that this issuer signs."""
    account = f"system:serviceaccount:{rrsa.namespace}:{rrsa.service_account}"
    claims = {"oidc:aud": OIDC_AUDIENCE, "oidc:iss": issuer, "oidc:sub": account}
    principal = {"Federated": [rrsa.oidc_provider_arn]}
    return (_trust(rrsa.role_arn, principal, {"StringEquals": claims}),)


def grant_registry_action(holder: str, registry: Registry, action: str) -> tuple[Grant, ...]:
    """Allow an action of CR for a registry. Personal Edition has no resources of its own."""
    template = RESOURCES[action] if registry.instance_id else ALL_RESOURCES
    resource = template.format(
        region=registry.region_id, account=_account(holder), instance=registry.instance_id
    )
    return _in_policy(holder, _allow(action, resource=resource))


def grant_pull(holder: str, registry: Registry) -> tuple[Grant, ...]:
    """Allow to pull from a registry's repositories."""
    return grant_registry_action(holder, registry, "cr:PullRepository")


def grant_kubeconfig(holder: str, access: AckAccess) -> tuple[Grant, ...]:
    """Allow to fetch a cluster's kubeconfig. The action has two names."""
    resource = RESOURCES[GET_KUBECONFIG[0]].format(cluster=access.cluster_id)
    return _in_policy(holder, _allow(*GET_KUBECONFIG, resource=resource))


def grant_kubeconfig_secret(holder: str, access: KmsAccess) -> tuple[Grant, ...]:
    """Allow to read a kubeconfig in a KMS secret, and to use the key that encrypts it."""
    name = access.secret_name.rpartition("secret/")[2]
    place = {"region": access.region_id, "account": _account(holder), "secret": name}
    actions = ("kms:GetSecretValue", "kms:Decrypt")
    statements = (_allow(action, resource=RESOURCES[action].format(**place)) for action in actions)
    return _in_policy(holder, *statements)


def grant_cluster_list(holder: str) -> tuple[Grant, ...]:
    """Allow to list an account's clusters. The action has several names."""
    return _in_policy(holder, _allow(*LIST_CLUSTERS, resource=RESOURCES[LIST_CLUSTERS[0]]))


def grant_cluster_rule(right: Right) -> tuple[Grant, ...]:
    """Allow a single right in a cluster."""
    if right.namespace:
        bound_as = "bound to the same user, as in infra/rbac/rrsa-role.yaml"
        return (Grant(f"the rules of a Role{right.place}, {bound_as}", right.rule),)
    return (Grant(f"the rules of the ClusterRole {CLUSTER_ROLE}", right.rule),)


def grant_cluster_role_binding(user: str) -> tuple[Grant, ...]:
    """Bind the ClusterRole in a cluster outside ACK, as clusterrolebinding.yaml does."""
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
    """Grant the ClusterRole on ACK: an entry in the list of the holder's grants."""
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
    return tuple(Grant(where, statement) for statement in statements) if holder else ()


def _trust(role_arn: str, principal: dict[str, list[str]], condition: dict[str, Any]) -> Grant:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    text = json.dumps({**statement, "Condition": condition} if condition else statement)
    return Grant(f"the trust policy of {role_arn}", text)


def _account(holder: str) -> str:
    """The holder's account. CR and KMS know instances and secrets of one account only."""
    return holder.split(":")[3] if holder else "*"


def _allow(*actions: str, resource: str) -> str:
    action = actions[0] if len(actions) == 1 else list(actions)
    return json.dumps({"Effect": "Allow", "Action": action, "Resource": resource})
