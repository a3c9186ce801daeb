"""The time that a cluster may take, which stands still while it waits for what all share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

MIN_WAIT_SECONDS = 0.01
"""Between two looks at a clock that stands still."""

T = TypeVar("T")


class DeadlineExceeded(Exception):
    """Somebody's own time is over."""


class PausableDeadline:
    """Counts from its making, in a running event loop, and not while it stands still."""

    def __init__(self, most: timedelta) -> None:
        self._clock = asyncio.get_running_loop().time
        self._left = most.total_seconds()
        self._looked = self._clock()
        self._waiting = 0
        self._asking = 0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """As long as any of those who share the time are in here, and none in `running_on`."""
        self._look()
        self._waiting += 1
        try:
            yield
        finally:
            self._look()
            self._waiting -= 1

    @contextmanager
    def resumed(self) -> Iterator[None]:
        """For what is the owner's affair in the midst of what is not."""
        self._look()
        self._asking += 1
        try:
            yield
        finally:
            self._look()
            self._asking -= 1

    async def run(self, call: Coroutine[Any, Any, T]) -> T:
        """Await the call, cancelled when the time is over. Raises TimeUp, or what it does."""
        task = asyncio.ensure_future(call)
        try:
            while not task.done():
                if self._seconds_left <= 0:
                    raise DeadlineExceeded
                await asyncio.wait({task}, timeout=max(self._seconds_left, MIN_WAIT_SECONDS))
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        return task.result()

    def _look(self) -> None:
        """Take off what has passed, before it counts in another way than it did."""
        self._left, self._looked = self._seconds_left, self._clock()

    @property
    def _seconds_left(self) -> float:
        if self._waiting and not self._asking:
            return self._left
        return self._left - (self._clock() - self._looked)


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """How much of a run's budget is spent, by the clock of the event loop in which it runs."""

    budget: timedelta
    clock: Callable[[], float]
    started: float

    @staticmethod
    def start(budget: timedelta) -> Stopwatch:
        """Begin to count."""
        clock = asyncio.get_running_loop().time
        return Stopwatch(budget, clock, clock())

    @property
    def elapsed(self) -> timedelta:
        """The time since it was started."""
        return timedelta(seconds=self.clock() - self.started)

    @property
    def remaining(self) -> timedelta:
        """What is left of the budget; never less than nothing."""
        return max(self.budget - self.elapsed, timedelta())
