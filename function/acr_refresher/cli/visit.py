"""Clusters looked at from a command, all at once: one that fails does not stop the others."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from acr_refresher.bugs import bug
from acr_refresher.cli.progress import Step
from acr_refresher.cli.setup import Setup
from acr_refresher.connect import Connecting
from acr_refresher.core.discovery import Discovery
from acr_refresher.core.model import Cluster
from acr_refresher.core.outcome import Failure
from acr_refresher.core.request import Request
from acr_refresher.discover import Discoverer, Registered
from acr_refresher.errors import NotRunning, PortError
from acr_refresher.mint import Minter
from acr_refresher.places import at_once
from acr_refresher.ports import KubeApi
from acr_refresher.run import targets

PATIENCE = timedelta(minutes=5)
"""For a list of clusters."""

T = TypeVar("T")
Use = Callable[[Cluster, KubeApi], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class Visit(Generic[T]):
    """What was found in a cluster; or what kept it from being looked at, or why it was not."""

    cluster: str
    found: T | None = None
    failure: Failure | None = None
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Goes to the clusters of a setup, for one command; to be closed in the end."""

    setup: Setup
    minter: Minter
    now: datetime

    @staticmethod
    def new(setup: Setup, now: datetime) -> Visitor:
        """One whose role sessions have a name of their own."""
        outside = setup.outside
        session = f"acr-refresher-{uuid.uuid4()}"
        minter = Minter(
            outside.sts,
            outside.registry_api,
            outside.registry_hosts,
            outside.function,
            session,
            now,
        )
        return Visitor(setup, minter, now)

    async def register(
        self, request: Request, discoveries: Sequence[Discovery] | None = None
    ) -> Registered:
        """The clusters configured, and those discovered. Raises InvalidEvent."""
        config, ack = self.setup.config, self.setup.outside.kubeconfigs.ack
        wanted = config.discoveries if discoveries is None else discoveries
        return await Discoverer(ack, self.minter, PATIENCE).register(
            config.clusters, wanted, request
        )

    async def visit_all(self, request: Request, use: Use[T], step: Step) -> tuple[Visit[T], ...]:
        """What `use` finds in each cluster that the request is about. Raises InvalidEvent."""
        registered = await self.register(request)
        there = targets(registered.clusters, request)
        visits = await self.visit_each(there, use, step)
        others = (
            Visit[T](one.cluster, failure=one.failure, skipped=one.skipped)
            for one in registered.outcomes
        )
        return (*visits, *others)

    async def visit_each(
        self, clusters: Iterable[Cluster], use: Use[T], step: Step
    ) -> tuple[Visit[T], ...]:
        """What `use` finds in each of these clusters."""

        async def visit(cluster: Cluster) -> Visit[T]:
            visited = await self._visit(cluster, use)
            step(cluster.name)
            return visited

        return await at_once(self.setup.config.concurrency, map(visit, clusters))

    async def close(self) -> None:
        """Leave no call behind that nobody awaits any more."""
        await self.minter.aclose()

    async def _visit(self, cluster: Cluster, use: Use[T]) -> Visit[T]:
        outside = self.setup.outside
        connecting = Connecting(outside.kubeconfigs, outside.connector, self.minter, self.now)
        try:
            found = await connecting.visit(cluster, lambda kube: use(cluster, kube))
        except NotRunning as error:
            return Visit(cluster.name, skipped=str(error))
        except PortError as error:
            return Visit(cluster.name, failure=error.failure())
        except asyncio.TimeoutError:
            return Visit(cluster.name, failure=Failure("unreachable", "no answer in time"))
        except Exception as error:  # noqa: BLE001  # a bug met in one cluster must not stop others
            return Visit(cluster.name, failure=bug(error))
        return Visit(cluster.name, found)
