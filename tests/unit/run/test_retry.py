from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from datetime import timedelta

import pytest
import stamina

from acr_refresher.errors import Conflict, Denied, Gone, Invalid, PortError, Throttled, Unreachable
from acr_refresher.run.retry import retrying
from acr_refresher.settings import SETTINGS
from virtual_time import VirtualTime, in_virtual_time


@pytest.fixture
def no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=SETTINGS.retry_attempts):
        yield


def outcome_of(error: PortError, *, until: int) -> object:
    """What comes of a call that raises until this attempt."""
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
@pytest.mark.usefixtures("no_waiting")
def test_what_may_pass_is_tried_again(error: PortError) -> None:
    assert outcome_of(error, until=3) == "done"
    assert outcome_of(error, until=99) is error


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
@pytest.mark.usefixtures("no_waiting")
def test_what_will_not_pass_in_time_is_not(error: PortError) -> None:
    assert outcome_of(error, until=2) is error


def test_a_bug_is_raised_as_it_is() -> None:
    async def call() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        asyncio.run(retrying(call))


def attempts(*seconds: float, retry_after: timedelta | None = None) -> tuple[list[float], float]:
    """When the attempts of a call begin that takes so long each time and fails; when it ends."""
    begun: list[float] = []
    error = Throttled("busy", service="kube", retry_after=retry_after)

    async def work(loop: VirtualTime) -> tuple[list[float], float]:
        async def call() -> None:
            begun.append(loop.time())
            await asyncio.sleep(seconds[len(begun) - 1])
            raise error

        with pytest.raises(Throttled) as raised:
            await retrying(call)
        assert raised.value is error
        return begun, loop.time()

    return in_virtual_time(work)


def test_all_attempts_and_the_first_end_within_the_time_for_them() -> None:
    begun, ended = attempts(11, 11, 11, 11)
    assert len(begun) == 3
    assert ended == SETTINGS.retry_timeout.total_seconds()


def test_there_are_so_many_attempts_with_the_first() -> None:
    begun, ended = attempts(0, 0, 0, 0, 0)
    assert len(begun) == SETTINGS.retry_attempts
    assert begun[1] >= SETTINGS.retry_first_wait.total_seconds()
    assert ended < 10


def test_a_service_is_asked_again_when_it_asked_to_be() -> None:
    begun, _ = attempts(0, 0, 0, 0, retry_after=timedelta(seconds=7))
    waits = [after - before for before, after in itertools.pairwise(begun)]
    assert len(waits) == 3
    assert all(7 <= wait <= 8 for wait in waits)


def test_no_attempt_is_made_after_a_cancellation() -> None:
    made = 0

    async def call() -> None:
        nonlocal made
        made += 1
        raise Unreachable("down", service="kube")

    async def work(_loop: VirtualTime) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(retrying(call), 0.1)
        await asyncio.sleep(100)

    in_virtual_time(work)
    assert made == 1
