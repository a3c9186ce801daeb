"""A timer's schedule, as Function Compute takes it: `@every 5m`, or six cron fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from acr_refresher.core.timing import Timer
from acr_refresher.inputs.forms import duration
from acr_refresher.inputs.problems import InvalidInput, Problem, shown

_EVERY = re.compile(r"@every ((?:[0-9]+[hms])+)")
_ZONE = re.compile(r"CRON_TZ=(\S+)\s+")
_FIELDS = 6
_REMEDY = (
    'use "@every 5m", or six cron fields: seconds minutes hours day month weekday,'
    " after CRON_TZ=<zone> where they are not in UTC"
)
_MIDNIGHT = datetime(2024, 1, 1)  # noqa: DTZ001  # of any clock; what a zone adds is added after
_DAY = timedelta(days=1)
_EIGHT_YEARS = timedelta(days=2 * (4 * 365 + 1))  # two that have a 29th of February
_HOUR = timedelta(hours=1)


def read_timer(schedule: str, place: str) -> Timer:
    """The timer that a schedule describes. Raises InvalidInput, which names where it stands."""
    try:
        every = _EVERY.fullmatch(schedule)
        period = _interval(every[1]) if every else _cron(schedule)
    except ValueError as error:
        problem = f"{shown(schedule)} is not the schedule of a timer: {error}"
        raise InvalidInput([Problem(place, problem, _REMEDY)]) from None
    return Timer(schedule, place, period)


def _interval(text: str) -> timedelta:
    interval = duration(text)
    if not interval:
        raise ValueError("it never rests")
    return interval


def _cron(schedule: str) -> timedelta:
    zone = _ZONE.match(schedule)
    fields = schedule[zone.end() if zone else 0 :].split()
    if len(fields) != _FIELDS:
        raise ValueError(f"it is neither @every nor {_FIELDS} fields")
    longer_nights = zone is not None and _has_summer_time(zone[1])
    gap = _longest_gap(fields)
    return gap + _HOUR if longer_nights and gap > _HOUR else gap


def _longest_gap(fields: list[str]) -> timedelta:
    """Between two ticks of a day, or from a day's last to the first of the next that has any."""
    *time, day, month, weekday = (field.replace("?", "*") for field in fields)
    ticks = list(_ticks([*time, "*", "*", "*"], _DAY))
    overnight = _days_apart([day, month, weekday]) - (ticks[-1] - ticks[0])
    return max([overnight, *(later - sooner for sooner, later in pairwise(ticks))])


def _days_apart(fields: list[str]) -> timedelta:
    if set(fields) == {"*"}:
        return _DAY
    days = list(_ticks(["0", "0", "0", *fields], _EIGHT_YEARS))
    if len(days) <= 1:
        raise ValueError("it hardly ever ticks")
    return max(later - sooner for sooner, later in pairwise(days))


def _ticks(fields: list[str], span: timedelta) -> Iterator[datetime]:
    from cronsim import CronSim, CronSimError  # noqa: PLC0415  # most timers are "@every …"

    try:
        ticks = CronSim(" ".join(fields), _MIDNIGHT - timedelta(seconds=1))
    except CronSimError as error:
        raise ValueError(str(error).lower()) from None
    for tick in ticks:
        if tick >= _MIDNIGHT + span:
            return
        yield tick


def _has_summer_time(name: str) -> bool:
    """Whether a zone changes its clocks. In the night that ends summer time gaps are longer.

    On a machine that has no zones it is not known, and left out; the cloud refuses a wrong name.
    """
    try:
        zone = ZoneInfo(name)
    except (ValueError, KeyError, OSError):  # a path, no such zone, or a folder of zones
        if available_timezones():
            raise ValueError(f"{shown(name)} is not a time zone") from None
        return False
    return len({datetime(2024, month, 1, tzinfo=zone).utcoffset() for month in (1, 7)}) > 1
