"""Checks of everything that a run needs and that can be refused. Nothing is written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import cast

from acr_refresher.cli import check_rights
from acr_refresher.cli.check_rights import CheckResult, Grant, Verdict, check_result, holder_of
from acr_refresher.cli.check_roles import check_caller, check_role_chains, check_rrsa_chain
from acr_refresher.cli.check_trial import try_run
from acr_refresher.cli.session import ClusterResult, ClusterSession
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


async def preflight(session: ClusterSession, request: Request) -> tuple[CheckResult, ...]:
    """The results for the clusters that the request selects. Raises InvalidEvent."""
    dependencies = session.dependencies
    sts = cast("StsClient", dependencies.sts)  # as wiring.py sets it
    caller, calling = await check_caller(sts, dependencies.credentials)
    registered = await session.register(request)
    clusters = targets(registered.clusters, request)
    configured = () if request.clusters else session.config.registries
    registries = dict.fromkeys((*check_rights.registries_of(clusters), *configured))
    lists = _check_lists(session, caller, registered.outcomes)
    roles = await check_role_chains(session.minter, caller, _chains(session, clusters, registries))
    checks = (
        _check_registry(session, registry, holder_of(caller, registry.role_chain))
        for registry in registries
        if not registry.rrsa
    )
    in_registries = chain.from_iterable(await asyncio.gather(*checks))
    results = await session.for_each_cluster(clusters, partial(_check_inside, session, caller))
    in_clusters = chain.from_iterable(
        _check_access(caller, cluster, result)
        for cluster, result in zip(clusters, results, strict=True)
    )
    return (calling, *lists, *roles, *in_registries, *in_clusters, _check_clock(session))


# ---- role chains, lists of clusters, the clock --------------------------------------------------


def _chains(
    session: ClusterSession, clusters: Iterable[Cluster], registries: Iterable[Registry]
) -> Iterator[tuple[Role, ...]]:
    """The role chains that begin with the caller's own identity."""
    for cluster in clusters:
        if isinstance(cluster.access, AckAccess | KmsAccess):
            yield cluster.access.role_chain
    yield from (registry.role_chain for registry in registries if not registry.rrsa)
    yield from (each.access.role_chain for each in session.config.discoveries)


def _check_lists(
    session: ClusterSession, caller: str, outcomes: Iterable[ClusterOutcome]
) -> Iterator[CheckResult]:
    failures = {each.cluster: each.failure for each in outcomes if each.failure}
    for discovery in session.config.discoveries:
        for region in discovery.regions:
            name = f"{discovery.name} {region}"
            grants = check_rights.grant_cluster_list(holder_of(caller, discovery.access.role_chain))
            yield _after_chain(name, "cs:DescribeClustersV1", failures.get(name), grants)


def _after_chain(
    subject: str, what: str, failure: Failure | None, grants: tuple[Grant, ...]
) -> CheckResult:
    """The result of a call at the end of a role chain. A broken chain has results of its own."""
    in_chain = failure is not None and failure.service == "sts"
    return check_result(subject, what, failure, () if in_chain else grants)


def _check_clock(session: ClusterSession) -> CheckResult:
    skew = session.dependencies.clock_skew()
    if skew is None:
        why = "the cloud did not answer, so its time is not known"
        return CheckResult("clock", "time here and in the cloud", Verdict.WARNING, why)
    what = f"{abs(skew).total_seconds():.0f} s between the time here and in the cloud"
    if abs(skew) <= SETTINGS.clock_tolerance:
        return CheckResult("clock", what)
    why = "the cloud refuses requests that are 15 minutes off: set the clock (NTP)"
    return CheckResult("clock", what, Verdict.MISSING, why)


# ---- registries ---------------------------------------------------------------------------------


async def _check_registry(
    session: ClusterSession,
    registry: Registry,
    holder: str,
    cluster: tuple[str, TokenSource] | None = None,
) -> tuple[CheckResult, ...]:
    """Check a registry. With RRSA, the cluster's identity is used, and the subject names it."""
    subject = f"registry {registry.name}" + (f" by {cluster[0]}" if cluster else "")
    try:
        caller = await session.minter.registry_session(registry, cluster[1] if cluster else None)
    except PortError as error:
        return (check_result(subject, "a session for its token", error.failure()),)
    api = session.dependencies.registry_api
    results: list[CheckResult] = []
    hosts = registry.domains
    if not hosts:
        found = await check_rights.attempt(retrying(lambda: api.hosts(caller, registry)))
        hosts = () if isinstance(found, Failure) else found
        if registry.instance_id or not hosts:  # the hosts of Personal Edition are fixed
            results.append(
                _check_action(subject, registry, holder, "cr:ListInstanceEndpoint", found)
            )
    token = await check_rights.attempt(retrying(lambda: api.token(caller, registry)))
    results.append(_check_action(subject, registry, holder, "cr:GetAuthorizationToken", token))
    if isinstance(token, Failure) or registry.verify is Verification.NEVER:
        return tuple(results)
    grants = check_rights.grant_pull(holder, registry)
    checks = (_check_host(session, subject, registry, host, token, grants) for host in hosts)
    return (*results, *await asyncio.gather(*checks))


def _check_action(
    subject: str, registry: Registry, holder: str, action: str, answer: object
) -> CheckResult:
    failure = answer if isinstance(answer, Failure) else None
    return check_result(
        subject, action, failure, check_rights.grant_registry_action(holder, registry, action)
    )


