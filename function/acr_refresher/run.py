"""One run: observe, plan, mint, apply and report, for all clusters at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from structlog.contextvars import bound_contextvars

from acr_refresher.config import Config
from acr_refresher.connect import Connecting, Kubeconfigs
from acr_refresher.context import Context, Stopwatch
from acr_refresher.core.model import Cluster
from acr_refresher.core.order import most_urgent_first
from acr_refresher.core.outcome import ClusterOutcome
from acr_refresher.core.plan import secrets_in_scope
from acr_refresher.core.records import Finished
from acr_refresher.core.report import Report
from acr_refresher.core.request import Request
from acr_refresher.discover import Discoverer
from acr_refresher.handover import Handover
from acr_refresher.lines import run_line
from acr_refresher.mint import Minter
from acr_refresher.places import at_once
from acr_refresher.ports import (
    CloudCredentials,
    ContainerRegistry,
    Functions,
    KubeConnector,
    OutcomeLog,
    RegistryHosts,
    Sts,
)
from acr_refresher.publish import publish
from acr_refresher.serve import Serving, Visits


@dataclass(frozen=True, slots=True)
class Outside:
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
    visits: Visits = field(default_factory=Visits)
    throttled: Callable[[], Mapping[str, int]] = dict
    """How many calls to each service the cloud refused as too many."""


async def run(context: Context, config: Config, outside: Outside) -> Report:
    """Serve every cluster the request is about. One broken cluster never stops another.

    What is too much for one invocation, or for its time, is handed on to others, where that can be.
    Raises InvalidEvent, with nothing done, where the request is about clusters that do not exist.
    """
    shard = context.request.shard
    with bound_contextvars(run=context.run, **({"shard": str(shard)} if shard else {})):
        return await _run(context, config, outside, Stopwatch.start(context.budget))


async def _run(context: Context, config: Config, outside: Outside, watch: Stopwatch) -> Report:
    minter = Minter(
        outside.sts,
        outside.registry_api,
        outside.registry_hosts,
        outside.function,
        f"acr-refresher-{context.run}",
        context.now,
    )
    outside.kubeconfigs.cache.drop_lapsed(context.now)
    connecting = Connecting(outside.kubeconfigs, outside.connector, minter, context.now)
    serving = Serving(context, connecting, minter, watch, config.cluster_timeout, outside.visits)
    handover = Handover(context, outside.functions, config.shard_size, watch)
    discoverer = Discoverer(outside.kubeconfigs.ack, minter, context.budget / 4)
    try:
        registered = await discoverer.register(config.clusters, config.discoveries, context.request)
        wanted = targets(registered.clusters, context.request)
        queue = most_urgent_first(wanted, outside.visits.seen, context.now)
        ours, shards = await handover.fan_out(queue)
        begun = await at_once(config.concurrency, map(serving.serve, ours))
        served = tuple(outcome for outcome in begun if outcome)
        late = tuple(one for one, outcome in zip(ours, begun, strict=True) if outcome is None)
        left, continuation = await handover.carry_on(late, len(served))
    finally:
        await minter.aclose()
    outcomes = _in_order(wanted, (*served, *map(serving.defer, left)))
    report = Report(
        run=context.run,
        request=context.request,
        started_at=context.now,
        clusters=outcomes + registered.outcomes,
        clock_skew=outside.clock_skew(),
        handed_on=shards + continuation,
        throttled=outside.throttled(),
    )
    run_line(report, watch.took, context.request_id)
    finished = Finished(report, context.now + watch.took, registered.clusters, context.account)
    return await _published(finished, outside.outcome_log, watch.left)


async def _published(finished: Finished, outcome_log: OutcomeLog | None, left: timedelta) -> Report:
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
        if request.concerns(cluster.name) and secrets_in_scope(cluster, request)
    )


def _in_order(
    clusters: Iterable[Cluster], outcomes: Iterable[ClusterOutcome]
) -> tuple[ClusterOutcome, ...]:
    """As they are registered, which is how people look for them."""
    numbers = {cluster.name: number for number, cluster in enumerate(clusters)}
    return tuple(sorted(outcomes, key=lambda one: numbers[one.cluster]))
