"""Many calls, so many at a time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

AT_ONCE = 16
"""Requests to one cluster: what an API server of modest size takes without queueing."""
IN_A_ROW, A_CONNECTION = 25, 12
"""Objects written over one connection, and over each where there are more. A TLS handshake costs
the CPU of five writes, and its buffers 256 KiB: it has to pay."""
STUCK_SECONDS = 0.5

T = TypeVar("T")


def connections(objects: int) -> int:
    """How many connections to a cluster pay for so many objects to write."""
    return 1 if objects <= IN_A_ROW else min(AT_ONCE, math.ceil(objects / A_CONNECTION))


@dataclass(frozen=True, slots=True)
class Spares:
    """Places besides, `most` in all: one for each time that no call has ended for `after` seconds.

    So no call holds up those behind it. What is slow as a whole gets few, and none where it is
    `crowded`: what answers that it has too much to do is not to be asked more at once.
    """

    most: int
    after: float
    crowded: Callable[[], bool]


async def at_once(
    limit: int, calls: Iterable[Awaitable[T]], spares: Spares | None = None
) -> tuple[T, ...]:
    """Await all calls, `limit` at a time; what they give, in order.

    A call is made when its turn has come, so that none is left unawaited where this is cancelled.
    """
    if limit == 1 and spares is None:
        return tuple([await call for call in calls])
    waiting = enumerate(calls)
    given: dict[int, T] = {}
    loop = asyncio.get_running_loop()

    async def place(spare: Spares | None = None) -> None:
        for number, call in waiting:
            given[number] = await call
            if spare and spare.crowded():
                return

    places = [loop.create_task(place()) for _ in range(limit)]

    def another() -> None:
        places.append(loop.create_task(place(spares)))

    with _opening(another, spares, given, places):
        await _ended(places)
    return tuple(given[number] for number in sorted(given))


@contextmanager
def _opening(
    another: Callable[[], None],
    spares: Spares | None,
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
        if len(given) == ended_before and len(places) < spares.most and not spares.crowded():
            another()
        timer = call_later(after, look, len(given))

    try:
        yield
    finally:
        timer.cancel()


async def _ended(places: list[asyncio.Task[None]]) -> None:
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
