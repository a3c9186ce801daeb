"""The risks of a period, a threshold and a duration together."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acr_refresher.config.timer import Risk, timer_risks

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("period", "threshold", "duration", "found"),
    [
        pytest.param(5, 15, 60, [], id="three runs within the threshold"),
        pytest.param(5, 10, 60, [], id="two runs, just"),
        pytest.param(5, 9, 60, [Risk.ONE_FAILED_RUN], id="not quite two runs"),
        pytest.param(10, 10, 60, [Risk.ONE_FAILED_RUN], id="one run, just"),
        pytest.param(10, 9, 60, [Risk.EXPIRES_BETWEEN_RUNS], id="not quite one run"),
        pytest.param(
            60,
            15,
            60,
            [Risk.ENDS_BEFORE_THE_NEXT_RUN, Risk.EXPIRES_BETWEEN_RUNS],
            id="a token that lives for one period",
        ),
        pytest.param(
            60, 600, 60, [Risk.ENDS_BEFORE_THE_NEXT_RUN], id="no threshold makes up for that"
        ),
        pytest.param(5, 60, 60, [Risk.RENEWED_IN_EVERY_RUN], id="a threshold as long as a life"),
        pytest.param(
            30,
            600,
            60,
            [Risk.ONE_FAILED_RUN_OF_A_SHORT_LIFE, Risk.RENEWED_IN_EVERY_RUN],
            id="a token that lives for two periods",
        ),
    ],
)
def test_what_is_found(period: int, threshold: int, duration: int, found: list[Risk]) -> None:
    assert list(timer_risks(period * MINUTE, threshold * MINUTE, duration * MINUTE)) == found


def expires(period: int, threshold: int, duration: int, *, late: int, failing: int) -> bool:
    """Whether a token expires before it is renewed, if so many runs that are due fail.

    It is minted `late` minutes before the first run that checks it.
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
def test_the_risks_are_those_of_the_worst_moment(
    period: int, threshold: int, duration: int
) -> None:
    """Simulated minute by minute. A token is minted by the timer's run or manually in between."""
    found = set(timer_risks(period * MINUTE, threshold * MINUTE, duration * MINUTE))
    moments = range(1, period + 1)
    lost, lost_by_one = (
        any(expires(period, threshold, duration, late=late, failing=failing) for late in moments)
        for failing in (0, 1)
    )
    assert any(risk.value.refused for risk in found) is lost
    assert bool(found - {Risk.RENEWED_IN_EVERY_RUN}) is (lost or lost_by_one)
