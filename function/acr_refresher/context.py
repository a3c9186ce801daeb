"""What holds for a whole run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from acr_refresher.core.model import Request


@dataclass(frozen=True, slots=True)
class Context:
    """What holds for the whole run.

    `budget` is the time it may take in all, `account` the number of the function's own.
    """

    run: str
    request: Request
    now: datetime
    budget: timedelta
    account: str = ""
