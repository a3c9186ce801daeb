"""Whether a timer ticks often enough for what it is to keep fresh."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from acr_refresher.config.document import ConfigDocument, PullSecretSettings, Settings
from acr_refresher.config.fields import format_duration, parse_duration
from acr_refresher.config.pull_secrets import (
    Layers,
    first_given,
    has_own_settings,
    setting_layers,
)
from acr_refresher.config.strict import InvalidInput, Location, Problem, path_of, quoted
from acr_refresher.config.strict_yaml import read_yaml
from acr_refresher.settings import SETTINGS


@dataclass(frozen=True, slots=True)
class Timer:
    """What wakes the function. `period` is the longest time between two of its ticks.

    `schedule` is how it is written, and `place` where.
    """

    schedule: str
    place: str
    period: timedelta


@dataclass(frozen=True, slots=True)
class DurationSetting:
    """A span of time in config.yaml, and its path there. `said`: it is not just our default."""

    path: str
    span: timedelta
    said: bool


@dataclass(frozen=True, slots=True)
class TimerRequirement:
    """A pull secret's threshold, and the durations asked for its registries' tokens."""

    threshold: DurationSetting
    durations: tuple[DurationSetting, ...]


class Risk(Enum):
    """What a period, a threshold and a duration come to together."""

    ENDS_BEFORE_THE_NEXT_TICK = "ends before the next tick"
    """A token does not live from one tick to the next."""
    EXPIRES_BETWEEN_TICKS = "expires between ticks"
    """A tick leaves a token that has a little more than the threshold; the next is too late."""
    ONE_FAILED_TICK = "one failed tick"
    """The tick that is to renew a token is its last: if that one fails, the token expires."""
    ONE_FAILED_TICK_OF_A_SHORT_LIFE = "one failed tick of a short life"
    """The same, whatever the threshold: a token lives no longer than two periods."""
    RENEWED_AT_EVERY_TICK = "renewed at every tick"
    """A new token is within the threshold already. Nothing expires by that: it costs tokens and
    writes that nobody needs."""


REFUSED_RISKS = frozenset({Risk.ENDS_BEFORE_THE_NEXT_TICK, Risk.EXPIRES_BETWEEN_TICKS})
"""Pulls fail though every tick does what it should. What else there is, is worth a warning."""


def timer_risks(period: timedelta, threshold: timedelta, duration: timedelta) -> tuple[Risk, ...]:
    """Everything that is wrong with the three.

    A tick renews a token that has the threshold or less left. One that has a moment more is left to
    the next tick, a period later, and to the one after that if the next fails.

        threshold < period                  it expires between ticks
        period <= threshold < 2 periods     one failed tick suffices
        2 periods <= threshold < duration   all is well
        duration <= threshold               it is renewed at every tick, if it lives for a period
    """
    found = []
    if duration <= period:
        found.append(Risk.ENDS_BEFORE_THE_NEXT_TICK)
    if threshold < period:
        found.append(Risk.EXPIRES_BETWEEN_TICKS)
    if not found:
        if threshold < 2 * period:
            found.append(Risk.ONE_FAILED_TICK)
        elif duration <= 2 * period:
            found.append(Risk.ONE_FAILED_TICK_OF_A_SHORT_LIFE)
        if threshold >= duration:
            found.append(Risk.RENEWED_AT_EVERY_TICK)
    return tuple(found)


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


def parse_timer(schedule: str, place: str) -> Timer:
    """The timer that a schedule describes. Raises InvalidInput, which names where it stands."""
    try:
        every = _EVERY.fullmatch(schedule)
        period = _interval(every[1]) if every else _cron(schedule)
    except ValueError as error:
        problem = f"{quoted(schedule)} is not the schedule of a timer: {error}"
        raise InvalidInput([Problem(place, problem, _REMEDY)]) from None
    return Timer(schedule, place, period)


def _interval(text: str) -> timedelta:
    interval = parse_duration(text)
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
    ticks = list(_fire_times([*time, "*", "*", "*"], _DAY))
    overnight = _days_apart([day, month, weekday]) - (ticks[-1] - ticks[0])
    return max([overnight, *(later - sooner for sooner, later in pairwise(ticks))])


def _days_apart(fields: list[str]) -> timedelta:
    if set(fields) == {"*"}:
        return _DAY
    days = list(_fire_times(["0", "0", "0", *fields], _EIGHT_YEARS))
    if len(days) <= 1:
        raise ValueError("it hardly ever ticks")
    return max(later - sooner for sooner, later in pairwise(days))


def _fire_times(fields: list[str], span: timedelta) -> Iterator[datetime]:
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
            raise ValueError(f"{quoted(name)} is not a time zone") from None
        return False
    return len({datetime(2024, month, 1, tzinfo=zone).utcoffset() for month in (1, 7)}) > 1


TIMER_VARIABLE = "ACR_REFRESHER_TIMER"
"""The environment variable in which s.yaml tells the function its timer's schedule."""

_PROBLEMS = {
    Risk.ENDS_BEFORE_THE_NEXT_TICK: "is {span}, no more than the {period} between ticks of {timer}:"
    " a secret expires before the next tick",
    Risk.EXPIRES_BETWEEN_TICKS: "is {span}, less than the {period} between ticks of {timer}:"
    " a secret can expire between them",
    Risk.ONE_FAILED_TICK: "is {span}, less than the {two_periods} of two periods of {timer}:"
    " one failed tick is enough for a secret to expire",
    Risk.ONE_FAILED_TICK_OF_A_SHORT_LIFE: "is {span}, no more than the {two_periods} of two periods"
    " of {timer}: one failed tick is enough for a secret to expire",
    Risk.RENEWED_AT_EVERY_TICK: "is {span}, no less than {duration}:"
    " every tick renews every secret",
}
_OF_DURATIONS = {Risk.ENDS_BEFORE_THE_NEXT_TICK, Risk.ONE_FAILED_TICK_OF_A_SHORT_LIFE}
"""What is said of expireDuration; the others are said of expiringThreshold."""


