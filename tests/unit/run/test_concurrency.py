"""How many calls are under way at a time, by a clock that jumps to what is awaited next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from acr_refresher.run.concurrency import (
    ExtraWorkers,
    connections_for,
    run_bounded,
)
from acr_refresher.settings import SETTINGS
from virtual_time import VirtualTime, in_virtual_time

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
    spares = ExtraWorkers(SETTINGS.requests_per_cluster, 0.5, throttled) if throttled else None
    given = in_virtual_time(lambda _: run_bounded(limit, map(server.call, range(calls)), spares))
    assert given == tuple(range(calls))
    return server.peak


@pytest.mark.parametrize("limit", [1, 3])
def test_so_many_calls_at_a_time_and_what_they_give_in_order(limit: int) -> None:
    assert peak(Server(5), 10, limit, throttled=None) == limit


def test_what_goes_on_opens_no_place_however_long_it_takes_in_all() -> None:
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
    "spares", [None, ExtraWorkers(4, 100, never)], ids=["fixed", "growing"]
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
    spares: ExtraWorkers | None,
) -> None:
    calls = Begun()

    async def work(loop: VirtualTime) -> float:
        with pytest.raises(KeyError):
            await run_bounded(2, map(calls.call, range(9)), spares)
        raised = loop.time()
        await asyncio.sleep(FOREVER)
        return raised

    assert in_virtual_time(work) == 10, "the second call was not waited for"
    assert calls.begun == [0, 1, 2]
    assert calls.ended == [0]


@POOLS
def test_when_the_caller_is_cancelled_so_are_the_calls_under_way(
    spares: ExtraWorkers | None,
) -> None:
    calls = Begun()

    async def work(loop: VirtualTime) -> float:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(run_bounded(2, map(calls.call, (0, 1, 3, 4)), spares), 5)
        left = loop.time()
        await asyncio.sleep(FOREVER)
        return left

    assert in_virtual_time(work) == 5
    assert (calls.begun, calls.ended) == ([0, 1], [])
