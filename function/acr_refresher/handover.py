"""Handing clusters over to further invocations of this function, each a shard of the same run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import chain

from acr_refresher.bugs import bug
from acr_refresher.context import Context, Stopwatch
from acr_refresher.core.discovery import found_before
from acr_refresher.core.model import Cluster, Function
from acr_refresher.core.outcome import Failure, HandedOn
from acr_refresher.core.request import Shard
from acr_refresher.core.shards import Names, in_shards, task_id
from acr_refresher.errors import PortError
from acr_refresher.events import shard_event
from acr_refresher.lines import shard_line
from acr_refresher.places import at_once
from acr_refresher.ports import Functions
from acr_refresher.retry import retrying

MOST_BYTES = 128_000
"""Of an event: 128 KB is what an asynchronous invocation takes."""
STARTED_AT_ONCE = 16
PATIENCE = timedelta(seconds=30)
"""With all shards together: what cannot be started has to be served here."""

Handed = tuple[tuple[Cluster, ...], tuple[HandedOn, ...]]
"""The clusters that are left to this invocation, and those that are not."""


@dataclass(frozen=True, slots=True)
class Handover:
    """Starts this function again, where it can; `functions` None where it cannot."""

    context: Context
    functions: Functions | None
    shard_size: int
    watch: Stopwatch

    async def fan_out(self, clusters: Sequence[Cluster]) -> Handed:
        """All clusters to shards, where they are too many for one invocation.

        A shard never fans out. What cannot be started is left here.
        """
        if len(clusters) <= self.shard_size or self.context.request.shard:
            return tuple(clusters), ()
        return await self._hand_over(clusters, continued=0)

    async def carry_on(self, clusters: Sequence[Cluster], served: int) -> Handed:
        """What there was no time for, to a continuation, which has less to do: some were served."""
        if not clusters or not served:
            return tuple(clusters), ()
        before = self.context.request.shard
        return await self._hand_over(clusters, continued=before.continued + 1 if before else 1)

    async def _hand_over(self, clusters: Sequence[Cluster], continued: int) -> Handed:
        functions, function = self.functions, self.context.function
        if not functions or not function or self.context.request.dry_run:
            return tuple(clusters), ()  # a dry run's report is for whoever waits for it
        patience = Stopwatch.start(min(self.watch.left, PATIENCE))
        shards = self._shards(clusters, continued)
        handed = await at_once(
            STARTED_AT_ONCE,
            (self._start(functions, function, shard, patience) for shard in shards),
        )
        outcomes = zip(shards, handed, strict=True)
        gone = frozenset(chain.from_iterable(s.clusters for s, one in outcomes if not one.failure))
        return tuple(one for one in clusters if one.name not in gone), handed

    def _shards(self, clusters: Sequence[Cluster], continued: int) -> tuple[Shard, ...]:
        """A continued shard keeps its number."""
        context, before = self.context, self.context.request.shard
        whole = before or Shard(context.run, context.request.occasion or context.run, frozenset())
        whole = replace(whole, continued=continued)
        found = {one.name: one for one in found_before(clusters)}

        def part(names: Names) -> Shard:
            those = tuple(found[name] for name in sorted(names & found.keys()))
            return replace(whole, clusters=names, found=those)

        parts = in_shards(
            clusters,
            self.shard_size,
            context.account,
            lambda names: len(self._event(part(names))) <= MOST_BYTES,
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
    ) -> HandedOn:
        task, event = task_id(self.context.request, shard), self._event(shard)
        started, failure = False, None
        try:
            started = await asyncio.wait_for(
                retrying(lambda: functions.start(function, event, task)),
                patience.left.total_seconds(),
            )
        except PortError as error:
            failure = error.failure(subject=f"shard {shard}")
        except asyncio.TimeoutError:
            failure = Failure("unreachable", "not started in time", service="fc", code="Deadline")
        except Exception as error:  # noqa: BLE001  # a bug met with one shard must not stop others
            failure = bug(error)
        handed = HandedOn(task, len(shard.clusters), started, failure)
        shard_line(handed)
        return handed
