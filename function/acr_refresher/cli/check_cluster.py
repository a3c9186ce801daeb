"""Everything that a run needs and can be refused, tried one by one. Nothing is written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from typing import cast

from acr_refresher.cli.check_result import CheckResult, Verdict, attempt, check_result
from acr_refresher.cli.check_rights import (
    CLUSTER_ROLE,
    Grant,
    Right,
    grant_cluster_list,
    grant_cluster_role_binding,
    grant_cluster_rule,
    grant_in_ack,
    grant_kubeconfig,
    grant_kubeconfig_secret,
    grant_pull,
    grant_registry_actions,
    holder_of,
    registries_of,
    rights_in,
)
from acr_refresher.cli.check_roles import check_caller, check_role_chains, check_rrsa_chain
from acr_refresher.cli.progress import Step
from acr_refresher.cli.session import ClusterResult, ClusterVisitor
from acr_refresher.cloud.sts import StsClient
from acr_refresher.core.model import AckAccess, Cluster, KmsAccess, Registry, Role, Verification
from acr_refresher.core.outcome import ClusterOutcome, Failure
from acr_refresher.core.request import Request
from acr_refresher.errors import PortError, Unreachable
from acr_refresher.kube.api import KubernetesApi
from acr_refresher.run.ports import KubeApi, RegistryToken, TokenSource
from acr_refresher.run.retry import retrying
from acr_refresher.run.run import targets
from acr_refresher.settings import SETTINGS


async def preflight(
    visitor: ClusterVisitor, request: Request, step: Step
) -> tuple[CheckResult, ...]:
    """All findings about the clusters that the request is about. Raises InvalidEvent."""
    dependencies = visitor.setup.dependencies
    sts = cast("StsClient", dependencies.sts)  # as it was wired
    caller, calling = await check_caller(sts, dependencies.function)
    registered = await visitor.register(request)
    clusters = targets(registered.clusters, request)
    configured = () if request.clusters else visitor.setup.config.registries
    registries = dict.fromkeys((*registries_of(clusters), *configured))
    lists = _check_lists(visitor, caller, registered.outcomes)
    roles = await check_role_chains(visitor.minter, caller, _chains(visitor, clusters, registries))
    tried = (
        _check_registry(visitor, one, holder_of(caller, one.role_chain))
        for one in registries
        if not one.rrsa
    )
    in_registries = chain.from_iterable(await asyncio.gather(*tried))

    async def look(cluster: Cluster, kube: KubeApi) -> tuple[CheckResult, ...]:
        api = cast("KubernetesApi", kube)  # as it was wired
        return await _check_inside(visitor, caller, cluster, api)

    last_seen = await visitor.visit_each(clusters, look, step)
    by_name = {cluster.name: cluster for cluster in clusters}
    in_clusters = chain.from_iterable(
        _check_visited(caller, by_name[one.cluster], one) for one in last_seen
    )
    return (calling, *lists, *roles, *in_registries, *in_clusters, _check_clock(visitor))


# ---- role chains, lists of clusters, the clock --------------------------------------------------


def _chains(
    visitor: ClusterVisitor, clusters: Iterable[Cluster], registries: Iterable[Registry]
) -> Iterator[tuple[Role, ...]]:
    """Those that begin with the caller's own identity."""
    for cluster in clusters:
        if isinstance(cluster.access, AckAccess | KmsAccess):
            yield cluster.access.role_chain
    yield from (one.role_chain for one in registries if not one.rrsa)
    yield from (one.access.role_chain for one in visitor.setup.config.discoveries)


def _check_lists(
    visitor: ClusterVisitor, caller: str, outcomes: Iterable[ClusterOutcome]
) -> Iterator[CheckResult]:
    failed = {one.cluster: one.failure for one in outcomes if one.failure}
    for discovery in visitor.setup.config.discoveries:
        for region in discovery.regions:
            name = f"{discovery.name} {region}"
            needed = grant_cluster_list(holder_of(caller, discovery.access.role_chain))
            yield _after_chain(name, "cs:DescribeClustersV1", failed.get(name), needed)


