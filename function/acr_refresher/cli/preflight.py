"""Everything that a run needs and can be refused, tried one by one. Nothing is written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import chain
from typing import TypeVar, cast

from acr_refresher.adapters.kube import KubernetesApi
from acr_refresher.cli import grants
from acr_refresher.cli.grants import Grant
from acr_refresher.cli.progress import Step
from acr_refresher.cli.rights import registries_of, rights_in
from acr_refresher.cli.visit import Visit, Visitor
from acr_refresher.core.model import AckAccess, Cluster, KmsAccess, Registry, Role, Verification
from acr_refresher.core.outcome import ClusterOutcome, Failure
from acr_refresher.core.report import CLOCK_TOLERANCE
from acr_refresher.core.request import Request
from acr_refresher.errors import Denied, PortError, Unreachable
from acr_refresher.ports import CloudCredentials, KubeApi, RegistryToken, TokenSource
from acr_refresher.retry import retrying
from acr_refresher.run import targets
from acr_refresher.sessions import SESSION_DURATION

T = TypeVar("T")


class Verdict(str, Enum):
    """What a try showed."""

    OK = "ok"
    WARNING = "warning"
    """It could not be tried from here, and may be well elsewhere."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried, of a subject; why it did not go, and what would let it."""

    subject: str
    what: str
    verdict: Verdict = Verdict.OK
    why: str = ""
    grants: tuple[Grant, ...] = ()


async def preflight(visitor: Visitor, request: Request, step: Step) -> tuple[Finding, ...]:
    """All findings about the clusters that the request is about. Raises InvalidEvent."""
    registered = await visitor.register(request)
    clusters = targets(registered.clusters, request)
    configured = () if request.clusters else visitor.setup.config.registries
    registries = dict.fromkeys((*registries_of(clusters), *configured))
    lists = _lists(visitor, registered.outcomes)
    roles = await _roles(visitor, clusters, registries)
    tried = (_registry(visitor, one, None) for one in registries if not one.rrsa)
    in_registries = chain.from_iterable(await asyncio.gather(*tried))

    async def look(cluster: Cluster, kube: KubeApi) -> tuple[Finding, ...]:
        return await _within(visitor, cluster, cast("KubernetesApi", kube))  # as it was wired

    visits = await visitor.visit_each(clusters, look, step)
    by_name = {cluster.name: cluster for cluster in clusters}
    in_clusters = chain.from_iterable(_visited(by_name[one.cluster], one) for one in visits)
    return (*lists, *roles, *in_registries, *in_clusters, _clock(visitor))


# ---- role chains and lists of clusters ----------------------------------------------------------


def _lists(visitor: Visitor, outcomes: Iterable[ClusterOutcome]) -> Iterator[Finding]:
    failed = {one.cluster: one.failure for one in outcomes if one.failure}
    for discovery in visitor.setup.config.discoveries:
        for region in discovery.regions:
            name = f"{discovery.name} {region}"
            needed = grants.listing(discovery.access.role_chain)
            yield _judged(name, "cs:DescribeClustersV1", failed.get(name), needed)


async def _roles(
    visitor: Visitor, clusters: Iterable[Cluster], registries: Iterable[Registry]
) -> list[Finding]:
    """Each role of each chain, up to the first of the chain that cannot be assumed."""
    chains = [one.access.role_chain for one in clusters if hasattr(one.access, "role_chain")]
    chains += [one.role_chain for one in registries if not one.rrsa]
    chains += [one.access.role_chain for one in visitor.setup.config.discoveries]
    found: dict[tuple[Role, ...], Finding] = {}
    for role_chain in chains:
        for length in range(1, len(role_chain) + 1):
            *before, role = part = role_chain[:length]
            if part not in found:
                failure = await _failure_of(visitor.minter.session(part, SESSION_DURATION))
                needed = grants.assume_role(tuple(before), role)
                found[part] = _judged("roles", f"assume {role.arn}", failure, needed)
            if found[part].verdict is not Verdict.OK:
                break
    return list(found.values())


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
    visitor: Visitor, registry: Registry, cluster: TokenSource | None, within: str = ""
) -> list[Finding]:
    """With RRSA as a cluster's identity, which is named in the subject."""
    subject = f"registry {registry.name}{within}"
    try:
        caller = await visitor.minter.registry_session(registry, cluster)
    except PortError as error:
        return [_judged(subject, "a session to ask for its token", error.failure())]
    api = visitor.setup.outside.registry_api
    findings: list[Finding] = []
    hosts = registry.domains
    if not hosts:
        found = await _attempt(retrying(lambda: api.hosts(caller, registry)))
        hosts = () if isinstance(found, Failure) else found
        if registry.instance_id or not hosts:  # those of Personal Edition are known unasked
            findings.append(_action(subject, registry, "cr:ListInstanceEndpoint", found))
    token = await _attempt(retrying(lambda: api.token(caller, registry)))
    findings.append(_action(subject, registry, "cr:GetAuthorizationToken", token))
    if isinstance(token, Failure) or registry.verify is Verification.NEVER:
        return findings
    tried = (_host(visitor, subject, registry, host, token) for host in hosts)
    return [*findings, *await asyncio.gather(*tried)]


