"""Whether a timer ticks often enough for what it is to keep fresh."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum


@dataclass(frozen=True, slots=True)
class Timer:
    """What wakes the function. `period` is the longest time between two of its ticks.

    `schedule` is how it is written, and `place` where.
    """

    schedule: str
    place: str
    period: timedelta


@dataclass(frozen=True, slots=True)
class Setting:
    """A span of time in config.yaml, and its path there. `said`: it is not just our default."""

    path: str
    span: timedelta
    said: bool


@dataclass(frozen=True, slots=True)
class Timing:
    """A pull secret's threshold, and the durations asked for its registries' tokens."""

    threshold: Setting
    durations: tuple[Setting, ...]


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


REFUSED = frozenset({Risk.ENDS_BEFORE_THE_NEXT_TICK, Risk.EXPIRES_BETWEEN_TICKS})
"""Pulls fail though every tick does what it should. What else there is, is worth a warning."""


def risks(period: timedelta, threshold: timedelta, duration: timedelta) -> tuple[Risk, ...]:
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
