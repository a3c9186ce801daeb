"""Checks that the timer runs often enough for the pull secrets to stay valid.

It reads the timer's schedule, and takes the thresholds and token durations from config.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from acr_refresher.config.document import ConfigDocument, SharedSettings
from acr_refresher.config.fields import format_duration, parse_duration
from acr_refresher.config.pull_secrets import (
    Layers,
    first_given,
    has_own_settings,
    layer_with,
    setting_layers,
)
from acr_refresher.config.strict import InvalidInput, Problem, quoted
from acr_refresher.config.strict_yaml import read_yaml
from acr_refresher.settings import SETTINGS

TIMER_VARIABLE = "ACR_REFRESHER_TIMER"
"""The environment variable with the schedule of the function's timer. s.yaml sets it."""


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer of the function. `period` is the longest time between two of its runs.

    `schedule` is its text, and `place` says where that text was found.
    """

    schedule: str
    place: str
    period: timedelta


@dataclass(frozen=True, slots=True)
class DurationSetting:
    """A duration in config.yaml and its path there. `explicit`: it is not a built-in default."""

    path: str
    span: timedelta
    explicit: bool


@dataclass(frozen=True, slots=True)
class TimerRequirement:
    """The threshold of a pull secret, and the durations of its registries' tokens."""

    threshold: DurationSetting
    durations: tuple[DurationSetting, ...]


# ---- the risks -----------------------------------------------------------------------------------


class _RiskEntry(NamedTuple):
    message: str
    about_duration: bool = False
    """The message is about expireDuration. The others are about expiringThreshold."""
    refused: bool = False
    """Pulls fail although no run fails. The other risks are warnings."""


class Risk(Enum):
    """What a timer's period, a threshold and a duration can lead to."""

    ENDS_BEFORE_THE_NEXT_RUN = _RiskEntry(
        "is {span}, not more than the {period} between runs of {timer}: a pull secret expires"
        " before the next run",
        about_duration=True,
        refused=True,
    )
    EXPIRES_BETWEEN_RUNS = _RiskEntry(
        "is {span}, less than the {period} between runs of {timer}: a pull secret can expire"
        " between two runs",
        refused=True,
    )
    ONE_FAILED_RUN = _RiskEntry(
        "is {span}, less than {two_periods}, two periods of {timer}: a pull secret expires if one"
        " run fails"
    )
    ONE_FAILED_RUN_OF_A_SHORT_LIFE = _RiskEntry(
        "is {span}, not more than {two_periods}, two periods of {timer}: a pull secret expires if"
        " one run fails",
        about_duration=True,
    )
    RENEWED_IN_EVERY_RUN = _RiskEntry(
        "is {span}, not less than {duration}: every run renews every pull secret"
    )


def timer_risks(period: timedelta, threshold: timedelta, duration: timedelta) -> tuple[Risk, ...]:
    """Every risk of the three together.

    A run renews a token that has the threshold or less left. A token that has a moment more is left
    to the next run, one period later, and to the run after that if the next run fails.

        threshold < period                  it expires between runs
        period <= threshold < 2 periods     it expires if one run fails
        2 periods <= threshold < duration   no risk
        duration <= threshold               it is renewed in every run, if it lives for a period
    """
    found = []
    if duration <= period:
        found.append(Risk.ENDS_BEFORE_THE_NEXT_RUN)
    if threshold < period:
        found.append(Risk.EXPIRES_BETWEEN_RUNS)
    if not found:
        if threshold < 2 * period:
            found.append(Risk.ONE_FAILED_RUN)
        elif duration <= 2 * period:
            found.append(Risk.ONE_FAILED_RUN_OF_A_SHORT_LIFE)
        if threshold >= duration:
            found.append(Risk.RENEWED_IN_EVERY_RUN)
    return tuple(found)


