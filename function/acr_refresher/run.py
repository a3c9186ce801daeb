"""One run: observe, plan, mint, apply and report, for all clusters at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from structlog.contextvars import bound_contextvars

from acr_refresher.config import Config
from acr_refresher.connect import Connecting, Kubeconfigs
from acr_refresher.context import Context
from acr_refresher.core.model import Cluster, Request
from acr_refresher.core.plan import secrets_in_scope
from acr_refresher.core.records import Finished
from acr_refresher.core.report import Report
from acr_refresher.core.selection import matches_any
from acr_refresher.discover import Discoverer
from acr_refresher.lines import run_line
from acr_refresher.mint import Minter
from acr_refresher.ports import (
    CloudCredentials,
    ContainerRegistry,
    KubeConnector,
    OutcomeLog,
    RegistryHosts,
    Sts,
)
from acr_refresher.publish import publish
from acr_refresher.serve import Serving, at_once


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


async def run(context: Context, config: Config, outside: Outside) -> Report:
    """Serve every cluster the request is about. One broken cluster never stops another.

    Raises InvalidEvent, with nothing done, where the request is about clusters that do not exist.
    """
    with bound_contextvars(run=context.run):
        return await _run(context, config, outside)


async def _run(context: Context, config: Config, outside: Outside) -> Report:
    session = f"acr-refresher-{context.run}"
    minter = Minter(
        outside.sts,
        outside.registry_api,
        outside.registry_hosts,
        outside.function,
        session,
        context.now,
    )
    connecting = Connecting(outside.kubeconfigs, outside.connector, minter, context.now)
    serving = Serving(context, connecting, minter, time.monotonic())
    discoverer = Discoverer(outside.kubeconfigs.ack, minter, context.budget / 4)
    try:
        registered = await discoverer.register(config.clusters, config.discoveries, context.request)
        served = await at_once(
            config.concurrency,
            (serving.serve(one) for one in targets(registered.clusters, context.request)),
        )
    finally:
        await minter.aclose()
    outcomes = served + registered.outcomes
    skew = outside.clock_skew()
    report = Report(context.run, context.request, context.now, outcomes, skew)
    took = timedelta(seconds=time.monotonic() - serving.started)
    run_line(report, took)
    finished = Finished(report, context.now + took, registered.clusters, context.account)
    return await _published(finished, outside.outcome_log, context.budget - took)


async def _published(finished: Finished, outcome_log: OutcomeLog | None, left: timedelta) -> Report:
    """The report, with what did not get into the log of outcomes. A dry run has no outcomes."""
    report = finished.report
    if outcome_log is None or report.request.dry_run:
        return report
    return replace(report, outcomes_unsent=await publish(finished, outcome_log, left))


def targets(clusters: Iterable[Cluster], request: Request) -> tuple[Cluster, ...]:
    """The clusters asked for, without those that have none of the registries asked for."""
    return tuple(
        cluster
        for cluster in clusters
        if (not request.clusters or matches_any(cluster.name, request.clusters))
        and secrets_in_scope(cluster, request)
    )
