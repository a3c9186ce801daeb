"""How often calls may be made, and the effect of throttled and successful calls."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acr_refresher.core.bucket import Bucket


def times(bucket: Bucket, calls: int, now: float = 0.0) -> list[float]:
    """When so many calls are made that all come at once."""
    made = []
    for _ in range(calls):
        now += bucket.wait(now)
        bucket = bucket.taken(now)
        made.append(now)
    return made


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        pytest.param(4, [0, 0, 0.25, 0.5, 0.75], id="half a second's calls at once, then the rate"),
        pytest.param(1, [0, 1, 2, 3, 4], id="a slow rate lets one call pass at once"),
        pytest.param(0.5, [0, 2, 4, 6, 8], id="less than one per second"),
    ],
)
def test_concurrent_calls_are_spread(rate: float, expected: list[float]) -> None:
    assert times(Bucket.full(rate, 0), 5) == pytest.approx(expected)


@given(
    rate=st.floats(0.1, 1000),
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_no_second_sees_more_than_one_and_a_half_times_the_rate(
    rate: float, pauses: list[float]
) -> None:
    bucket, now, made = Bucket.full(rate, 0), 0.0, []
    for pause in pauses:
        now += max(pause / rate, bucket.wait(now + pause / rate))
        bucket = bucket.taken(now)
        made.append(now)
    for start in made:
        within = sum(start <= each < start + 1 for each in made)
        assert within <= max(1.5 * rate, rate + 1) + 1


def test_unused_tokens_are_limited() -> None:
    assert times(Bucket.full(4, 0), 3, now=1000) == pytest.approx([1000, 1000, 1000.25])


@pytest.mark.parametrize(
    ("pause", "expected"),
    [
        pytest.param(None, [0.5, 1, 1.5], id="at half the rate, with nothing gathered"),
        pytest.param(timedelta(seconds=3), [3.5, 4, 4.5], id="after the pause asked for"),
        pytest.param(timedelta(hours=8), [10.5, 11, 11.5], id="after ten seconds at most"),
    ],
)
def test_a_throttled_call_lowers_the_rate(pause: timedelta | None, expected: list[float]) -> None:
    bucket = Bucket.full(4, 0).throttled(0, 0, pause)
    assert times(bucket, 3) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("throttled", "rate"), [(0, 16), (1, 8), (2, 4), (3, 2), (4, 1.6), (9, 1.6)]
)
def test_the_rate_is_halved_each_time_but_not_below_a_tenth(throttled: int, rate: float) -> None:
    bucket = Bucket.full(16, 0)
    for time in range(throttled):
        bucket = bucket.throttled(time, time)
    assert bucket.rate == rate


def test_only_the_first_throttled_call_of_several_lowers_the_rate() -> None:
    bucket = Bucket.full(16, 0)
    for sent, answered in ((0, 2.0), (1, 2.1), (2, 2.2)):
        bucket = bucket.throttled(sent, answered)
    assert bucket.rate == 8
    assert bucket.throttled(2.1, 3).rate == 4


def test_a_later_pause_does_not_shorten_a_longer_pause() -> None:
    bucket = Bucket.full(16, 0).throttled(0, 0, timedelta(seconds=5))
    assert bucket.throttled(0, 1, timedelta(seconds=1)).wait(1) == pytest.approx(4 + 1 / 8)


def test_each_successful_call_raises_the_rate_by_a_hundredth() -> None:
    bucket = Bucket.full(10, 0).throttled(0, 0)
    rates = []
    for second in range(1, 60):
        bucket = bucket.answered(second, second)
        rates.append(bucket.rate)
    assert rates[:3] == pytest.approx([5.1, 5.2, 5.3])
    assert rates[48] == pytest.approx(9.9)
    assert rates[-1] == 10


def test_a_call_sent_before_the_rate_was_lowered_does_not_raise_it() -> None:
    bucket = Bucket.full(10, 0).throttled(0, 1)
    assert bucket.answered(0.9, 2) == bucket
    assert bucket.answered(1, 2) == bucket
    assert bucket.answered(1.1, 2).rate > bucket.rate


def test_a_successful_call_adds_no_token_and_ends_no_pause() -> None:
    bucket = Bucket.full(10, 0).throttled(0, 0, timedelta(seconds=5))
    assert bucket.answered(1, 2).wait(2) == pytest.approx(3 + 1 / 5.1)


def test_time_alone_does_not_raise_the_rate() -> None:
    bucket = Bucket.full(10, 0).throttled(0, 0)
    assert bucket.taken(3600).rate == 5
    assert not math.isinf(bucket.slowed_at)
