"""Two clocks: a deadline for a cluster, which can be paused, and a stopwatch for a run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias, TypeVar

LEAST_WAIT = 0.01
"""Seconds between two looks at a deadline that is paused just before its end."""

Clock: TypeAlias = Callable[[], AbstractContextManager[object]]
"""Makes a block in which a deadline is paused, or counts again: its `paused` or `resumed`."""

T = TypeVar("T")


class DeadlineExceeded(Exception):
    """The time of a PausableDeadline is over."""


class PausableDeadline:
    """Counts from its creation, in a running event loop, except while it is paused."""

    def __init__(self, most: timedelta) -> None:
        self._clock = asyncio.get_running_loop().time
        self._left = most.total_seconds()
        self._looked = self._clock()
        self._paused = 0
        self._resumed = 0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause while any task is in such a block, unless one is in a block of `resumed`."""
        self._change(paused=1)
        try:
            yield
        finally:
            self._change(paused=-1)

    @contextmanager
    def resumed(self) -> Iterator[None]:
        """Count, even if other tasks are in a block of `paused`."""
        self._change(resumed=1)
        try:
            yield
        finally:
            self._change(resumed=-1)

    async def run(self, call: Coroutine[Any, Any, T]) -> T:
        """Await the call. Raises DeadlineExceeded when the time is over, or what the call raises.

        The call is cancelled when the time is over, or if this is cancelled; this waits until the
        call has ended.
        """
        task = asyncio.ensure_future(call)
        try:
            while not task.done():
                if self._seconds_left <= 0:
                    raise DeadlineExceeded
                await asyncio.wait({task}, timeout=max(self._seconds_left, LEAST_WAIT))
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        return task.result()

    def _change(self, *, paused: int = 0, resumed: int = 0) -> None:
        """Account for the time that has passed, then for a block that begins or ends."""
        self._left, self._looked = self._seconds_left, self._clock()
        self._paused += paused
        self._resumed += resumed

    @property
    def _seconds_left(self) -> float:
        if self._paused and not self._resumed:
            return self._left
        return self._left - (self._clock() - self._looked)


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """How much of a budget of time is spent, by the clock of the event loop in which it runs."""

    budget: timedelta
    clock: Callable[[], float]
    started: float

    @staticmethod
    def start(budget: timedelta) -> Stopwatch:
        """Start to count."""
        clock = asyncio.get_running_loop().time
        return Stopwatch(budget, clock, clock())

    @property
    def elapsed(self) -> timedelta:
        """The time since the start."""
        return timedelta(seconds=self.clock() - self.started)

    @property
    def remaining(self) -> timedelta:
        """What is left of the budget, at least zero."""
        return max(self.budget - self.elapsed, timedelta())
