"""Many calls, so many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

STUCK_SECONDS = 0.5
"""What takes longer is left by itself, and another place goes on with the others."""

T = TypeVar("T")


async def at_once(limit: int, calls: Iterable[Awaitable[T]], most: int = 0) -> tuple[T, ...]:
    """Await all calls, `limit` at a time; what they give, in order.

    With `most`, no call holds up those behind it: for each that takes long another place is opened,
    up to so many in all. A call is made when its turn has come, so that none is left unawaited
    where this is cancelled.
    """
    waiting = enumerate(calls)
    given: dict[int, T] = {}
    loop = asyncio.get_running_loop()

    async def place() -> None:
        for number, call in waiting:
            stuck = loop.call_later(STUCK_SECONDS, another) if most else None
            try:
                given[number] = await call
            finally:
                if stuck:
                    stuck.cancel()

    places = [loop.create_task(place()) for _ in range(limit)]

    def another() -> None:
        if len(places) < most:
            places.append(loop.create_task(place()))

    await _ended(places)
    return tuple(given[number] for number in sorted(given))


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
