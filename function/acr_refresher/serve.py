"""Serving one cluster: observe, plan, mint and apply, whatever becomes of it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import TypeVar

from acr_refresher.apply import Applier
from acr_refresher.bugs import bug
from acr_refresher.connect import Connecting
from acr_refresher.context import Context
from acr_refresher.core import compose
from acr_refresher.core.action import Action
from acr_refresher.core.model import Cluster
from acr_refresher.core.outcome import ClusterOutcome, Failure, SecretOutcome
from acr_refresher.core.plan import plan, secrets_in_scope
from acr_refresher.errors import NotRunning, PortError
from acr_refresher.lines import cluster_line, secret_line
from acr_refresher.mint import Minter
from acr_refresher.observe import observe
from acr_refresher.ports import KubeApi

NAMESPACES_AT_ONCE = 16
"""In one cluster: what an API server of modest size takes without queueing."""
NAMESPACES_A_CONNECTION = 25
"""A TLS handshake costs as much CPU as five writes, and its buffers 256 KiB: it has to pay."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Serving:
    """Serves clusters in one run."""

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
    """Await all calls, so many at a time, in order."""
    places = asyncio.Semaphore(limit)

    async def placed(call: Awaitable[T]) -> T:
        async with places:
            return await call

    return tuple(await asyncio.gather(*(placed(call) for call in calls)))
