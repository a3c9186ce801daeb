"""docs/scaling.md says what the model makes of the measurements that stand in it."""

from __future__ import annotations

import pytest

from bench.scaling import BETWEEN, PAGE, Measured, block, cost, read_measured
from bench.thousand import IDLE, ROTATED

MEASURED = Measured({IDLE: 10.0, ROTATED: 50.0})


def test_the_page_is_what_the_model_makes_of_its_measurements() -> None:
    [written] = BETWEEN.findall(PAGE.read_text(encoding="utf-8"))
    assert written == block(read_measured(written))


def test_a_small_fleet_is_one_invocation_a_tick() -> None:
    small = cost(10, MEASURED)
    assert small.invocations == 1
    assert small.seconds == pytest.approx({IDLE: 0.3 + 0.1, ROTATED: 2.3 + 0.5})


def test_a_large_one_has_a_coordinator_and_shards_that_take_no_longer() -> None:
    large, larger = cost(10_000, MEASURED), cost(100_000, MEASURED)
    assert (large.invocations, larger.invocations) == (21, 201)
    assert large.seconds == larger.seconds


def test_the_price_grows_with_the_fleet_and_no_faster() -> None:
    assert cost(100_000, MEASURED).usd / cost(10_000, MEASURED).usd == pytest.approx(10, rel=0.01)
