"""One run: observe, plan, mint, apply and report, for all clusters at once."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import TypeVar

from structlog.contextvars import bound_contextvars

from acr_refresher.apply import Applier
from acr_refresher.bugs import bug
from acr_refresher.config import Config
from acr_refresher.connect import Connecting, Kubeconfigs
from acr_refresher.core import compose
from acr_refresher.core.action import Action
from acr_refresher.core.model import Cluster, Request
from acr_refresher.core.outcome import ClusterOutcome, Failure, SecretOutcome
from acr_refresher.core.plan import plan, secrets_in_scope
from acr_refresher.core.records import Finished
from acr_refresher.core.report import Report
from acr_refresher.core.selection import matches_any
from acr_refresher.discover import Discoverer
from acr_refresher.errors import NotRunning, PortError
from acr_refresher.lines import cluster_line, run_line, secret_line
from acr_refresher.mint import Minter
from acr_refresher.observe import observe
from acr_refresher.ports import (
    CloudCredentials,
    ContainerRegistry,
    KubeApi,
    KubeConnector,
    OutcomeLog,
    RegistryHosts,
    Sts,
)
from acr_refresher.publish import publish

NAMESPACES_AT_ONCE = 16
"""In one cluster: what an API server of modest size takes without queueing."""
NAMESPACES_A_CONNECTION = 25
"""A TLS handshake costs as much CPU as five writes, and its buffers 256 KiB: it has to pay."""

T = TypeVar("T")


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
    throttled: Callable[[], Mapping[str, int]] = dict
    """How many calls to each service the cloud refused as too many."""


@dataclass(frozen=True, slots=True)
class Context:
    """What holds for the whole run.

    `budget` is the time it may take in all, `account` the number of the function's own.
    """

    run: str
    request: Request
    now: datetime
    budget: timedelta
    account: str = ""


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
    serving = _Serving(context, connecting, minter, time.monotonic())
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
    report = Report(
        context.run, context.request, context.now, outcomes, skew, throttled=outside.throttled()
    )
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


@dataclass(frozen=True, slots=True)
class _Serving:
    context: Context
    connecting: Connecting
    minter: Minter
    started: float

    async def serve(self, cluster: Cluster) -> ClusterOutcome:
        """Serve one cluster, whatever becomes of it, within what is left of the run's budget."""
        began = time.monotonic()
        left = self.context.budget.total_seconds() - (began - self.started)
        secrets: tuple[SecretOutcome, ...] = ()
        requests, failure, skipped = 0, None, ""
        try:
            requests, secrets = await asyncio.wait_for(self._visit(cluster), max(left, 0))
        except NotRunning as error:
            skipped = str(error)
        except PortError as error:
            failure = error.failure()
        except asyncio.TimeoutError:
            failure = Failure("unreachable", "not finished within the run's time", code="Deadline")
        except Exception as error:  # noqa: BLE001  # a bug met in one cluster must not stop others
            failure = bug(error)
        outcome = ClusterOutcome(
            cluster=cluster.name,
            secrets=secrets,
            failure=failure,
            skipped=skipped,
            requests=requests,
            duration=timedelta(seconds=time.monotonic() - began),
        )
        cluster_line(outcome)
        return outcome

    async def _visit(self, cluster: Cluster) -> tuple[int, tuple[SecretOutcome, ...]]:
        async def refresh(kube: KubeApi) -> tuple[int, tuple[SecretOutcome, ...]]:
            secrets = await self._refresh(cluster, kube)
            return kube.requests, secrets

        return await self.connecting.visit(cluster, refresh)

    async def _refresh(self, cluster: Cluster, kube: KubeApi) -> tuple[SecretOutcome, ...]:
        context = self.context
        state = await observe(kube, secrets_in_scope(cluster, context.request))
        planned = plan(cluster.pull_secrets, state, context.request, context.now)
        if context.request.dry_run:
            return tuple(compose.previewed(action) for actions in planned for action in actions)
        applier = Applier(kube, self.minter, context.now, context.run)
        outcomes = await at_once(
            _connections(len(planned)),
            (self._apply_all(applier, cluster.name, actions) for actions in planned),
        )
        return tuple(chain.from_iterable(outcomes))

    async def _apply_all(
        self, applier: Applier, cluster: str, actions: Iterable[Action]
    ) -> list[SecretOutcome]:
        """One namespace's actions, one after another: they may change the same service account."""
        return [await self._apply(applier, cluster, action) for action in actions]

    async def _apply(self, applier: Applier, cluster: str, action: Action) -> SecretOutcome:
        try:
            outcome = await applier.apply(action)
        except Exception as error:  # noqa: BLE001  # a bug met in one namespace must not stop others
            outcome = compose.broken(action, bug(error))
        secret_line(cluster, outcome)
        return outcome


def _connections(namespaces: int) -> int:
    """How many namespaces of a cluster are served at the same time, each over a connection."""
    return min(NAMESPACES_AT_ONCE, max(1, math.ceil(namespaces / NAMESPACES_A_CONNECTION)))


async def at_once(limit: int, calls: Iterable[Awaitable[T]]) -> tuple[T, ...]:
    """Await all calls, so many at a time; what they give, in order."""
    waiting = enumerate(calls)
    given: dict[int, T] = {}

    async def place() -> None:
        for number, call in waiting:
            given[number] = await call

    await asyncio.gather(*(place() for _ in range(limit)))
    return tuple(given[number] for number in sorted(given))
