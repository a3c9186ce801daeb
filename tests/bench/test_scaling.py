"""docs/scaling.md shows what the model computes from the measurements in it."""

from __future__ import annotations

import pytest

from bench.config_load import FEW, MANY
from bench.scaling import (
    BETWEEN,
    LIST_SECONDS,
    PAGE,
    Measured,
    block,
    cost,
    lists,
    read_measured,
    to_set,
)
from bench.thousand import IDLE, ROTATED

MEASURED = Measured({IDLE: 10.0, ROTATED: 50.0}, {FEW: (0.5, 40.0), MANY: (5.5, 240.0)})


def test_the_page_shows_what_the_model_computes_from_its_measurements() -> None:
    [written] = BETWEEN.findall(PAGE.read_text(encoding="utf-8"))
    assert written == block(read_measured(written))


def test_a_small_fleet_needs_one_invocation_per_run() -> None:
    small = cost(10, MEASURED)
    assert small.invocations == 1
    assert small.seconds == pytest.approx({IDLE: 0.3 + 0.1, ROTATED: 2.3 + 0.5})


def test_a_large_fleet_has_a_coordinator_and_shards_that_take_no_longer() -> None:
    large, larger = cost(10_000, MEASURED), cost(100_000, MEASURED)
    assert (large.invocations, larger.invocations) == (21, 201)
    assert large.seconds == larger.seconds


def test_the_price_grows_no_faster_than_the_fleet() -> None:
    assert cost(100_000, MEASURED).usd / cost(10_000, MEASURED).usd == pytest.approx(10, rel=0.01)


def test_loading_the_configuration_costs_each_cold_instance_time_per_cluster() -> None:
    assert MEASURED.cold_start(50_000) == pytest.approx((3.0, 140.0), rel=0.001)


def test_in_the_worst_case_each_run_waits_for_all_kubeconfigs_twice_on_cold_instances() -> None:
    """500 kubeconfigs at ten per second take longer than a run and a rotation. Loading: 0.5 s."""
    each_time = (50 + 0.525) * 1.15 + 0.0075
    assert cost(500, MEASURED).usd_at_most == pytest.approx(
        8640 * 2 * each_time * 0.000020, rel=0.01
    )


def test_the_initializer_has_three_times_its_measured_time_and_at_least_a_minute() -> None:
    assert to_set(1.0, 50, 0.35) == (60, 512)
    assert to_set(10.0, 500, 0.35) == (90, 1024)


def test_discovery_makes_a_request_per_hundred_clusters_for_any_number_of_shards() -> None:
    assert [lists(clusters)[:3] for clusters in (10, 10_000)] == [(1, 10, 0.1), (100, 10, 10.0)]


def test_a_list_that_would_take_too_much_of_a_run_needs_a_higher_rate() -> None:
    pages, rate, seconds, _ = lists(100_000)
    assert (pages, rate) == (1000, 30)
    assert seconds < LIST_SECONDS / 2
