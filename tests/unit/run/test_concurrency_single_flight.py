"""Single flight: several callers wait for one call, and each is free to go."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from acr_refresher.run.concurrency import SingleFlight
from virtual_time import VirtualTime, in_virtual_time


@dataclass
class Cloud:
    """Takes ten seconds to answer, or to refuse."""

    refusal: Exception | None = None
    calls: int = 0
    answers: int = 0

    async def token(self) -> str:
        self.calls += 1
        await asyncio.sleep(10)
        self.answers += 1
        if self.refusal:
            raise self.refusal
        return f"token {self.calls}"


def test_callers_of_one_key_share_one_call_also_after_it_has_ended() -> None:
    cloud = Cloud()

    async def ask(_: VirtualTime) -> list[str]:
        flights = SingleFlight()
        both = await asyncio.gather(*(flights.do("main", cloud.token) for _ in range(2)))
        return [*both, await flights.do("main", cloud.token)]

    assert in_virtual_time(ask) == ["token 1"] * 3
    assert cloud.calls == 1


def test_another_key_is_another_call() -> None:
    async def ask(_: VirtualTime) -> list[str]:
        flights, cloud = SingleFlight(), Cloud()
        return [await flights.do(key, cloud.token) for key in ("main", "partner")]

    assert in_virtual_time(ask) == ["token 1", "token 2"]


def test_callers_share_a_failure_and_do_not_try_again() -> None:
    cloud = Cloud(PermissionError("denied"))

    async def ask(_: VirtualTime) -> list[BaseException]:
        flights = SingleFlight()
        waiting = (flights.do("main", cloud.token) for _ in range(2))
        both = await asyncio.gather(*waiting, return_exceptions=True)
        with pytest.raises(PermissionError):
            await flights.do("main", cloud.token)
        return both

    assert in_virtual_time(ask) == [cloud.refusal] * 2
    assert cloud.calls == 1


@pytest.mark.parametrize("leaving", [0, 1], ids=["who began it", "who joined it"])
def test_a_caller_that_is_cancelled_does_not_take_the_call_from_the_others(leaving: int) -> None:
    """A cluster that runs out of time must not cost the other clusters their token."""
    cloud = Cloud()

    async def ask(loop: VirtualTime) -> str:
        flights = SingleFlight()
        callers = [loop.create_task(flights.do("main", cloud.token)) for _ in range(2)]
        await asyncio.sleep(5)
        cancelled = callers.pop(leaving)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        token: str = await callers[0]
        return token

    assert in_virtual_time(ask) == "token 1"
    assert cloud.calls == 1


def test_closing_ends_the_calls_for_which_no_caller_waits_any_more() -> None:
    cloud = Cloud()

    async def leave(loop: VirtualTime) -> float:
        flights = SingleFlight()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(flights.do("main", cloud.token), 5)
        await flights.aclose()
        closed = loop.time()
        await asyncio.sleep(20)
        return closed

    assert in_virtual_time(leave) == 5
    assert (cloud.calls, cloud.answers) == (1, 0)
