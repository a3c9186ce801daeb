"""Everything that a run needs and can be refused, tried one by one. Nothing is written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import cast

from acr_refresher.adapters.kube import KubernetesApi
from acr_refresher.adapters.sts import StsClient
from acr_refresher.cli import grants
from acr_refresher.cli.chains import begun_by_cluster, begun_here, who_calls
from acr_refresher.cli.cluster_rights import judged_rights
from acr_refresher.cli.findings import Finding, Verdict, attempt, judged
from acr_refresher.cli.grants import Grant, holder_of
from acr_refresher.cli.progress import Step
from acr_refresher.cli.rights import registries_of
from acr_refresher.cli.visit import Visit, Visitor
from acr_refresher.core.model import AckAccess, Cluster, KmsAccess, Registry, Role, Verification
from acr_refresher.core.outcome import ClusterOutcome, Failure
from acr_refresher.core.report import CLOCK_TOLERANCE
from acr_refresher.core.request import Request
from acr_refresher.errors import PortError, Unreachable
from acr_refresher.ports import KubeApi, RegistryToken, TokenSource
from acr_refresher.retry import retrying
from acr_refresher.run import targets


async def preflight(visitor: Visitor, request: Request, step: Step) -> tuple[Finding, ...]:
    """All findings about the clusters that the request is about. Raises InvalidEvent."""
    outside = visitor.setup.outside
    sts = cast("StsClient", outside.sts)  # as it was wired
    caller, calling = await who_calls(sts, outside.function)
    registered = await visitor.register(request)
    clusters = targets(registered.clusters, request)
    configured = () if request.clusters else visitor.setup.config.registries
    registries = dict.fromkeys((*registries_of(clusters), *configured))
    lists = _lists(visitor, caller, registered.outcomes)
    roles = await begun_here(visitor.minter, caller, _chains(visitor, clusters, registries))
    tried = (
        _registry(visitor, one, holder_of(caller, one.role_chain))
        for one in registries
        if not one.rrsa
    )
    in_registries = chain.from_iterable(await asyncio.gather(*tried))

    async def look(cluster: Cluster, kube: KubeApi) -> tuple[Finding, ...]:
        api = cast("KubernetesApi", kube)  # as it was wired
        return await _within(visitor, caller, cluster, api)

    visits = await visitor.visit_each(clusters, look, step)
    by_name = {cluster.name: cluster for cluster in clusters}
    in_clusters = chain.from_iterable(_visited(caller, by_name[one.cluster], one) for one in visits)
    return (calling, *lists, *roles, *in_registries, *in_clusters, _clock(visitor))


# ---- role chains, lists of clusters, the clock --------------------------------------------------


def _chains(
    visitor: Visitor, clusters: Iterable[Cluster], registries: Iterable[Registry]
) -> Iterator[tuple[Role, ...]]:
    """Those that begin with the caller's own identity."""
    for cluster in clusters:
        if isinstance(cluster.access, AckAccess | KmsAccess):
            yield cluster.access.role_chain
    yield from (one.role_chain for one in registries if not one.rrsa)
    yield from (one.access.role_chain for one in visitor.setup.config.discoveries)


def _lists(visitor: Visitor, caller: str, outcomes: Iterable[ClusterOutcome]) -> Iterator[Finding]:
    failed = {one.cluster: one.failure for one in outcomes if one.failure}
    for discovery in visitor.setup.config.discoveries:
        for region in discovery.regions:
            name = f"{discovery.name} {region}"
            needed = grants.listing(holder_of(caller, discovery.access.role_chain))
            yield _after_chain(name, "cs:DescribeClustersV1", failed.get(name), needed)


def _after_chain(
    subject: str, what: str, failure: Failure | None, needed: tuple[Grant, ...]
) -> Finding:
    """Of what a chain of roles leads to. Where the chain fails, its roles have the grants."""
    in_chain = failure is not None and failure.service == "sts"
    return judged(subject, what, failure, () if in_chain else needed)


def _clock(visitor: Visitor) -> Finding:
    skew = visitor.setup.outside.clock_skew()
    if skew is None:
        why = "no answer came from the cloud, so its time is not known"
        return Finding("clock", "time here and in the cloud", Verdict.WARNING, why)
    what = f"{abs(skew).total_seconds():.0f} s off the cloud's"
    if abs(skew) <= CLOCK_TOLERANCE:
        return Finding("clock", what)
    why = "the cloud refuses requests a quarter of an hour off: set the clock (NTP)"
    return Finding("clock", what, Verdict.MISSING, why)


# ---- registries ---------------------------------------------------------------------------------


