"""One run: observe, plan, mint, apply and report, for all clusters at once."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from structlog.contextvars import bound_contextvars

from acr_refresher.apply import Applier
from acr_refresher.config import Config
from acr_refresher.core import compose
from acr_refresher.core.action import Action
from acr_refresher.core.model import AckAccess, Cluster, Request
from acr_refresher.core.outcome import ClusterOutcome, Failure, SecretOutcome
from acr_refresher.core.plan import plan, registries_in_scope
from acr_refresher.core.report import Report
from acr_refresher.core.selection import matches_any
from acr_refresher.lines import cluster_line, run_line, secret_line
from acr_refresher.mint import SESSION_DURATION, Minter
from acr_refresher.observe import observe
from acr_refresher.ports import (
    CloudCredentials,
    ContainerRegistry,
    ContainerService,
    KubeApi,
    KubeconfigFiles,
    KubeConnector,
    PortError,
    Sts,
)
from acr_refresher.retry import retrying

NAMESPACES_AT_ONCE = 16
"""In one cluster: what an API server of modest size takes without queueing."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything that a run reaches out to, and who it does so as."""

    function: CloudCredentials
    sts: Sts
    registry_api: ContainerRegistry
    cluster_api: ContainerService
    files: KubeconfigFiles
    connector: KubeConnector


@dataclass(frozen=True, slots=True)
class Context:
    """What holds for the whole run. `budget` is the time it may take in all."""

    run: str
    request: Request
    now: datetime
    budget: timedelta


async def run(context: Context, config: Config, outside: Outside) -> Report:
    """Serve every cluster the request is about. One broken cluster never stops another."""
    with bound_contextvars(run=context.run):
        return await _run(context, config, outside)


async def _run(context: Context, config: Config, outside: Outside) -> Report:
    session = f"acr-refresher-{context.run}"
    minter = Minter(outside.sts, outside.registry_api, outside.function, session, context.now)
    serving = _Serving(context, outside, minter, time.monotonic())
    try:
        clusters = await _at_once(
            config.concurrency,
            (serving.serve(cluster) for cluster in targets(config, context.request)),
        )
    finally:
        await minter.aclose()
    report = Report(context.run, context.request, context.now, clusters)
    run_line(report, timedelta(seconds=time.monotonic() - serving.started))
    return report


def targets(config: Config, request: Request) -> tuple[Cluster, ...]:
    """The clusters asked for, without those that have none of the registries asked for."""
    return tuple(
        cluster
        for cluster in config.clusters
        if (not request.clusters or matches_any(cluster.name, request.clusters))
        and registries_in_scope(cluster.pull_secret, request)
    )


@dataclass(frozen=True, slots=True)
class _Serving:
    context: Context
    outside: Outside
    minter: Minter
    started: float

    async def serve(self, cluster: Cluster) -> ClusterOutcome:
        """Serve one cluster, whatever becomes of it, within what is left of the run's budget."""
        began = time.monotonic()
        left = self.context.budget.total_seconds() - (began - self.started)
        secrets: tuple[SecretOutcome, ...] = ()
        requests, failure = 0, None
        try:
            requests, secrets = await asyncio.wait_for(self._visit(cluster), max(left, 0))
        except PortError as error:
            failure = error.failure()
        except asyncio.TimeoutError:
            failure = Failure("unreachable", "not finished within the run's time", code="Deadline")
        except Exception as error:  # noqa: BLE001 - a bug met in one cluster must not stop others
            failure = _bug(error)
        outcome = ClusterOutcome(
            cluster=cluster.name,
            secret=cluster.pull_secret.name,
            secrets=secrets,
            failure=failure,
            requests=requests,
            duration=timedelta(seconds=time.monotonic() - began),
        )
        cluster_line(outcome)
        return outcome

    async def _visit(self, cluster: Cluster) -> tuple[int, tuple[SecretOutcome, ...]]:
        kube = await self._connect(cluster)
        try:
            secrets = await self._refresh(cluster, kube)
        finally:
            await kube.close()
        return kube.requests, secrets

    async def _connect(self, cluster: Cluster) -> KubeApi:
        access = cluster.access
        if isinstance(access, AckAccess):
            caller = await self.minter.session(access.role_chain, SESSION_DURATION)
            kubeconfig = await retrying(
                lambda: self.outside.cluster_api.kubeconfig(caller, access, SESSION_DURATION)
            )
        else:
            kubeconfig = await self.outside.files.kubeconfig(access)
        return self.outside.connector.connect(kubeconfig, self.context.now)

    async def _refresh(self, cluster: Cluster, kube: KubeApi) -> tuple[SecretOutcome, ...]:
        context, wanted = self.context, cluster.pull_secret
        state = await observe(kube, wanted.name)
        actions = plan(wanted, state, context.request, context.now)
        if context.request.dry_run:
            return tuple(compose.previewed(action) for action in actions)
        applier = Applier(kube, wanted.name, self.minter, context.now, context.run)
        return await _at_once(
            NAMESPACES_AT_ONCE, (self._apply(applier, cluster.name, action) for action in actions)
        )

    async def _apply(self, applier: Applier, cluster: str, action: Action) -> SecretOutcome:
        try:
            outcome = await applier.apply(action)
        except Exception as error:  # noqa: BLE001 - a bug met in one namespace must not stop others
            outcome = compose.broken(action, _bug(error))
        secret_line(cluster, applier.secret, outcome)
        return outcome


def _bug(error: Exception) -> Failure:
    """An exception nobody foresaw: its type and place, not its text, which may hold anything."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return Failure("bug", f"unexpected {type(error).__name__} at {place}; please report it")


async def _at_once(limit: int, calls: Iterable[Awaitable[T]]) -> tuple[T, ...]:
    """Await all calls, so many at a time, in order."""
    places = asyncio.Semaphore(limit)

    async def placed(call: Awaitable[T]) -> T:
        async with places:
            return await call

    return tuple(await asyncio.gather(*(placed(call) for call in calls)))
