"""Clocks: a deadline for a cluster, which can be paused, a run's time and its stopwatch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias, TypeVar

from acr_refresher.settings import SETTINGS

LEAST_WAIT = 0.01
"""Seconds between two looks at a deadline that is paused just before its end."""

Clock: TypeAlias = Callable[[], AbstractContextManager[object]]
"""Makes a block in which a deadline is paused, or counts again: its `paused` or `resumed`."""

T = TypeVar("T")


class OwnTime(Protocol):
    """Awaits a request to a cluster itself: `unlimited`, or `PausableDeadline.in_half`."""

    async def __call__(self, call: Awaitable[T]) -> T:
        """Return what the call returns. Raises DeadlineExceeded if it takes too long."""


async def unlimited(call: Awaitable[T]) -> T:
    """Await a call that nothing else depends on."""
    return await call


class DeadlineExceeded(Exception):
    """The time of a PausableDeadline is over, or the part of it that a call may take."""


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

    async def in_half(self, call: Awaitable[T]) -> T:
        """Await a call that counts, for half of the time that is left.

        Raises DeadlineExceeded if it takes longer, with the seconds that it had. The call is
        cancelled then, or if this is cancelled.
        """
        with self.resumed():
            seconds = self._seconds_left / 2
            try:
                return await asyncio.wait_for(call, seconds)
            except asyncio.TimeoutError:
                raise DeadlineExceeded(f"{seconds:.1f} s") from None

    @property
    def left(self) -> timedelta:
        """The time that is left, at least zero."""
        return timedelta(seconds=max(self._seconds_left, 0))

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
class RunClock:
    """The time of a run, by the cloud's clock where its answers have shown another time than ours.

    Expiries are the cloud's times. A wrong clock would take valid logins for expired.
    """

    started: datetime
    """The run's beginning by our clock. A decision takes no longer than a run."""
    skew: Callable[[], timedelta | None]

    def now(self) -> datetime:
        """Return the time for decisions."""
        skew = self.skew() or timedelta()
        return self.started - skew if abs(skew) > SETTINGS.clock_tolerance else self.started


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
