"""A token bucket that limits how often a cloud service is called.

Each call takes a token, and tokens come back at a rate. When the service throttles a call, the rate
is halved. Each successful call raises it again by a small step. So several instances that share an
account's limit, and know nothing of each other, each settle at a part of it.

All times are in seconds of the same monotonic clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta

DECREASE, MIN_RATE_SHARE = 1 / 2, 1 / 10
"""A throttled call multiplies the rate by DECREASE. The rate stays above this part of the full."""
INCREASE = 1 / 100
"""The share of the full rate that a successful call gives back."""
BURST_SECONDS = 0.5
"""How long unused tokens are kept: no second has more calls than one and a half times the rate."""
MAX_PAUSE = timedelta(seconds=10)
"""A call that would wait longer is made at once, so that the service's own error is shown."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Bucket:
    """The number of `tokens` at the time `at`, which is in the future during a pause.

    `full_rate` is the configured number of calls per second, `rate` the present one.
    """

    full_rate: float
    rate: float
    tokens: float
    at: float
    slowed_at: float = -math.inf

    @staticmethod
    def full(rate: float, now: float) -> Bucket:
        """An unused bucket."""
        return Bucket(rate, rate, _burst(rate), now)

    def wait(self, now: float) -> float:
        """The seconds until there is a token; 0 if there is one."""
        lacking = 1 - self._tokens(now)
        if lacking <= _ROUNDING:
            return 0.0
        return max(self.at - now, 0) + lacking / self.rate

    def taken(self, now: float) -> Bucket:
        """The bucket after a call that is made now."""
        return self._at(now, tokens=self._tokens(now) - 1, rate=self.rate)

    def throttled(self, sent: float, now: float, pause: timedelta | None = None) -> Bucket:
        """The bucket after a call, sent at that time, was throttled. `pause` is the wait requested.

        Of several concurrent calls, only the first that is throttled lowers the rate.
        """
        rate, slowed_at = self.rate, self.slowed_at
        if sent > self.slowed_at:
            rate, slowed_at = max(rate * DECREASE, self.full_rate * MIN_RATE_SHARE), now
        until = now + min(pause or timedelta(0), MAX_PAUSE).total_seconds()
        return replace(self, rate=rate, slowed_at=slowed_at, tokens=0, at=max(self.at, until))

    def answered(self, sent: float, now: float) -> Bucket:
        """The bucket after a successful call, unless it was sent before the rate was lowered."""
        if sent <= self.slowed_at or self.rate == self.full_rate:
            return self
        rate = min(self.rate + self.full_rate * INCREASE, self.full_rate)
        return self._at(now, tokens=self._tokens(now), rate=rate)

    def _tokens(self, now: float) -> float:
        come_back = max(now - self.at, 0) * self.rate
        return min(self.tokens + come_back, _burst(self.rate))

    def _at(self, now: float, *, tokens: float, rate: float) -> Bucket:
        return replace(self, tokens=tokens, rate=rate, at=max(self.at, now))


def _burst(rate: float) -> float:
    return max(rate * BURST_SECONDS, 1)
