"""A token bucket: how often a service of the cloud may be called.

A call takes a token, and tokens come back at a rate. Where the service answers that this was too
often, the rate is halved; with good answers it rises again, a small step each. So several instances
that share one account's limit, and do not know of each other, each come down to a part of it.

All times are seconds of one monotonic clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta

DECREASE, MIN_RATE_SHARE = 1 / 2, 1 / 10
"""What a throttled answer leaves of the rate, and what all of them leave of the full one."""
INCREASE = 1 / 100
"""Of the full rate, that a good answer gives back."""
BURST_SECONDS = 0.5
"""For how long tokens gather: any one second sees at most one and a half times the rate."""
MAX_PAUSE = timedelta(seconds=10)
"""Who would have to wait longer asks instead, so that its failure is what the service says."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Bucket:
    """`tokens` as they were at `at`, which is yet to come where the service asked for a pause.

    `full_rate` and `rate` are calls a second: as configured, and as the service bears them now.
    """

    full_rate: float
    rate: float
    tokens: float
    at: float
    slowed_at: float = -math.inf

    @staticmethod
    def full(rate: float, now: float) -> Bucket:
        """One that was not used yet."""
        return Bucket(rate, rate, _burst(rate), now)

    def wait(self, now: float) -> float:
        """Seconds until there is a token; none where there is one."""
        lacking = 1 - self._tokens(now)
        if lacking <= _ROUNDING:
            return 0.0
        return max(self.at - now, 0) + lacking / self.rate

    def taken(self, now: float) -> Bucket:
        """With a token less, for a call that is made now."""
        return self._at(now, tokens=self._tokens(now) - 1, rate=self.rate)

    def throttled(self, sent: float, now: float, pause: timedelta | None = None) -> Bucket:
        """After the answer to a call sent then, that there were too many; and for how long to wait.

        Of many calls under way the first to be refused slows it down for all of them.
        """
        rate, slowed_at = self.rate, self.slowed_at
        if sent > self.slowed_at:
            rate, slowed_at = max(rate * DECREASE, self.full_rate * MIN_RATE_SHARE), now
        until = now + min(pause or timedelta(0), MAX_PAUSE).total_seconds()
        return replace(self, rate=rate, slowed_at=slowed_at, tokens=0, at=max(self.at, until))

    def answered(self, sent: float, now: float) -> Bucket:
        """After a good answer. One to a call from before it slowed down tells nothing new."""
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