async def _check_host(
    session: ClusterSession,
    subject: str,
    registry: Registry,
    host: str,
    token: RegistryToken,
    grants: tuple[Grant, ...],
) -> CheckResult:
    what = f"log in at {host}"
    hosts = session.dependencies.registry_hosts
    try:
        await hosts.check_login(host, token, registry.verify_repository)
    except Unreachable as error:
        always = registry.verify is Verification.ALWAYS
        verdict = Verdict.UNREACHABLE if always else Verdict.WARNING
        return CheckResult(subject, what, verdict, str(error))
    except PortError as error:
        return check_result(subject, what, error.failure(), grants)
    return CheckResult(subject, what)


async def _check_rrsa(
    session: ClusterSession, registry: Registry, cluster: Cluster, kube: TokenSource
) -> tuple[CheckResult, ...]:
    if registry.rrsa is None:
        return ()
    subject = f"registry {registry.name} by {cluster.name}"
    roles = await check_rrsa_chain(session.minter, subject, registry, registry.rrsa, kube)
    if any(result.failing for result in roles):
        return roles
    holder = holder_of(registry.rrsa.role_arn, registry.role_chain)
    return (*roles, *await _check_registry(session, registry, holder, (cluster.name, kube)))


# ---- clusters -----------------------------------------------------------------------------------


async def _check_inside(
    session: ClusterSession, caller: str, cluster: Cluster, kube: KubeApi
) -> tuple[CheckResult, ...]:
    subject = f"cluster {cluster.name}"
    api = cast("KubernetesApi", kube)  # as wiring.py sets it
    api.dry_run = True  # the check writes nothing
    rights = await check_cluster_rights(subject, caller, cluster, api)
    if not any(right.failing for right in rights):
        rights += await try_run(subject, cluster, api, session.now)
    checks = (
        _check_rrsa(session, each, cluster, kube) for each in check_rights.registries_of([cluster])
    )
    in_registries = chain.from_iterable(await asyncio.gather(*checks))
    return (CheckResult(subject, "reach the API server"), *rights, *in_registries)


def _check_access(
    caller: str, cluster: Cluster, result: ClusterResult[tuple[CheckResult, ...]]
) -> tuple[CheckResult, ...]:
    subject, (what, grants) = f"cluster {cluster.name}", _kubeconfig_source(caller, cluster)
    if result.found is not None:
        return (CheckResult(subject, what), *result.found)
    if result.skipped:
        return (CheckResult(subject, "is running", Verdict.WARNING, result.skipped),)
    if result.failure and result.failure.service == "kube":
        reached = check_result(subject, "reach the API server", result.failure)
        return (CheckResult(subject, what), reached)
    return (_after_chain(subject, what, result.failure, grants),)


def _kubeconfig_source(caller: str, cluster: Cluster) -> tuple[str, tuple[Grant, ...]]:
    """The call that gets the cluster's kubeconfig, and the grants for it."""
    match cluster.access:
        case AckAccess() as access:
            return "cs:DescribeClusterUserKubeconfig", check_rights.grant_kubeconfig(
                holder_of(caller, access.role_chain), access
            )
        case KmsAccess() as access:
            return "kms:GetSecretValue", check_rights.grant_kubeconfig_secret(
                holder_of(caller, access.role_chain), access
            )
        case _:
            return "read the kubeconfig", ()


async def check_cluster_rights(
    subject: str, caller: str, cluster: Cluster, kube: KubernetesApi
) -> tuple[CheckResult, ...]:
    """A result per right, or a single one for the ClusterRole if none of its rights is there."""
    rights = check_rights.rights_in(cluster)
    may = await _review(kube, rights)
    if refused := [right for right in rights if not may[right]]:
        # An API server that has just started does not know its roles yet.
        await asyncio.sleep(SETTINGS.kube_rights_wait.total_seconds())
        may |= await _review(kube, refused)
    by_role = [right for right in rights if not right.namespace]
    if any(may[right] for right in by_role):
        return tuple(_check_right(subject, right, may=may[right]) for right in rights)
    missing = _role_not_granted(subject, caller, cluster, await retrying(kube.refused_user))
    others = (right for right in rights if right.namespace)
    return (missing, *(_check_right(subject, right, may=may[right]) for right in others))


async def _review(
    kube: KubernetesApi, rights: Sequence[check_rights.Right]
) -> dict[check_rights.Right, bool]:
    """Whether the user has each of the rights."""
    allowed = await asyncio.gather(
        *(retrying(partial(kube.may, **right.attributes)) for right in rights)
    )
    return dict(zip(rights, allowed, strict=True))


def _check_right(subject: str, right: check_rights.Right, *, may: bool) -> CheckResult:
    if may:
        return CheckResult(subject, str(right))
    return CheckResult(
        subject, str(right), Verdict.MISSING, grants=check_rights.grant_cluster_rule(right)
    )


def _role_not_granted(subject: str, caller: str, cluster: Cluster, user: str) -> CheckResult:
    holder = f"user {user}" if user else "the kubeconfig's user"
    why = (
        f"{holder} has none of the rights: the ClusterRole is not granted, or does not exist"
        " (kubectl apply -f infra/rbac/clusterrole.yaml)"
    )
    if isinstance(access := cluster.access, AckAccess):
        grants = check_rights.grant_in_ack(holder_of(caller, access.role_chain), access.cluster_id)
    else:
        grants = check_rights.grant_cluster_role_binding(user)
    what = f"the ClusterRole {check_rights.CLUSTER_ROLE}"
    return CheckResult(subject, what, Verdict.MISSING, why, grants)
