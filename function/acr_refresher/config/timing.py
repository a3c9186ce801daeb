"""Whether config.yaml and the function's timer go together: in words, with place and remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from acr_refresher.config.document import ConfigDocument, PullSecretSettings, Settings
from acr_refresher.config.pull_secrets import (
    DEFAULT_EXPIRING_THRESHOLD,
    Layers,
    layers_of,
    said,
    says_something,
)
from acr_refresher.core.timing import REFUSED, Risk, Setting, Timer, Timing, risks
from acr_refresher.inputs.forms import THRESHOLD_LIMIT, as_duration
from acr_refresher.inputs.problems import InvalidInput, Location, Problem, path_of

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


def timings(document: ConfigDocument) -> tuple[Timing, ...]:
    """Those of every pull secret; what several share comes once."""
    paths = {id(settings): path_of(location, "") for location, settings in _settings(document)}
    durations = {
        section.name: Setting(
            f"registries[{index}].expireDuration",
            timedelta(seconds=section.expire_duration),
            "expire_duration" in section.model_fields_set,
        )
        for index, section in enumerate(document.registries)
    }
    found = (
        Timing(_threshold(layers, paths), _durations(layers, durations))
        for section in _unlike(document)
        for layers in layers_of(section, document.defaults)
    )
    return tuple(dict.fromkeys(found))


def _unlike(document: ConfigDocument) -> Iterator[Settings]:
    """Clusters and where to look for them; of those that say nothing themselves the first one."""
    told = False
    for section in (*document.clusters, *document.discover):
        if says_something(section):
            yield section
        elif not told:
            told = True
            yield section


def warnings_of(timings: Iterable[Timing], timer: Timer) -> tuple[Problem, ...]:
    """What one failed tick would be enough for, and what costs too much.

    Raises InvalidInput, with every problem, where a secret can expire though no tick fails.
    """
    found: dict[tuple[str, Risk], Problem] = {}
    for timing in timings:
        for duration in sorted(timing.durations, key=lambda each: each.span):
            for risk in risks(timer.period, timing.threshold.span, duration.span):
                problem = _in_words(risk, timer, timing.threshold, duration)
                found.setdefault((problem.path, risk), problem)
    if refused := [problem for (_, risk), problem in found.items() if risk in REFUSED]:
        raise InvalidInput(refused)
    return tuple(found.values())


def _settings(document: ConfigDocument) -> Iterator[tuple[Location, PullSecretSettings]]:
    """Everything that can say a threshold, each with where it stands."""
    sections: list[tuple[Location, Settings]] = [(("defaults",), document.defaults)]
    sections += [(("clusters", index), each) for index, each in enumerate(document.clusters)]
    sections += [(("discover", index), each) for index, each in enumerate(document.discover)]
    for location, section in sections:
        if not says_something(section):
            continue
        yield location, section
        for index, secret in enumerate(section.pull_secrets or ()):
            yield (*location, "pullSecrets", index), secret


def _threshold(layers: Layers, paths: Mapping[int, str]) -> Setting:
    for each in layers:
        if each.expiring_threshold is not None:
            path = f"{paths[id(each)]}.expiringThreshold"
            return Setting(path, each.expiring_threshold, said=True)
    return Setting("defaults.expiringThreshold", DEFAULT_EXPIRING_THRESHOLD, said=False)


def _durations(layers: Layers, known: Mapping[str, Setting]) -> tuple[Setting, ...]:
    names = [*said(layers, "registries", known), *said(layers, "grantable", ())]
    return tuple(known[name] for name in dict.fromkeys(names))


def _in_words(risk: Risk, timer: Timer, threshold: Setting, duration: Setting) -> Problem:
    at_fault = duration if risk in _OF_DURATIONS else threshold
    problem = _PROBLEMS[risk].format(
        span=as_duration(at_fault.span) + ("" if at_fault.said else " by default"),
        period=as_duration(timer.period),
        two_periods=as_duration(2 * timer.period),
        timer=f"the timer ({timer.schedule}, {timer.place})",
        duration=duration.path,
    )
    return Problem(at_fault.path, problem, _remedy(risk, timer, threshold.span, duration.span))


def _remedy(risk: Risk, timer: Timer, threshold: timedelta, duration: timedelta) -> str:
    if risk is Risk.RENEWED_AT_EVERY_TICK:
        return f"make it less than {as_duration(duration)}"
    often_enough = min(threshold / 2, duration / 3)
    remedy = f"let the timer tick every {as_duration(often_enough)} or more often"
    if risk not in _OF_DURATIONS and 2 * timer.period < min(duration, THRESHOLD_LIMIT):
        return f"make it {as_duration(2 * timer.period)} or more, or {remedy}"
    return remedy
