"""One run: lists the clusters, delegates or serves them, and reports the outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import NamedTuple

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
from acr_refresher.run.deadline import RunClock, Stopwatch
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
    """All services that a run calls, its identity, and what earlier runs have kept for it."""

    credentials: CloudCredentials
    sts: Sts
    registry_api: ContainerRegistry
    registry_hosts: RegistryHosts
    kubeconfigs: Kubeconfigs
    connector: KubeConnector
    clock_skew: Callable[[], timedelta | None]
    """How far this machine's clock is ahead of the cloud's, if a call of this run has shown it."""
    outcome_log: OutcomeLog | None = None
    functions: Functions | None = None
    """Starts this function again; None if it may not."""
    last_seen: LastSeenClusters = field(default_factory=LastSeenClusters)
    throttled: Callable[[], Mapping[str, int]] = dict
    """How many calls to each service the cloud refused as too many."""


async def run(context: RunContext, config: Config, dependencies: Dependencies) -> Report:
    """Serve every cluster of the request. A broken cluster never stops another.

    Clusters that are too many for one invocation, or for its time, are delegated if possible.
    Raises InvalidEvent, with nothing done, if the request names clusters that do not exist.
    """
    shard = context.request.shard
    with bound_contextvars(run=context.run, **({"shard": str(shard)} if shard else {})):
        return await _run(context, config, dependencies, Stopwatch.start(context.budget))


async def _run(
    context: RunContext, config: Config, dependencies: Dependencies, watch: Stopwatch
) -> Report:
    stages = _stages(context, config, dependencies, watch)
    request, last_seen = context.request, dependencies.last_seen
    try:
        listed = await stages.discoverer.register(config.clusters, config.discoveries, request)
        wanted = targets(listed.clusters, request)
        queue = most_urgent_first(wanted, last_seen.seen, context.now)
        ours, shards = await stages.fan_out.fan_out(queue)
        results = await run_bounded(config.concurrency, map(stages.runner.serve, ours))
        served = tuple(outcome for outcome in results if outcome)
        late = tuple(each for each, outcome in zip(ours, results, strict=True) if outcome is None)
        left, continuation = await stages.fan_out.continue_(late, len(served))
    finally:
        await stages.minter.aclose()
    outcomes = _in_order(wanted, (*served, *map(stages.runner.defer, left)))
    report = Report(
        run=context.run,
        request=request,
        started_at=context.now,
        clusters=outcomes + listed.outcomes,
        clock_skew=dependencies.clock_skew(),
        delegated=shards + continuation,
        throttled=dependencies.throttled(),
    )
    log_run(report, watch.elapsed, context.request_id)
    finished = FinishedRun(report, context.now + watch.elapsed, listed.clusters, context.account)
    return await _publish(finished, dependencies.outcome_log, watch.remaining)


class _Stages(NamedTuple):
    """The objects that serve one run. They keep nothing for the next run."""

    minter: Minter
    discoverer: Discoverer
    fan_out: FanOut
    runner: ClusterRunner


def _stages(
    context: RunContext, config: Config, dependencies: Dependencies, watch: Stopwatch
) -> _Stages:
    kubeconfigs, now = dependencies.kubeconfigs, context.now
    kubeconfigs.cache.drop_lapsed(now)
    minter = Minter(
        dependencies.sts,
        dependencies.registry_api,
        dependencies.registry_hosts,
        dependencies.credentials,
        f"acr-refresher-{context.run}",
        now,
    )
    connections = ClusterConnections(kubeconfigs, dependencies.connector, minter, now)
    return _Stages(
        minter,
        Discoverer(kubeconfigs.ack, minter, context.budget / 4),
        FanOut(context, dependencies.functions, config.shard_size, watch),
        ClusterRunner(
            context,
            connections,
            minter,
            watch,
            config.cluster_timeout,
            dependencies.last_seen,
            RunClock(now, dependencies.clock_skew),
        ),
    )


async def _publish(
    finished: FinishedRun, outcome_log: OutcomeLog | None, left: timedelta
) -> Report:
    """Write the records, except in a dry run; add to the report what could not be written."""
    report = finished.report
    if outcome_log is None or report.request.dry_run:
        return report
    return replace(report, unsent=await publish(finished, outcome_log, left))


def targets(clusters: Iterable[Cluster], request: Request) -> tuple[Cluster, ...]:
    """Return the requested clusters that have at least one of the requested registries."""
    return tuple(
        cluster
        for cluster in clusters
        if request.selects_cluster(cluster.name) and secrets_in_scope(cluster, request)
    )


def _in_order(
    clusters: Iterable[Cluster], outcomes: Iterable[ClusterOutcome]
) -> tuple[ClusterOutcome, ...]:
    """Sort the outcomes as config.yaml lists the clusters, which is how people look for them."""
    numbers = {cluster.name: number for number, cluster in enumerate(clusters)}
    return tuple(sorted(outcomes, key=lambda outcome: numbers[outcome.cluster]))
