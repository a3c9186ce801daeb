"""One run: observe, plan, mint, apply and report, for all clusters at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from structlog.contextvars import bound_contextvars

from acr_refresher.config.load import Config
from acr_refresher.core.fleet import most_urgent_first
from acr_refresher.core.model import Cluster
from acr_refresher.core.outcome import ClusterOutcome
from acr_refresher.core.outcome_records import FinishedRun
from acr_refresher.core.plan import secrets_in_scope
from acr_refresher.core.report import Report
from acr_refresher.core.request import Request, RunContext
from acr_refresher.log_events import log_run
from acr_refresher.run.cluster import ClusterRunner, LastSeenClusters
from acr_refresher.run.concurrency import run_bounded
from acr_refresher.run.connect import ClusterConnections, Kubeconfigs
from acr_refresher.run.deadline import Stopwatch
from acr_refresher.run.discover import Discoverer
from acr_refresher.run.fanout import FanOut
from acr_refresher.run.ports import (
    CloudCredentials,
    ContainerRegistry,
    Functions,
    KubeConnector,
    OutcomeLog,
    RegistryHosts,
    Sts,
)
from acr_refresher.run.publish import publish
from acr_refresher.run.tokens import Minter


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Everything that a run reaches out to, and who it does so as."""

    function: CloudCredentials
    sts: Sts
    registry_api: ContainerRegistry
    registry_hosts: RegistryHosts
    kubeconfigs: Kubeconfigs
    connector: KubeConnector
    clock_skew: Callable[[], timedelta | None]
    """How far the clock here is ahead of the cloud's, as far as this run's calls told."""
    outcome_log: OutcomeLog | None = None
    functions: Functions | None = None
    """What starts this function again, where it may be."""
    last_seen: LastSeenClusters = field(default_factory=LastSeenClusters)
    throttled: Callable[[], Mapping[str, int]] = dict
    """How many calls to each service the cloud refused as too many."""


async def run(context: RunContext, config: Config, dependencies: Dependencies) -> Report:
    """Serve every cluster the request is about. One broken cluster never stops another.

    What is too much for one invocation, or for its time, is handed on to others, where that can be.
    Raises InvalidEvent, with nothing done, where the request is about clusters that do not exist.
    """
    shard = context.request.shard
    with bound_contextvars(run=context.run, **({"shard": str(shard)} if shard else {})):
        return await _run(context, config, dependencies, Stopwatch.start(context.budget))


async def _run(
    context: RunContext, config: Config, dependencies: Dependencies, watch: Stopwatch
) -> Report:
    minter = Minter(
        dependencies.sts,
        dependencies.registry_api,
        dependencies.registry_hosts,
        dependencies.function,
        f"acr-refresher-{context.run}",
        context.now,
    )
    dependencies.kubeconfigs.cache.drop_lapsed(context.now)
    connecting = ClusterConnections(
        dependencies.kubeconfigs, dependencies.connector, minter, context.now
    )
    serving = ClusterRunner(
        context, connecting, minter, watch, config.cluster_timeout, dependencies.last_seen
    )
    handover = FanOut(context, dependencies.functions, config.shard_size, watch)
    discoverer = Discoverer(dependencies.kubeconfigs.ack, minter, context.budget / 4)
    try:
        registered = await discoverer.register(config.clusters, config.discoveries, context.request)
        wanted = targets(registered.clusters, context.request)
        queue = most_urgent_first(wanted, dependencies.last_seen.seen, context.now)
        ours, shards = await handover.fan_out(queue)
        begun = await run_bounded(config.concurrency, map(serving.serve, ours))
        served = tuple(outcome for outcome in begun if outcome)
        late = tuple(one for one, outcome in zip(ours, begun, strict=True) if outcome is None)
        left, continuation = await handover.continue_(late, len(served))
    finally:
        await minter.aclose()
    outcomes = _in_order(wanted, (*served, *map(serving.defer, left)))
    report = Report(
        run=context.run,
        request=context.request,
        started_at=context.now,
        clusters=outcomes + registered.outcomes,
        clock_skew=dependencies.clock_skew(),
        delegated=shards + continuation,
        throttled=dependencies.throttled(),
    )
    log_run(report, watch.elapsed, context.request_id)
    finished = FinishedRun(
        report, context.now + watch.elapsed, registered.clusters, context.account
    )
    return await _publish(finished, dependencies.outcome_log, watch.remaining)


async def _publish(
    finished: FinishedRun, outcome_log: OutcomeLog | None, left: timedelta
) -> Report:
    """The report, with what did not get into the log of outcomes. A dry run has no outcomes."""
    report = finished.report
    if outcome_log is None or report.request.dry_run:
        return report
    return replace(report, unsent=await publish(finished, outcome_log, left))


def targets(clusters: Iterable[Cluster], request: Request) -> tuple[Cluster, ...]:
    """The clusters asked for, without those that have none of the registries asked for."""
    return tuple(
        cluster
        for cluster in clusters
        if request.selects_cluster(cluster.name) and secrets_in_scope(cluster, request)
    )


def _in_order(
    clusters: Iterable[Cluster], outcomes: Iterable[ClusterOutcome]
) -> tuple[ClusterOutcome, ...]:
    """As they are registered, which is how people look for them."""
    numbers = {cluster.name: number for number, cluster in enumerate(clusters)}
    return tuple(sorted(outcomes, key=lambda one: numbers[one.cluster]))