def timer_warnings(requirements: Iterable[TimerRequirement], timer: Timer) -> tuple[Problem, ...]:
    """A problem per path and risk.

    Raises InvalidInput, with every such problem, if a secret can expire although no run fails.
    """
    found: dict[tuple[str, Risk], Problem] = {}
    for requirement in requirements:
        for duration in sorted(requirement.durations, key=lambda each: each.span):
            for risk in timer_risks(timer.period, requirement.threshold.span, duration.span):
                problem = _problem(risk, timer, requirement.threshold, duration)
                found.setdefault((problem.path, risk), problem)
    if refused := [problem for (_, risk), problem in found.items() if risk.value.refused]:
        raise InvalidInput(refused)
    return tuple(found.values())


def _problem(
    risk: Risk, timer: Timer, threshold: DurationSetting, duration: DurationSetting
) -> Problem:
    setting = duration if risk.value.about_duration else threshold
    problem = risk.value.message.format(
        span=format_duration(setting.span) + ("" if setting.explicit else " by default"),
        period=format_duration(timer.period),
        two_periods=format_duration(2 * timer.period),
        timer=f"the timer ({timer.schedule}, {timer.place})",
        duration=duration.path,
    )
    return Problem(setting.path, problem, _remedy(risk, timer, threshold.span, duration.span))


def _remedy(risk: Risk, timer: Timer, threshold: timedelta, duration: timedelta) -> str:
    if risk is Risk.RENEWED_IN_EVERY_RUN:
        return f"make it less than {format_duration(duration)}"
    often_enough = min(threshold / 2, duration / 3)
    remedy = f"let the timer run every {format_duration(often_enough)} or more often"
    if not risk.value.about_duration and 2 * timer.period < min(
        duration, SETTINGS.expiring_threshold_max
    ):
        return f"make it {format_duration(2 * timer.period)} or more, or {remedy}"
    return remedy


# ---- what config.yaml requires -------------------------------------------------------------------


def timer_requirements(document: ConfigDocument) -> tuple[TimerRequirement, ...]:
    """The distinct requirements of all pull secrets."""
    durations = {
        section.name: DurationSetting(
            f"registries[{index}].expireDuration",
            timedelta(seconds=section.expire_duration),
            "expire_duration" in section.model_fields_set,
        )
        for index, section in enumerate(document.registries)
    }
    found: dict[TimerRequirement, None] = {}
    for path, section in _distinct_settings(document):
        list_path = path if section.pull_secrets else "defaults"
        for index, layers in enumerate(setting_layers(section, document.defaults)):
            paths = {id(section): path, id(document.defaults): "defaults"}
            threshold = _threshold(layers, paths, f"{list_path}.pullSecrets[{index}]")
            names = first_given(layers, "registries", durations)
            names = dict.fromkeys([*names, *first_given(layers, "grantable", ())])
            found[TimerRequirement(threshold, tuple(durations[name] for name in names))] = None
    return tuple(found)


def _distinct_settings(document: ConfigDocument) -> Iterator[tuple[str, SharedSettings]]:
    """The settings of clusters, with their paths. All clusters without any share `defaults`."""
    plain = False
    lists: dict[str, Sequence[SharedSettings]] = {
        "clusters": document.clusters,
        "discover": document.discover,
    }
    for key, sections in lists.items():
        for index, section in enumerate(sections):
            if has_own_settings(section):
                yield f"{key}[{index}]", section
            elif not plain:
                plain = True
                yield "defaults", document.defaults


def _threshold(layers: Layers, paths: Mapping[int, str], secret_path: str) -> DurationSetting:
    layer = layer_with(layers, "expiring_threshold")
    if layer is None or layer.expiring_threshold is None:
        path, span = "defaults.expiringThreshold", SETTINGS.expiring_threshold
        return DurationSetting(path, span, explicit=False)
    path = f"{paths.get(id(layer), secret_path)}.expiringThreshold"
    return DurationSetting(path, layer.expiring_threshold, explicit=True)


# ---- schedules -----------------------------------------------------------------------------------

_EVERY = re.compile(r"@every ((?:[0-9]+[hms])+)")
_ZONE = re.compile(r"CRON_TZ=(\S+)\s+")
_FIELDS = 6
_REMEDY = (
    'use "@every 5m", or six cron fields: seconds minutes hours day month weekday, after'
    " CRON_TZ=<zone> if they are not in UTC"
)
_MIDNIGHT = datetime(2024, 1, 1)  # noqa: DTZ001  # in any zone
_DAY = timedelta(days=1)
_EIGHT_YEARS = timedelta(days=2 * (4 * 365 + 1))  # they have two 29ths of February
_HOUR = timedelta(hours=1)


