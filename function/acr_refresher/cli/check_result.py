"""What a check found of one thing: ok, missing, or not known from here."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from acr_refresher.cli.check_rights import Grant
from acr_refresher.core.outcome import Failure
from acr_refresher.errors import Denied, PortError, Throttled, Unreachable

T = TypeVar("T")
NO_ANSWER = frozenset({Unreachable.meaning, Throttled.meaning})


class Verdict(str, Enum):
    """What a try showed."""

    OK = "ok"
    WARNING = "warning"
    """It could not be tried from here, and may be well elsewhere."""
    UNREACHABLE = "unreachable"
    """No usable answer came: whether anything is missing is not known."""
    MISSING = "missing"


FAILING = frozenset({Verdict.UNREACHABLE, Verdict.MISSING})


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was tried, of a subject; why it did not go, and what would let it."""

    subject: str
    what: str
    verdict: Verdict = Verdict.OK
    why: str = ""
    grants: tuple[Grant, ...] = ()

    @property
    def failing(self) -> bool:
        """Whether a run would fail by it."""
        return self.verdict in FAILING


def check_result(
    subject: str, what: str, failure: Failure | None, needed: tuple[Grant, ...] = ()
) -> CheckResult:
    """Ok without a failure; a grant helps against a denial alone."""
    if failure is None:
        return CheckResult(subject, what)
    if failure.meaning in NO_ANSWER:
        return CheckResult(subject, what, Verdict.UNREACHABLE, failure.message)
    denied = failure.meaning == Denied.meaning
    return CheckResult(subject, what, Verdict.MISSING, failure.message, needed if denied else ())


async def attempt(call: Awaitable[T]) -> T | Failure:
    """What came of it, or the failure."""
    try:
        return await call
    except PortError as error:
        return error.failure()
