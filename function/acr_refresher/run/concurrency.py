"""Many calls, so many at a time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from acr_refresher.settings import SETTINGS

T = TypeVar("T")


def connections_for(objects: int) -> int:
    """How many connections to a cluster pay for so many objects to write."""
    if objects <= SETTINGS.objects_on_one_connection:
        return 1
    wanted = math.ceil(objects / SETTINGS.objects_per_connection)
    return min(SETTINGS.requests_per_cluster, wanted)


@dataclass(frozen=True, slots=True)
class ExtraWorkers:
    """Places besides, `most` in all: one for each time that no call has ended for `after` seconds.

    So no call holds up those behind it. What is slow as a whole gets few, and none where it is
    `crowded`: what answers that it has too much to do is not to be asked more at once.
    """

    most: int
    after: float
    throttled: Callable[[], bool]


async def run_bounded(
    limit: int, calls: Iterable[Awaitable[T]], spares: ExtraWorkers | None = None
) -> tuple[T, ...]:
    """Await all calls, `limit` at a time; what they give, in order.

    A call is made when its turn has come, so that none is left unawaited where this is cancelled.
    """
    if limit == 1 and spares is None:
        return tuple([await call for call in calls])
    waiting = enumerate(calls)
    given: dict[int, T] = {}
    loop = asyncio.get_running_loop()

    async def place(spare: ExtraWorkers | None = None) -> None:
        for number, call in waiting:
            given[number] = await call
            if spare and spare.throttled():
                return

    places = [loop.create_task(place()) for _ in range(limit)]

    def another() -> None:
        places.append(loop.create_task(place(spares)))

    with _adding_workers(another, spares, given, places):
        await _all_done(places)
    return tuple(given[number] for number in sorted(given))


@contextmanager
def _adding_workers(
    another: Callable[[], None],
    spares: ExtraWorkers | None,
    given: dict[int, T],
    places: list[asyncio.Task[None]],
) -> Iterator[None]:
    """Open another place whenever none of the calls has ended for a while."""
    if spares is None:
        yield
        return
    call_later, after = asyncio.get_running_loop().call_later, spares.after
    timer = call_later(after, lambda: look(0))

    def look(ended_before: int) -> None:
        nonlocal timer
        if len(given) == ended_before and len(places) < spares.most and not spares.throttled():
            another()
        timer = call_later(after, look, len(given))

    try:
        yield
    finally:
        timer.cancel()


async def _all_done(places: list[asyncio.Task[None]]) -> None:
    """Until all places are done, those opened meanwhile too. Raises what the first of them does."""
    try:
        while not all(place.done() for place in places):
            await asyncio.gather(*places)
    finally:
        for place in places:
            place.cancel()
        await asyncio.gather(*places, return_exceptions=True)
    for place in places:
        place.result()


@dataclass(frozen=True, slots=True)
class SingleFlight:
    """Who asks second for a key awaits what the first began, and shares a failure in the same way.

    So a broken role is tried once a run, not once a namespace.
    """

    _begun: dict[Hashable, asyncio.Task[Any]] = field(default_factory=dict)

    async def do(self, key: Hashable, call: Callable[[], Awaitable[Any]]) -> Any:
        """The outcome of the call, the first for this key or this one."""
        if key not in self._begun:
            self._begun[key] = asyncio.ensure_future(call())
        flight = self._begun[key]
        if flight.done():
            return flight.result()
        # Shielded: a cluster that runs out of time does not take the others' token with it.
        return await asyncio.shield(flight)

    async def aclose(self) -> None:
        """Leave no call behind that nobody awaits any more."""
        for flight in self._begun.values():
            flight.cancel()
        await asyncio.gather(*self._begun.values(), return_exceptions=True)