def timer_requirements(document: ConfigDocument) -> tuple[TimerRequirement, ...]:
    """Those of every pull secret; what several share comes once."""
    paths = {
        id(settings): path_of(location, "") for location, settings in _requirements_of(document)
    }
    durations = {
        section.name: DurationSetting(
            f"registries[{index}].expireDuration",
            timedelta(seconds=section.expire_duration),
            "expire_duration" in section.model_fields_set,
        )
        for index, section in enumerate(document.registries)
    }
    found = (
        TimerRequirement(_threshold(layers, paths), _durations(layers, durations))
        for section in _unlike(document)
        for layers in setting_layers(section, document.defaults)
    )
    return tuple(dict.fromkeys(found))


def _unlike(document: ConfigDocument) -> Iterator[Settings]:
    """Clusters and where to look for them; of those that say nothing themselves the first one."""
    told = False
    for section in (*document.clusters, *document.discover):
        if has_own_settings(section):
            yield section
        elif not told:
            told = True
            yield section


def timer_warnings(timings: Iterable[TimerRequirement], timer: Timer) -> tuple[Problem, ...]:
    """What one failed tick would be enough for, and what costs too much.

    Raises InvalidInput, with every problem, where a secret can expire though no tick fails.
    """
    found: dict[tuple[str, Risk], Problem] = {}
    for timing in timings:
        for duration in sorted(timing.durations, key=lambda each: each.span):
            for risk in timer_risks(timer.period, timing.threshold.span, duration.span):
                problem = _problem(risk, timer, timing.threshold, duration)
                found.setdefault((problem.path, risk), problem)
    if refused := [problem for (_, risk), problem in found.items() if risk in REFUSED_RISKS]:
        raise InvalidInput(refused)
    return tuple(found.values())


def _requirements_of(document: ConfigDocument) -> Iterator[tuple[Location, PullSecretSettings]]:
    """Everything that can say a threshold, each with where it stands."""
    sections: list[tuple[Location, Settings]] = [(("defaults",), document.defaults)]
    sections += [(("clusters", index), each) for index, each in enumerate(document.clusters)]
    sections += [(("discover", index), each) for index, each in enumerate(document.discover)]
    for location, section in sections:
        if not has_own_settings(section):
            continue
        yield location, section
        for index, secret in enumerate(section.pull_secrets or ()):
            yield (*location, "pullSecrets", index), secret


def _threshold(layers: Layers, paths: Mapping[int, str]) -> DurationSetting:
    for each in layers:
        if each.expiring_threshold is not None:
            path = f"{paths[id(each)]}.expiringThreshold"
            return DurationSetting(path, each.expiring_threshold, said=True)
    return DurationSetting("defaults.expiringThreshold", SETTINGS.expiring_threshold, said=False)


def _durations(layers: Layers, known: Mapping[str, DurationSetting]) -> tuple[DurationSetting, ...]:
    names = [*first_given(layers, "registries", known), *first_given(layers, "grantable", ())]
    return tuple(known[name] for name in dict.fromkeys(names))


def _problem(
    risk: Risk, timer: Timer, threshold: DurationSetting, duration: DurationSetting
) -> Problem:
    at_fault = duration if risk in _OF_DURATIONS else threshold
    problem = _PROBLEMS[risk].format(
        span=format_duration(at_fault.span) + ("" if at_fault.said else " by default"),
        period=format_duration(timer.period),
        two_periods=format_duration(2 * timer.period),
        timer=f"the timer ({timer.schedule}, {timer.place})",
        duration=duration.path,
    )
    return Problem(at_fault.path, problem, _remedy(risk, timer, threshold.span, duration.span))


def _remedy(risk: Risk, timer: Timer, threshold: timedelta, duration: timedelta) -> str:
    if risk is Risk.RENEWED_AT_EVERY_TICK:
        return f"make it less than {format_duration(duration)}"
    often_enough = min(threshold / 2, duration / 3)
    remedy = f"let the timer tick every {format_duration(often_enough)} or more often"
    if risk not in _OF_DURATIONS and 2 * timer.period < min(
        duration, SETTINGS.expiring_threshold_max
    ):
        return f"make it {format_duration(2 * timer.period)} or more, or {remedy}"
    return remedy


def find_timer(option: str, environ: Mapping[str, str], config_file: Path) -> Timer | None:
    """That of the option, of the environment, or of the s.yaml above config.yaml's folder, if any.

    Raises InvalidInput where what is said there is no schedule.
    """
    if option:
        return parse_timer(option, "--timer")
    if schedule := environ.get(TIMER_VARIABLE):
        return parse_timer(schedule, TIMER_VARIABLE)
    deployment = config_file.resolve().parent.parent / "s.yaml"
    schedule = _every(deployment)
    return parse_timer(schedule, "s.yaml: vars.every") if schedule else None


def _every(deployment: Path) -> str:
    """The schedule in s.yaml; none where Serverless Devs is to put it in (`${…}`)."""
    try:
        document, _ = read_yaml(deployment.read_text(encoding="utf-8"), deployment.name)
    except (OSError, ValueError, InvalidInput):
        return ""  # there is none, or it is not ours
    found = document.get("vars") if isinstance(document, dict) else None
    every = found.get("every") if isinstance(found, dict) else None
    return every if isinstance(every, str) and "${" not in every else ""
