"""The longest time between two runs of a timer, by its schedule."""

from __future__ import annotations

import sys
import zoneinfo
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from acr_refresher.config.strict import InvalidInput
from acr_refresher.config.timer import parse_timer

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("@every 5m", 5 * MINUTE),
        ("@every 90s", 1.5 * MINUTE),
        ("@every 1h30m", 1.5 * HOUR),
        pytest.param("0 */10 * * * *", 10 * MINUTE, id="every ten minutes"),
        pytest.param("0 0/10 * * * ?", 10 * MINUTE, id="the same, as others write it"),
        pytest.param("0 7,22,37,59 * * * *", 22 * MINUTE, id="at uneven minutes"),
        pytest.param("30 * * * * *", MINUTE, id="seconds come first"),
        pytest.param("0 0 8-18 * * *", 14 * HOUR, id="the night is the longest"),
        pytest.param("0 0 8-18 * * MON-FRI", 62 * HOUR, id="or the weekend"),
        pytest.param("0 0 0 1 * *", 31 * DAY, id="or the longest month"),
        pytest.param("0 0 0 29 2 ?", 1461 * DAY, id="or four years"),
        pytest.param("0 0 12 * * 0-6", DAY, id="every weekday is every day"),
        pytest.param("CRON_TZ=Asia/Shanghai 0 0 */2 * * *", 2 * HOUR, id="no summer time"),
        pytest.param("CRON_TZ=Europe/Berlin 0 0 */2 * * *", 3 * HOUR, id="a night in October"),
        pytest.param("CRON_TZ=Europe/Berlin 0 0 * * * *", HOUR, id="every hour that passes"),
    ],
)
def test_the_longest_gap(text: str, period: timedelta) -> None:
    timer = parse_timer(text, "--timer")
    assert (timer.schedule, timer.place, timer.period) == (text, "--timer", period)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10m", "neither @every nor 6 fields"),
        ("@every 10", "neither @every nor 6 fields"),
        ("@every 10 minutes", "neither @every nor 6 fields"),
        ("@every 5m1h", "is not a duration"),
        ("@every 0s", "its interval is zero"),
        ("*/10 * * * *", "neither @every nor 6 fields"),
        ("0 60 * * * *", "bad minute"),
        ("0 0 0 31 2 *", "bad day-of-month"),
        ("0 0 0 29 2 */7", "it runs less than once in four years"),
        ("0 0 0 ? 2 MON#6", "bad day-of-week"),
        ("CRON_TZ=Asia/Hangzhou 0 0 * * * *", '"Asia/Hangzhou" is not a time zone'),
        ("CRON_TZ=../../etc/passwd 0 0 * * * *", "is not a time zone"),
        ("CRON_TZ=Asia 0 0 * * * *", '"Asia" is not a time zone'),  # a folder of them
    ],
)
def test_a_text_that_is_not_a_schedule_is_refused(text: str, found: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_timer(text, "ACR_REFRESHER_TIMER")
    (problem,) = refusal.value.problems
    assert problem.path == "ACR_REFRESHER_TIMER"
    assert found in problem.problem
    assert '"@every 5m"' in problem.remedy


@pytest.fixture
def no_time_zones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a small image of a runtime, without the package tzdata."""
    monkeypatch.setitem(sys.modules, "tzdata", None)
    zoneinfo.reset_tzpath([tmp_path])
    yield
    zoneinfo.reset_tzpath()


@pytest.mark.usefixtures("no_time_zones")
def test_a_machine_without_time_zones_does_not_check_them() -> None:
    assert parse_timer("CRON_TZ=Nowhere/Yet 0 0 */2 * * *", "--timer").period == 2 * HOUR