def _after_chain(
    subject: str, what: str, failure: Failure | None, needed: tuple[Grant, ...]
) -> CheckResult:
    """Of what a chain of roles leads to. Where the chain fails, its roles have the grants."""
    in_chain = failure is not None and failure.service == "sts"
    return check_result(subject, what, failure, () if in_chain else needed)


def _check_clock(visitor: ClusterVisitor) -> CheckResult:
    skew = visitor.setup.dependencies.clock_skew()
    if skew is None:
        why = "no answer came from the cloud, so its time is not known"
        return CheckResult("clock", "time here and in the cloud", Verdict.WARNING, why)
    what = f"{abs(skew).total_seconds():.0f} s off the cloud's"
    if abs(skew) <= SETTINGS.clock_tolerance:
        return CheckResult("clock", what)
    why = "the cloud refuses requests a quarter of an hour off: set the clock (NTP)"
    return CheckResult("clock", what, Verdict.MISSING, why)


# ---- registries ---------------------------------------------------------------------------------


async def _check_registry(
    visitor: ClusterVisitor,
    registry: Registry,
    holder: str,
    within: tuple[str, TokenSource] | None = None,
) -> tuple[CheckResult, ...]:
    """With RRSA as the identity of the cluster `within`, which is named in the subject."""
    subject = f"registry {registry.name}" + (f" by {within[0]}" if within else "")
    try:
        caller = await visitor.minter.registry_session(registry, within[1] if within else None)
    except PortError as error:
        return (check_result(subject, "a session to ask for its token", error.failure()),)
    api = visitor.setup.dependencies.registry_api
    findings: list[CheckResult] = []
    hosts = registry.domains
    if not hosts:
        found = await attempt(retrying(lambda: api.hosts(caller, registry)))
        hosts = () if isinstance(found, Failure) else found
        if registry.instance_id or not hosts:  # those of Personal Edition are known unasked
            findings.append(
                _check_action(subject, registry, holder, "cr:ListInstanceEndpoint", found)
            )
    token = await attempt(retrying(lambda: api.token(caller, registry)))
    findings.append(_check_action(subject, registry, holder, "cr:GetAuthorizationToken", token))
    if isinstance(token, Failure) or registry.verify is Verification.NEVER:
        return tuple(findings)
    needed = grant_pull(holder, registry)
    tried = (_check_host(visitor, subject, registry, host, token, needed) for host in hosts)
    return (*findings, *await asyncio.gather(*tried))


def _check_action(
    subject: str, registry: Registry, holder: str, action: str, answer: object
) -> CheckResult:
    failure = answer if isinstance(answer, Failure) else None
    return check_result(subject, action, failure, grant_registry_actions(holder, registry, action))


async def _check_host(
    visitor: ClusterVisitor,
    subject: str,
    registry: Registry,
    host: str,
    token: RegistryToken,
    needed: tuple[Grant, ...],
) -> CheckResult:
    what = f"log in at {host}"
    hosts = visitor.setup.dependencies.registry_hosts
    try:
        await hosts.check_login(host, token, registry.verify_repository)
    except Unreachable as error:
        always = registry.verify is Verification.ALWAYS
        verdict = Verdict.UNREACHABLE if always else Verdict.WARNING
        return CheckResult(subject, what, verdict, str(error))
    except PortError as error:
        return check_result(subject, what, error.failure(), needed)
    return CheckResult(subject, what)


async def _check_rrsa(
    visitor: ClusterVisitor, registry: Registry, cluster: Cluster, kube: TokenSource
) -> tuple[CheckResult, ...]:
    if registry.rrsa is None:
        return ()
    subject = f"registry {registry.name} by {cluster.name}"
    walked = await check_rrsa_chain(visitor.minter, subject, registry, registry.rrsa, kube)
    if any(one.failing for one in walked):
        return walked
    holder = holder_of(registry.rrsa.role_arn, registry.role_chain)
    return (*walked, *await _check_registry(visitor, registry, holder, (cluster.name, kube)))


