"""What holds for a whole run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from acr_refresher.core.model import Function
from acr_refresher.core.request import Request
from acr_refresher.ports import CloudCredentials


@dataclass(frozen=True, slots=True)
class Context:
    """What holds for the whole run.

    `budget` is the time it may take in all, `account` the number of the function's own. `function`
    is what runs, where that is known: what can be started again. `request_id` is what the platform
    calls this invocation, one of those of the run.
    """

    run: str
    request: Request
    now: datetime
    budget: timedelta
    account: str = ""
    request_id: str = ""
    function: Function | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a run is made as, and from which region: that of STS and, by default, of the outcomes."""

    credentials: CloudCredentials
    region_id: str


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
    def took(self) -> timedelta:
        """The time since it was started."""
        return timedelta(seconds=self.clock() - self.started)

    @property
    def left(self) -> timedelta:
        """What is left of the budget; never less than nothing."""
        return max(self.budget - self.took, timedelta())
