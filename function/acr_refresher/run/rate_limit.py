"""Limits how often each service of the cloud is called per account.

Each service counts calls against the account whose credentials sign them, so there is one bucket
per account and service (`core.bucket`).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from acr_refresher.core.bucket import Bucket
from acr_refresher.errors import Throttled

Buckets: TypeAlias = dict[tuple[str, str], Bucket]
"""By account and service. An empty account is the function's own, whose ID is not known."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RateLimiter:
    """The rate limits of one run.

    `rates` are calls per second by service; a service without a rate is not limited. The `buckets`
    may be kept for later runs: they know which accounts are busy. `clock` counts seconds and never
    goes back.
    """

    rates: Mapping[str, float]
    buckets: Buckets = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    _throttled: Counter[str] = field(default_factory=Counter)
    _queues: defaultdict[object, asyncio.Lock] = field(
        default_factory=lambda: defaultdict(asyncio.Lock)
    )

    async def call_when_allowed(
        self, service: str, account: str, call: Callable[[], Awaitable[T]]
    ) -> T:
        """Await the call when its turn has come. Raises what it raises.

        If this is cancelled before that, no token of the bucket is spent.
        """
        if service not in self.rates:
            return await call()
        key = (account, service)
        sent = await self._acquire(key)
        try:
            answer = await call()
        except Throttled as refusal:
            self._throttled[service] += 1
            pause = refusal.retry_after
            self.buckets[key] = self.buckets[key].throttled(sent, self.clock(), pause)
            raise
        self.buckets[key] = self.buckets[key].answered(sent, self.clock())
        return answer

    def throttled(self) -> dict[str, int]:
        """Return how many calls to each limited service were refused as too many."""
        return {service: self._throttled[service] for service in self.rates}

    async def _acquire(self, key: tuple[str, str]) -> float:
        """Wait for a token, first come, first served; return when it was taken.

        Only the first in the queue looks at the bucket. It looks again after its wait, because a
        refusal meanwhile slows down all who wait.
        """
        # A lock belongs to one event loop, and a command may use several in turn.
        async with self._queues[asyncio.get_running_loop(), key]:
            bucket = self._bucket(key)
            while wait := bucket.wait(self.clock()):
                await asyncio.sleep(wait)
                bucket = self._bucket(key)
            now = self.clock()
            self.buckets[key] = bucket.taken(now)
        return now

    def _bucket(self, key: tuple[str, str]) -> Bucket:
        if key not in self.buckets:
            self.buckets[key] = Bucket.full(self.rates[key[1]], self.clock())
        return self.buckets[key]
