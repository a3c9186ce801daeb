"""Handing clusters over to further invocations of this function, each a shard of the same run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from acr_refresher.config.events import shard_event
from acr_refresher.core.fleet import ClusterNames, known_clusters, split_into_shards, task_id
from acr_refresher.core.model import Cluster, Function
from acr_refresher.core.outcome import Failure, ShardStart
from acr_refresher.core.request import RunContext, Shard
from acr_refresher.errors import PortError, log_bug
from acr_refresher.log_events import log_shard_start
from acr_refresher.run.concurrency import run_bounded
from acr_refresher.run.deadline import Stopwatch
from acr_refresher.run.ports import Functions
from acr_refresher.run.retry import retrying
from acr_refresher.settings import SETTINGS

Delegation = tuple[tuple[Cluster, ...], tuple[ShardStart, ...]]
"""The clusters that are left to this invocation, and those that are not."""


@dataclass(frozen=True, slots=True)
class FanOut:
    """Starts this function again, where it can; `functions` None where it cannot."""

    context: RunContext
    functions: Functions | None
    shard_size: int
    watch: Stopwatch

    async def fan_out(self, clusters: Sequence[Cluster]) -> Delegation:
        """All clusters to shards, where they are too many for one invocation.

        A shard never fans out. What cannot be started is left here.
        """
        if len(clusters) <= self.shard_size or self.context.request.shard:
            return tuple(clusters), ()
        return await self._hand_over(clusters, continued=0)

    async def continue_(self, clusters: Sequence[Cluster], served: int) -> Delegation:
        """What there was no time for, to a continuation, which has less to do: some were served."""
        if not clusters or not served:
            return tuple(clusters), ()
        before = self.context.request.shard
        return await self._hand_over(clusters, continued=before.continued + 1 if before else 1)

    async def _hand_over(self, clusters: Sequence[Cluster], continued: int) -> Delegation:
        functions, function = self.functions, self.context.function
        if not functions or not function or self.context.request.dry_run:
            return tuple(clusters), ()  # a dry run's report is for whoever waits for it
        patience = Stopwatch.start(min(self.watch.remaining, SETTINGS.shard_start_timeout))
        shards = self._shards(clusters, continued)
        handed = await run_bounded(
            SETTINGS.shard_starts_at_once,
            (self._start(functions, function, shard, patience) for shard in shards),
        )
        outcomes = zip(shards, handed, strict=True)
        gone = frozenset(chain.from_iterable(s.clusters for s, one in outcomes if not one.failure))
        return tuple(one for one in clusters if one.name not in gone), handed

    def _shards(self, clusters: Sequence[Cluster], continued: int) -> tuple[Shard, ...]:
        """A continued shard keeps its number."""
        context, before = self.context, self.context.request.shard
        whole = before or Shard(
            context.run, context.request.scheduled_at or context.run, frozenset()
        )
        whole = replace(whole, continued=continued)
        found = {one.name: one for one in known_clusters(clusters)}

        def part(names: ClusterNames) -> Shard:
            those = tuple(found[name] for name in sorted(names & found.keys()))
            return replace(whole, clusters=names, found=those)

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
        self, functions: Functions, function: Function, shard: Shard, patience: Stopwatch
    ) -> ShardStart:
        task, event = task_id(self.context.request, shard), self._event(shard)
        started, failure = False, None
        try:
            started = await asyncio.wait_for(
                retrying(lambda: functions.start(function, event, task)),
                patience.remaining.total_seconds(),
            )
        except PortError as error:
            failure = error.failure(subject=f"shard {shard}")
        except asyncio.TimeoutError:
            failure = Failure("unreachable", "not started in time", service="fc", code="Deadline")
        except Exception as error:  # noqa: BLE001  # a bug met with one shard must not stop others
            failure = log_bug(error)
        handed = ShardStart(task, len(shard.clusters), started, failure)
        log_shard_start(handed)
        return handed
