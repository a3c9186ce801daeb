"""How many calls are under way at a time, by a clock that jumps to what is awaited next."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from acr_refresher.run.concurrency import (
    ExtraWorkers,
    SingleFlight,
    connections_for,
    in_own_thread,
    run_bounded,
)
from acr_refresher.settings import SETTINGS
from virtual_time import VirtualTime, at_once, in_virtual_time

FOREVER = 1000.0


@dataclass
class Server:
    """Takes so many seconds for each call; those of `hanging` have no end in any test here."""

    seconds: float
    hanging: frozenset[int] = frozenset()
    now: int = 0
    peak: int = 0
    took: float = 0

    async def call(self, number: int) -> int:
        self.now += 1
        self.peak = max(self.peak, self.now)
        await asyncio.sleep(FOREVER if number in self.hanging else self.seconds)
        self.now -= 1
        if number not in self.hanging:
            self.took = asyncio.get_running_loop().time()
        return number


def never() -> bool:
    return False


def peak(
    server: Server, calls: int, limit: int = 1, throttled: Callable[[], bool] | None = never
) -> int:
    """How many calls were under way at a time, at most; all of them come to an end, in order."""
    extra = ExtraWorkers(SETTINGS.requests_per_cluster, 0.5, throttled) if throttled else None
    given = in_virtual_time(lambda _: run_bounded(limit, map(server.call, range(calls)), extra))
    assert given == tuple(range(calls))
    return server.peak


@pytest.mark.parametrize("limit", [1, 3])
def test_so_many_calls_at_a_time_and_what_they_give_in_order(limit: int) -> None:
    assert peak(Server(5), 10, limit, throttled=None) == limit


def test_what_goes_on_adds_no_worker_however_long_it_takes_in_all() -> None:
    assert peak(Server(0.4), 100) == 1


def test_calls_that_hang_hold_up_none_behind_them() -> None:
    server = Server(0.1, hanging=frozenset({0, 4, 5}))
    assert peak(server, 25) == 4
    assert server.took < 5


def test_all_that_hang_leave_each_other_alone_up_to_the_most() -> None:
    assert peak(Server(0.1, hanging=frozenset(range(40))), 40) == SETTINGS.requests_per_cluster


def test_a_server_that_is_slow_as_a_whole_is_asked_little_more_at_once() -> None:
    assert peak(Server(0.6), 25) == 2
    assert peak(Server(1.2), 25) == 3


def test_where_it_is_crowded_no_place_is_opened_and_those_opened_close() -> None:
    assert peak(Server(1.2), 25, throttled=lambda: True) == 1
    server = Server(1.2)
    assert peak(server, 25, throttled=lambda: server.peak > 1) == 2
    assert server.took > 25 * 1.2 - 5, "one after another again"


@pytest.mark.parametrize(
    ("objects", "expected"), [(0, 1), (25, 1), (26, 3), (40, 4), (200, 16), (10_000, 16)]
)
def test_a_connection_has_to_pay(objects: int, expected: int) -> None:
    assert connections_for(objects) == expected


POOLS = pytest.mark.parametrize(
    "extra", [None, ExtraWorkers(4, 100, never)], ids=["fixed", "growing"]
)


@dataclass
class Begun:
    """Calls that take ten seconds each, but for the third, which fails at once."""

    begun: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)

    async def call(self, number: int) -> int:
        self.begun.append(number)
        if number == 2:
            raise KeyError(number)
        await asyncio.sleep(10 + number)
        self.ended.append(number)
        return number


@POOLS
def test_an_error_cancels_the_calls_under_way_and_begins_no_other(
    extra: ExtraWorkers | None,
) -> None:
    calls = Begun()

    async def work(loop: VirtualTime) -> float:
        with pytest.raises(KeyError):
            await run_bounded(2, map(calls.call, range(9)), extra)
        raised = loop.time()
        await asyncio.sleep(FOREVER)
        return raised

    assert in_virtual_time(work) == 10, "the second call was not waited for"
    assert calls.begun == [0, 1, 2]
    assert calls.ended == [0]


@POOLS
def test_when_the_caller_is_cancelled_so_are_the_calls_under_way(
    extra: ExtraWorkers | None,
) -> None:
    calls = Begun()

    async def work(loop: VirtualTime) -> float:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(run_bounded(2, map(calls.call, (0, 1, 3, 4)), extra), 5)
        left = loop.time()
        await asyncio.sleep(FOREVER)
        return left

    assert in_virtual_time(work) == 5
    assert (calls.begun, calls.ended) == ([0, 1], [])


@dataclass
class Calls:
    """Calls that take ten seconds; how many were made, came to their end, or were cancelled."""

    made: int = 0
    ended: int = 0
    cancelled: int = 0

    async def call(self) -> int:
        self.made += 1
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.ended += 1
        return self.made


def test_one_call_serves_all_who_ask_for_its_key() -> None:
    calls, flights = Calls(), SingleFlight()

    async def work(_loop: VirtualTime) -> list[int | BaseException]:
        together = await at_once(*(flights.do("key", calls.call) for _ in range(3)))
        return [*together, await flights.do("key", calls.call)]

    assert in_virtual_time(work) == [1, 1, 1, 1]


def test_a_failure_is_shared_too() -> None:
    flights, made = SingleFlight(), []

    async def broken() -> None:
        made.append(1)
        raise KeyError

    async def work(_loop: VirtualTime) -> None:
        for _ in range(2):
            with pytest.raises(KeyError):
                await flights.do("key", broken)

    in_virtual_time(work)
    assert made == [1]


def test_a_caller_that_is_cancelled_takes_the_call_from_no_other() -> None:
    calls, flights = Calls(), SingleFlight()

    async def work(_loop: VirtualTime) -> list[int | BaseException]:
        first = asyncio.wait_for(flights.do("key", calls.call), 5)
        return await at_once(first, flights.do("key", calls.call))

    late, other = in_virtual_time(work)
    assert isinstance(late, asyncio.TimeoutError)
    assert other == 1
    assert calls.cancelled == 0


def test_a_call_ends_when_the_last_caller_is_cancelled_and_the_next_makes_another() -> None:
    calls, flights = Calls(), SingleFlight()

    async def work(_loop: VirtualTime) -> int:
        callers = (asyncio.wait_for(flights.do("key", calls.call), s) for s in (3, 5))
        await at_once(*callers)
        await asyncio.sleep(0)
        assert (calls.made, calls.cancelled) == (1, 1)
        made: int = await flights.do("key", calls.call)
        return made

    assert in_virtual_time(work) == 2


def test_what_is_under_way_ends_when_single_flight_is_closed() -> None:
    calls, flights = Calls(), SingleFlight()

    async def work(_loop: VirtualTime) -> None:
        caller = asyncio.ensure_future(flights.do("key", calls.call))
        await asyncio.sleep(1)
        await flights.aclose()
        assert calls.cancelled == 1
        await at_once(caller)

    in_virtual_time(work)


def test_a_thread_that_blocks_keeps_no_loop_from_closing_and_python_from_exiting() -> None:
    blocked, begun = threading.Event(), []

    def block() -> None:
        begun.append(threading.current_thread())
        blocked.wait()

    async def work() -> None:
        await asyncio.wait_for(in_own_thread(block), 0.01)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(work())
    assert begun[0].daemon
    assert begun[0].is_alive()
    blocked.set()
    begun[0].join()


def test_a_thread_gives_its_result_or_what_it_raises() -> None:
    assert asyncio.run(in_own_thread(divmod, 7, 2)) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_own_thread(divmod, 7, 0))