def _action(subject: str, registry: Registry, action: str, answer: object) -> Finding:
    failure = answer if isinstance(answer, Failure) else None
    return _judged(subject, action, failure, grants.registry_actions(registry, action))


async def _host(
    visitor: Visitor, subject: str, registry: Registry, host: str, token: RegistryToken
) -> Finding:
    what = f"log in at {host}"
    hosts = visitor.setup.outside.registry_hosts
    try:
        await hosts.check_login(host, token, registry.verify_repository)
    except Unreachable as error:
        needed = registry.verify is Verification.ALWAYS
        return Finding(subject, what, Verdict.MISSING if needed else Verdict.WARNING, str(error))
    except PortError as error:
        return _judged(subject, what, error.failure(), grants.pulling(registry))
    return Finding(subject, what)


# ---- clusters -----------------------------------------------------------------------------------


async def _within(visitor: Visitor, cluster: Cluster, kube: KubernetesApi) -> tuple[Finding, ...]:
    subject = f"cluster {cluster.name}"
    rights = rights_in(cluster)
    allowed = await asyncio.gather(
        *(retrying(partial(kube.may, **right.attributes)) for right in rights)
    )
    judged = [
        Finding(subject, str(right))
        if may
        else Finding(subject, str(right), Verdict.MISSING, grants=grants.in_cluster(right))
        for right, may in zip(rights, allowed, strict=True)
    ]
    with_rrsa = [one for one in registries_of([cluster]) if one.rrsa]
    tried = (_registry(visitor, one, kube, f" by {cluster.name}") for one in with_rrsa)
    in_registries = chain.from_iterable(await asyncio.gather(*tried))
    return (Finding(subject, "reach the API server"), *judged, *in_registries)


def _visited(cluster: Cluster, visit: Visit[tuple[Finding, ...]]) -> tuple[Finding, ...]:
    subject, (what, needed) = f"cluster {cluster.name}", _way(cluster)
    if visit.found is not None:
        return (Finding(subject, what), *visit.found)
    if visit.skipped:
        return (Finding(subject, "is running", Verdict.WARNING, visit.skipped),)
    failure = visit.failure
    if failure and failure.service == "kube":
        reached = _judged(subject, "reach the API server", failure)
        return (Finding(subject, what), reached)
    return (_judged(subject, what, failure, needed),)


def _way(cluster: Cluster) -> tuple[str, tuple[Grant, ...]]:
    """How the cluster's kubeconfig is had, and what grants it."""
    match cluster.access:
        case AckAccess() as access:
            return "cs:DescribeClusterUserKubeconfig", grants.kubeconfig(access)
        case KmsAccess() as access:
            return "kms:GetSecretValue", grants.kubeconfig_secret(access)
        case _:
            return "read the kubeconfig", ()


# ---- judging ------------------------------------------------------------------------------------


def _judged(
    subject: str, what: str, failure: Failure | None, needed: tuple[Grant, ...] = ()
) -> Finding:
    """Ok without a failure; a grant helps against a denial alone."""
    if failure is None:
        return Finding(subject, what)
    denied = failure.meaning == Denied.meaning
    return Finding(subject, what, Verdict.MISSING, failure.message, needed if denied else ())


async def _attempt(call: Awaitable[T]) -> T | Failure:
    try:
        return await call
    except PortError as error:
        return error.failure()


async def _failure_of(call: Awaitable[CloudCredentials]) -> Failure | None:
    answer = await _attempt(call)
    return answer if isinstance(answer, Failure) else None
