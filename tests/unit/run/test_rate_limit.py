"""Calls to the cloud wait for their turn, each service and account in a line of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from acr_refresher.errors import PortError, Throttled, Unreachable
from acr_refresher.run.rate_limit import Buckets, RateLimiter
from virtual_time import VirtualTime, at_once, in_virtual_time

RATES = {"cs": 4.0, "sts": 100.0}
BUSY = Throttled("slow down", service="cs")


@dataclass
class Cloud:
    """Notes when it is called; refuses what is in `refusals`, by the number of the call."""

    refusals: dict[int, PortError] = field(default_factory=dict)
    called: list[tuple[str, float]] = field(default_factory=list)

    def call(self, name: str) -> Callable[[], Coroutine[Any, Any, str]]:
        async def made() -> str:
            number = len(self.called)
            self.called.append((name, asyncio.get_running_loop().time()))
            if number in self.refusals:
                raise self.refusals[number]
            return name

        return made

    def times(self, name: str = "") -> list[float]:
        return [time for each, time in self.called if name in ("", each)]


@dataclass
class Instance:
    """What is asked of the cloud at once, in runs of one instance."""

    cloud: Cloud = field(default_factory=Cloud)
    buckets: Buckets = field(default_factory=dict)

    def run(self, *calls: tuple[str, str, str]) -> tuple[list[object], dict[str, int]]:
        """What becomes of calls (service, account, name), and how many were throttled."""

        async def work(loop: VirtualTime) -> tuple[list[object], dict[str, int]]:
            rate_limiter = RateLimiter(RATES, self.buckets, loop.time)
            spent = (
                rate_limiter.call_when_allowed(service, account, self.cloud.call(name))
                for service, account, name in calls
            )
            return list(await at_once(*spent)), rate_limiter.throttled()

        return in_virtual_time(work)


def test_calls_to_one_account_are_spread_in_the_order_in_which_they_came() -> None:
    cloud = Cloud()
    answers, _ = Instance(cloud).run(*(("cs", "1", name) for name in "abcdef"))
    assert answers == list("abcdef")
    assert [name for name, _ in cloud.called] == list("abcdef")
    assert cloud.times() == pytest.approx([0, 0, 0.25, 0.5, 0.75, 1])


def test_neither_accounts_nor_services_wait_for_each_other() -> None:
    cloud = Cloud()
    calls = [("cs", "1", "one"), ("cs", "2", "two"), ("sts", "1", "three")] * 5
    Instance(cloud).run(*calls)
    assert cloud.times("one") == cloud.times("two") == pytest.approx([0, 0, 0.25, 0.5, 0.75])
    assert cloud.times("three") == [0] * 5


def test_a_throttled_account_does_not_slow_another_down() -> None:
    cloud = Cloud({0: BUSY})
    answers, throttled = Instance(cloud).run(*[("cs", "1", "one"), ("cs", "2", "two")] * 4)
    assert answers[0] is BUSY
    assert cloud.times("one") == pytest.approx([0, 0.5, 1 - 0.01 / 2, 1.5 - 0.02], abs=0.02)
    assert cloud.times("two") == pytest.approx([0, 0, 0.25, 0.5])
    assert throttled == {"cs": 1, "sts": 0}


def test_a_time_to_wait_holds_for_all_who_wait() -> None:
    pause = timedelta(seconds=7)
    cloud = Cloud({2: Throttled("slow down", service="cs", retry_after=pause)})
    Instance(cloud).run(*[("cs", "1", "x")] * 5)
    assert cloud.times() == pytest.approx([0, 0, 0.25, 7.75, 8.25], abs=0.02)


def test_other_failures_change_nothing() -> None:
    cloud = Cloud({0: Unreachable("no answer", service="cs")})
    _, throttled = Instance(cloud).run(*[("cs", "1", "x")] * 4)
    assert cloud.times() == pytest.approx([0, 0, 0.25, 0.5])
    assert throttled == {"cs": 0, "sts": 0}


def test_a_warm_instance_remembers_that_an_account_is_busy() -> None:
    instance = Instance(Cloud({0: BUSY}))
    instance.run(("cs", "1", "x"))
    rate = instance.buckets["1", "cs"].rate
    instance.run(("cs", "1", "x"))
    assert rate == 2
    assert instance.buckets["1", "cs"].rate == pytest.approx(2.04), "it recovers slowly"


def test_a_service_without_a_budget_is_not_held_back() -> None:
    cloud = Cloud()
    _, throttled = Instance(cloud).run(*[("sls", "1", "x")] * 50)
    assert cloud.times() == [0] * 50
    assert "sls" not in throttled


def test_who_is_cancelled_while_waiting_has_spent_nothing() -> None:
    cloud = Cloud()

    async def work(loop: VirtualTime) -> None:
        rate_limiter = RateLimiter(RATES, clock=loop.time)
        made = [
            loop.create_task(rate_limiter.call_when_allowed("cs", "1", cloud.call(f"{n}")))
            for n in range(20)
        ]
        await asyncio.sleep(0.1)
        for waiting in made[2:19]:
            waiting.cancel()
        await at_once(*made)

    in_virtual_time(work)
    assert cloud.called == [("0", 0), ("1", 0), ("19", pytest.approx(0.25))]


def test_one_budget_serves_a_command_with_several_event_loops() -> None:
    """A command asks, and goes on when its user has answered."""
    cloud, now = Cloud(), iter(range(1000))
    rate_limiter = RateLimiter({"cs": 0.7}, clock=lambda: float(next(now)))

    async def work(_: VirtualTime) -> None:
        calls = (rate_limiter.call_when_allowed("cs", "1", cloud.call("x")) for _ in range(4))
        assert await at_once(*calls) == ["x"] * 4

    in_virtual_time(work)
    in_virtual_time(work)
    assert len(cloud.called) == 8