def find_timer(option: str, environ: Mapping[str, str], config_file: Path) -> Timer | None:
    """The timer of the option, of the environment, or of the s.yaml above config.yaml's folder.

    None if there is none of these. Raises InvalidInput if the text is not a schedule.
    """
    if option:
        return parse_timer(option, "--timer")
    if schedule := environ.get(TIMER_VARIABLE):
        return parse_timer(schedule, TIMER_VARIABLE)
    schedule = _deployed_schedule(config_file.resolve().parent.parent / "s.yaml")
    return parse_timer(schedule, "s.yaml: vars.every") if schedule else None


def _deployed_schedule(deployment: Path) -> str:
    """The schedule in s.yaml; empty if Serverless Devs sets it (`${…}`) or there is none."""
    try:
        document, _ = read_yaml(deployment.read_text(encoding="utf-8"), deployment.name)
    except (OSError, ValueError, InvalidInput):
        return ""
    variables = document.get("vars") if isinstance(document, dict) else None
    every = variables.get("every") if isinstance(variables, dict) else None
    return every if isinstance(every, str) and "${" not in every else ""


def parse_timer(schedule: str, place: str) -> Timer:
    """The timer with this schedule. Raises InvalidInput if it is not one; `place` is its path."""
    try:
        every = _EVERY.fullmatch(schedule)
        period = parse_duration(every[1]) if every else _cron_period(schedule)
        if not period:
            raise ValueError("its interval is zero")  # noqa: TRY301  # handled with the others
    except ValueError as error:
        problem = f"{quoted(schedule)} is not the schedule of a timer: {error}"
        raise InvalidInput([Problem(place, problem, _REMEDY)]) from None
    return Timer(schedule, place, period)


def _cron_period(schedule: str) -> timedelta:
    """The longest time between two runs of a cron schedule, changes of the clock included."""
    zone = _ZONE.match(schedule)
    fields = schedule[zone.end() if zone else 0 :].split()
    if len(fields) != _FIELDS:
        raise ValueError(f"it is neither @every nor {_FIELDS} fields")
    changes_clocks = zone is not None and _changes_clocks(zone[1])
    *time, day, month, weekday = (field.replace("?", "*") for field in fields)
    runs = list(_fire_times([*time, "*", "*", "*"], _DAY))
    overnight = _days_apart([day, month, weekday]) - (runs[-1] - runs[0])
    gap = max([overnight, *(later - sooner for sooner, later in pairwise(runs))])
    return gap + _HOUR if changes_clocks and gap > _HOUR else gap


def _days_apart(fields: list[str]) -> timedelta:
    if set(fields) == {"*"}:
        return _DAY
    days = list(_fire_times(["0", "0", "0", *fields], _EIGHT_YEARS))
    if len(days) <= 1:
        raise ValueError("it runs less than once in four years")
    return max(later - sooner for sooner, later in pairwise(days))


def _fire_times(fields: list[str], span: timedelta) -> Iterator[datetime]:
    from cronsim import CronSim, CronSimError  # noqa: PLC0415  # most timers are "@every …"

    try:
        times = CronSim(" ".join(fields), _MIDNIGHT - timedelta(seconds=1))
    except CronSimError as error:
        raise ValueError(str(error).lower()) from None
    for time in times:
        if time >= _MIDNIGHT + span:
            return
        yield time


def _changes_clocks(name: str) -> bool:
    """Whether a zone has summer time, whose end makes one gap an hour longer.

    False on a machine without time zones, where it is unknown. The cloud refuses a wrong name.
    """
    try:
        zone = ZoneInfo(name)
    except (ValueError, KeyError, OSError):  # a path, an unknown zone, or a folder of zones
        if available_timezones():
            raise ValueError(f"{quoted(name)} is not a time zone") from None
        return False
    return len({datetime(2024, month, 1, tzinfo=zone).utcoffset() for month in (1, 7)}) > 1
