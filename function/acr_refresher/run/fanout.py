"""Delegates clusters to further invocations of this function, each a shard of the same run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from acr_refresher.config.events import shard_event
from acr_refresher.core.fleet import ClusterNames, known_clusters, split_into_shards, task_id
from acr_refresher.core.model import Cluster, Function
from acr_refresher.core.outcome import Failure
from acr_refresher.core.report import ShardStart
from acr_refresher.core.request import RunContext, Shard
from acr_refresher.errors import PortError, log_bug
from acr_refresher.log_events import log_shard_start
from acr_refresher.run.concurrency import run_bounded
from acr_refresher.run.deadline import Stopwatch
from acr_refresher.run.ports import Functions
from acr_refresher.run.retry import retrying
from acr_refresher.settings import SETTINGS

Delegation = tuple[tuple[Cluster, ...], tuple[ShardStart, ...]]
"""The clusters that this invocation keeps, and the shards that serve the others."""


@dataclass(frozen=True, slots=True)
class FanOut:
    """Starts this function again for some clusters. If `functions` is None, it cannot."""

    context: RunContext
    functions: Functions | None
    shard_size: int
    watch: Stopwatch

    async def fan_out(self, clusters: Sequence[Cluster]) -> Delegation:
        """Delegate all clusters if they are too many for one invocation, except in a shard.

        This invocation keeps the clusters whose shards cannot be started.
        """
        if len(clusters) <= self.shard_size or self.context.request.shard:
            return tuple(clusters), ()
        return await self._delegate(clusters, continued=0)

    async def continue_(self, clusters: Sequence[Cluster], served: int) -> Delegation:
        """Delegate the clusters for which no time was left, if at least one other was served."""
        if not clusters or not served:
            return tuple(clusters), ()
        before = self.context.request.shard
        return await self._delegate(clusters, continued=before.continued + 1 if before else 1)

    async def _delegate(self, clusters: Sequence[Cluster], continued: int) -> Delegation:
        functions, function = self.functions, self.context.function
        if not functions or not function or self.context.request.dry_run:
            return tuple(clusters), ()  # the caller of a dry run waits for a report of all clusters
        watch = Stopwatch.start(min(self.watch.remaining, SETTINGS.shard_start_timeout))
        shards = self._shards(clusters, continued)
        starts = await run_bounded(
            SETTINGS.shard_starts_at_once,
            (self._start(functions, function, shard, watch) for shard in shards),
        )
        begun = (shard for shard, start in zip(shards, starts, strict=True) if not start.failure)
        delegated = frozenset(chain.from_iterable(shard.clusters for shard in begun))
        return tuple(each for each in clusters if each.name not in delegated), starts

    def _shards(self, clusters: Sequence[Cluster], continued: int) -> tuple[Shard, ...]:
        """Split the clusters into shards. The shards that continue one keep its number."""
        context, before = self.context, self.context.request.shard
        template = before or Shard(
            context.run, context.request.scheduled_at or context.run, frozenset()
        )
        template = replace(template, continued=continued)
        found = {each.name: each for each in known_clusters(clusters)}

        def part(names: ClusterNames) -> Shard:
            listed = tuple(found[name] for name in sorted(names & found.keys()))
            return replace(template, clusters=names, found=listed)

        parts = split_into_shards(
            clusters,
            self.shard_size,
            context.account,
            lambda names: len(self._event(part(names))) <= SETTINGS.shard_event_bytes,
        )
        shards = map(part, parts)
        if before:
            return tuple(shards)
        return tuple(
            replace(shard, number=number, of=len(parts)) for number, shard in enumerate(shards, 1)
        )

    def _event(self, shard: Shard) -> bytes:
        return shard_event(self.context.request, shard)

    async def _start(
        self, functions: Functions, function: Function, shard: Shard, watch: Stopwatch
    ) -> ShardStart:
        task, event = task_id(self.context.request, shard), self._event(shard)
        started, failure = False, None
        try:
            started = await asyncio.wait_for(
                retrying(lambda: functions.start(function, event, task)),
                watch.remaining.total_seconds(),
            )
        except PortError as error:
            failure = error.failure(subject=f"shard {shard}")
        except asyncio.TimeoutError:
            late = f"Function Compute did not start shard {shard} in time"
            failure = Failure("unreachable", late, service="fc", code="Deadline")
        except Exception as error:  # noqa: BLE001  # a bug in one shard must not stop others
            failure = log_bug(error, task_id=task)
        start = ShardStart(task, len(shard.clusters), started, failure)
        log_shard_start(start)
        return start
