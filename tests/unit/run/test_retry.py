from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
import stamina

from acr_refresher.errors import Conflict, Denied, Gone, Invalid, PortError, Throttled, Unreachable
from acr_refresher.run.retry import retrying
from acr_refresher.settings import SETTINGS


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=SETTINGS.retry_attempts):
        yield


def told(error: PortError, *, until: int) -> object:
    """What comes of a call that raises until it is made for the so-manieth time."""
    made = 0

    async def call() -> str:
        nonlocal made
        made += 1
        if made < until:
            raise error
        return "done"

    try:
        return asyncio.run(retrying(call))
    except PortError as raised:
        return raised


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("x", service="kube"),
        Throttled("x", service="sts"),
        Throttled("x", service="kube", retry_after=timedelta(milliseconds=1)),
    ],
)
def test_what_may_pass_is_tried_again(error: PortError) -> None:
    assert told(error, until=3) == "done"
    assert told(error, until=99) is error


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("untrusted certificate", retryable=False, service="kube"),
        Throttled("come back tomorrow", service="kube", retry_after=timedelta(hours=8)),
        Denied("x", service="sts"),
        Invalid("x", service="cr"),
        Conflict("x", service="kube"),
        Gone("x", service="kube"),
    ],
)
def test_what_will_not_pass_in_time_is_not(error: PortError) -> None:
    assert told(error, until=2) is error


def test_a_bug_is_raised_as_it_is() -> None:
    async def call() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        asyncio.run(retrying(call))