async def _registry(
    visitor: Visitor, registry: Registry, holder: str, within: tuple[str, TokenSource] | None = None
) -> tuple[Finding, ...]:
    """With RRSA as the identity of the cluster `within`, which is named in the subject."""
    subject = f"registry {registry.name}" + (f" by {within[0]}" if within else "")
    try:
        caller = await visitor.minter.registry_session(registry, within[1] if within else None)
    except PortError as error:
        return (judged(subject, "a session to ask for its token", error.failure()),)
    api = visitor.setup.outside.registry_api
    findings: list[Finding] = []
    hosts = registry.domains
    if not hosts:
        found = await attempt(retrying(lambda: api.hosts(caller, registry)))
        hosts = () if isinstance(found, Failure) else found
        if registry.instance_id or not hosts:  # those of Personal Edition are known unasked
            findings.append(_action(subject, registry, holder, "cr:ListInstanceEndpoint", found))
    token = await attempt(retrying(lambda: api.token(caller, registry)))
    findings.append(_action(subject, registry, holder, "cr:GetAuthorizationToken", token))
    if isinstance(token, Failure) or registry.verify is Verification.NEVER:
        return tuple(findings)
    needed = grants.pulling(holder, registry)
    tried = (_host(visitor, subject, registry, host, token, needed) for host in hosts)
    return (*findings, *await asyncio.gather(*tried))


def _action(subject: str, registry: Registry, holder: str, action: str, answer: object) -> Finding:
    failure = answer if isinstance(answer, Failure) else None
    return judged(subject, action, failure, grants.registry_actions(holder, registry, action))


async def _host(
    visitor: Visitor,
    subject: str,
    registry: Registry,
    host: str,
    token: RegistryToken,
    needed: tuple[Grant, ...],
) -> Finding:
    what = f"log in at {host}"
    hosts = visitor.setup.outside.registry_hosts
    try:
        await hosts.check_login(host, token, registry.verify_repository)
    except Unreachable as error:
        always = registry.verify is Verification.ALWAYS
        verdict = Verdict.UNREACHABLE if always else Verdict.WARNING
        return Finding(subject, what, verdict, str(error))
    except PortError as error:
        return judged(subject, what, error.failure(), needed)
    return Finding(subject, what)


async def _by_rrsa(
    visitor: Visitor, registry: Registry, cluster: Cluster, kube: TokenSource
) -> tuple[Finding, ...]:
    if registry.rrsa is None:
        return ()
    subject = f"registry {registry.name} by {cluster.name}"
    walked = await begun_by_cluster(visitor.minter, subject, registry, registry.rrsa, kube)
    if any(one.failing for one in walked):
        return walked
    holder = holder_of(registry.rrsa.role_arn, registry.role_chain)
    return (*walked, *await _registry(visitor, registry, holder, (cluster.name, kube)))


# ---- clusters -----------------------------------------------------------------------------------


async def _within(
    visitor: Visitor, caller: str, cluster: Cluster, kube: KubernetesApi
) -> tuple[Finding, ...]:
    subject = f"cluster {cluster.name}"
    judgements = await judged_rights(subject, caller, cluster, kube)
    tried = (_by_rrsa(visitor, one, cluster, kube) for one in registries_of([cluster]))
    in_registries = chain.from_iterable(await asyncio.gather(*tried))
    return (Finding(subject, "reach the API server"), *judgements, *in_registries)


def _visited(
    caller: str, cluster: Cluster, visit: Visit[tuple[Finding, ...]]
) -> tuple[Finding, ...]:
    subject, (what, needed) = f"cluster {cluster.name}", _way(caller, cluster)
    if visit.found is not None:
        return (Finding(subject, what), *visit.found)
    if visit.skipped:
        return (Finding(subject, "is running", Verdict.WARNING, visit.skipped),)
    failure = visit.failure
    if failure and failure.service == "kube":
        reached = judged(subject, "reach the API server", failure)
        return (Finding(subject, what), reached)
    return (_after_chain(subject, what, failure, needed),)


def _way(caller: str, cluster: Cluster) -> tuple[str, tuple[Grant, ...]]:
    """How the cluster's kubeconfig is had, and what grants it."""
    match cluster.access:
        case AckAccess() as access:
            return "cs:DescribeClusterUserKubeconfig", grants.kubeconfig(
                holder_of(caller, access.role_chain), access
            )
        case KmsAccess() as access:
            return "kms:GetSecretValue", grants.kubeconfig_secret(
                holder_of(caller, access.role_chain), access
            )
        case _:
            return "read the kubeconfig", ()
