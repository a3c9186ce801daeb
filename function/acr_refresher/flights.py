"""Single flight: what several ask for at once is done once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Flights:
    """Who asks second for a key awaits what the first began, and shares a failure in the same way.

    So a broken role is tried once a run, not once a namespace.
    """

    _begun: dict[Hashable, asyncio.Task[Any]] = field(default_factory=dict)

    async def once(self, key: Hashable, call: Callable[[], Awaitable[Any]]) -> Any:
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
