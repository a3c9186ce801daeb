"""A cluster's own time: what it waits for together with others is not counted."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from acr_refresher.run.deadline import DeadlineExceeded, PausableDeadline
from virtual_time import VirtualTime, in_virtual_time

TWENTY = timedelta(seconds=20)


async def waiting_for_the_cloud(own: PausableDeadline, seconds: float) -> None:
    with own.paused():
        await asyncio.sleep(seconds)


def took(seconds_of_its_own: float, *shared: float) -> float:
    """How long a visit lasts that waits so long for others, in one go after the other."""

    async def work(loop: VirtualTime) -> float:
        own = PausableDeadline(TWENTY)

        async def visit() -> None:
            for seconds in shared:
                await waiting_for_the_cloud(own, seconds)
            await asyncio.sleep(seconds_of_its_own)

        await own.run(visit())
        return loop.time()

    return in_virtual_time(work)


def test_what_takes_no_longer_than_it_may_is_left_alone() -> None:
    assert took(19) == 19


def test_time_that_is_waited_together_with_others_does_not_count() -> None:
    assert took(19, 100, 60) == 179


def test_who_takes_longer_is_cut_off() -> None:
    with pytest.raises(DeadlineExceeded):
        took(21)
    with pytest.raises(DeadlineExceeded):
        took(21, 100)


def test_the_time_goes_on_when_the_last_of_several_has_waited() -> None:
    async def work(loop: VirtualTime) -> float:
        own = PausableDeadline(TWENTY)

        async def visit() -> None:
            waits = (waiting_for_the_cloud(own, seconds) for seconds in (10, 30, 20))
            await asyncio.gather(*waits)
            await asyncio.sleep(100)

        with pytest.raises(DeadlineExceeded):
            await own.run(visit())
        return loop.time()

    assert in_virtual_time(work) == pytest.approx(50, abs=0.1)


def asked_in_the_midst_of_waiting(seconds: float, afterwards: float) -> float:
    """How long a visit lasts that asks its cluster for so long, while it waits for the cloud."""

    async def work(loop: VirtualTime) -> float:
        own = PausableDeadline(TWENTY)

        async def ask() -> None:
            with own.paused():
                await asyncio.sleep(10)
                with own.resumed():
                    await asyncio.sleep(seconds)
                await asyncio.sleep(30)

        async def visit() -> None:
            await asyncio.gather(ask(), waiting_for_the_cloud(own, 100), ask())
            await asyncio.sleep(afterwards)

        try:
            await own.run(visit())
        except DeadlineExceeded:
            return loop.time()
        assert loop.time() == 100 + afterwards
        return 0

    return in_virtual_time(work)


def test_what_is_asked_of_the_cluster_itself_counts_whatever_else_is_waited_for() -> None:
    assert asked_in_the_midst_of_waiting(15, afterwards=4) == 0
    assert asked_in_the_midst_of_waiting(15, afterwards=6) == pytest.approx(105, abs=0.1)
    assert asked_in_the_midst_of_waiting(60, afterwards=0) == pytest.approx(30, abs=0.1)


def test_who_is_cut_off_can_put_things_in_order_first() -> None:
    events = []

    async def work(_loop: VirtualTime) -> None:
        own = PausableDeadline(TWENTY)

        async def visit() -> None:
            try:
                await asyncio.sleep(100)
            finally:
                await asyncio.sleep(1)
                events.append("in order")

        with pytest.raises(DeadlineExceeded):
            await own.run(visit())

    in_virtual_time(work)
    assert events == ["in order"]


def test_what_goes_wrong_is_told_as_it_is() -> None:
    async def work(_loop: VirtualTime) -> None:
        async def visit() -> None:
            raise KeyError("x")

        await PausableDeadline(TWENTY).run(visit())

    with pytest.raises(KeyError):
        in_virtual_time(work)


def test_a_call_may_take_half_of_the_time_that_is_left_though_others_wait_for_the_cloud() -> None:
    async def work(loop: VirtualTime) -> tuple[float, str]:
        deadline = PausableDeadline(timedelta(seconds=20))
        with deadline.paused():
            with pytest.raises(DeadlineExceeded) as exceeded:
                await deadline.in_half(asyncio.sleep(3600))
            assert await deadline.in_half(asyncio.sleep(4, "in time")) == "in time"
        assert deadline.left == timedelta(seconds=6)
        return loop.time(), str(exceeded.value)

    assert in_virtual_time(work) == (14, "10.0 s")
