"""Whether a timer's period, a threshold and a duration go together."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acr_refresher.config.timer import REFUSED_RISKS, Risk, timer_risks

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("period", "threshold", "duration", "found"),
    [
        pytest.param(5, 15, 60, [], id="three ticks within the threshold"),
        pytest.param(5, 10, 60, [], id="two ticks, just"),
        pytest.param(5, 9, 60, [Risk.ONE_FAILED_TICK], id="not quite two ticks"),
        pytest.param(10, 10, 60, [Risk.ONE_FAILED_TICK], id="one tick, just"),
        pytest.param(10, 9, 60, [Risk.EXPIRES_BETWEEN_TICKS], id="not quite one tick"),
        pytest.param(
            60,
            15,
            60,
            [Risk.ENDS_BEFORE_THE_NEXT_TICK, Risk.EXPIRES_BETWEEN_TICKS],
            id="a token that lives for one period",
        ),
        pytest.param(
            60, 600, 60, [Risk.ENDS_BEFORE_THE_NEXT_TICK], id="no threshold makes up for that"
        ),
        pytest.param(5, 60, 60, [Risk.RENEWED_AT_EVERY_TICK], id="a threshold as long as a life"),
        pytest.param(
            30,
            600,
            60,
            [Risk.ONE_FAILED_TICK_OF_A_SHORT_LIFE, Risk.RENEWED_AT_EVERY_TICK],
            id="a token that lives for two periods",
        ),
    ],
)
def test_what_is_found(period: int, threshold: int, duration: int, found: list[Risk]) -> None:
    assert list(timer_risks(period * MINUTE, threshold * MINUTE, duration * MINUTE)) == found


def expires(period: int, threshold: int, duration: int, *, late: int, failing: int) -> bool:
    """Whether a token expires before it is renewed, when so many ticks that are due fail.

    It is minted `late` minutes before the first tick that looks at it.
    """
    left = duration - late
    while left > 0:
        if left <= threshold:
            if not failing:
                return False
            failing -= 1
        left -= period
    return True


minutes = st.integers(1, 40)


@given(minutes, minutes, minutes)
def test_it_says_what_happens_at_the_worst_moment(
    period: int, threshold: int, duration: int
) -> None:
    """Played through minute by minute: a run mints at a tick, or by hand at any time between."""
    found = set(timer_risks(period * MINUTE, threshold * MINUTE, duration * MINUTE))
    moments = range(1, period + 1)
    lost, lost_by_one = (
        any(expires(period, threshold, duration, late=late, failing=failing) for late in moments)
        for failing in (0, 1)
    )
    assert bool(found & REFUSED_RISKS) is lost
    assert bool(found - {Risk.RENEWED_AT_EVERY_TICK}) is (lost or lost_by_one)