# ---- clusters -----------------------------------------------------------------------------------


async def _check_inside(
    visitor: ClusterVisitor, caller: str, cluster: Cluster, kube: KubernetesApi
) -> tuple[CheckResult, ...]:
    subject = f"cluster {cluster.name}"
    judgements = await check_cluster_rights(subject, caller, cluster, kube)
    tried = (_check_rrsa(visitor, one, cluster, kube) for one in registries_of([cluster]))
    in_registries = chain.from_iterable(await asyncio.gather(*tried))
    return (CheckResult(subject, "reach the API server"), *judgements, *in_registries)


def _check_visited(
    caller: str, cluster: Cluster, visit: ClusterResult[tuple[CheckResult, ...]]
) -> tuple[CheckResult, ...]:
    subject, (what, needed) = f"cluster {cluster.name}", _kubeconfig_source(caller, cluster)
    if visit.found is not None:
        return (CheckResult(subject, what), *visit.found)
    if visit.skipped:
        return (CheckResult(subject, "is running", Verdict.WARNING, visit.skipped),)
    failure = visit.failure
    if failure and failure.service == "kube":
        reached = check_result(subject, "reach the API server", failure)
        return (CheckResult(subject, what), reached)
    return (_after_chain(subject, what, failure, needed),)


def _kubeconfig_source(caller: str, cluster: Cluster) -> tuple[str, tuple[Grant, ...]]:
    """How the cluster's kubeconfig is had, and what grants it."""
    match cluster.access:
        case AckAccess() as access:
            return "cs:DescribeClusterUserKubeconfig", grant_kubeconfig(
                holder_of(caller, access.role_chain), access
            )
        case KmsAccess() as access:
            return "kms:GetSecretValue", grant_kubeconfig_secret(
                holder_of(caller, access.role_chain), access
            )
        case _:
            return "read the kubeconfig", ()


async def check_cluster_rights(
    subject: str, caller: str, cluster: Cluster, kube: KubernetesApi
) -> tuple[CheckResult, ...]:
    """A finding for each right; for all of the ClusterRole a single one where none is there."""
    rights = rights_in(cluster)
    allowed = await asyncio.gather(
        *(retrying(partial(kube.may, **right.attributes)) for right in rights)
    )
    may = dict(zip(rights, allowed, strict=True))
    by_role = [right for right in rights if not right.namespace]
    if any(may[right] for right in by_role):
        return tuple(_check_right(subject, right, may=may[right]) for right in rights)
    ungranted = _role_not_granted(subject, caller, cluster, await retrying(kube.refused_user))
    others = (right for right in rights if right.namespace)
    return (ungranted, *(_check_right(subject, right, may=may[right]) for right in others))


def _check_right(subject: str, right: Right, *, may: bool) -> CheckResult:
    if may:
        return CheckResult(subject, str(right))
    return CheckResult(subject, str(right), Verdict.MISSING, grants=grant_cluster_rule(right))


def _role_not_granted(subject: str, caller: str, cluster: Cluster, user: str) -> CheckResult:
    whom = f"user {user}" if user else "the kubeconfig's user"
    why = (
        f"{whom} has none of the rights: the ClusterRole is not granted, or is not there itself"
        " (kubectl apply -f infra/rbac/clusterrole.yaml)"
    )
    if isinstance(access := cluster.access, AckAccess):
        holder = holder_of(caller, access.role_chain)
        needed = grant_in_ack(holder, access.cluster_id)
    else:
        needed = grant_cluster_role_binding(user)
    what = f"the ClusterRole {CLUSTER_ROLE}"
    return CheckResult(subject, what, Verdict.MISSING, why, needed)
