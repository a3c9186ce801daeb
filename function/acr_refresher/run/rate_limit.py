"""How often each service of the cloud is called in each account, and waiting for one's turn.

The cloud counts calls against the account whose credentials sign them, each service for itself, so
there is a bucket for each account and service (`core.bucket`).
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
"""By account and service. The account is empty where it is not known: the function's own."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RateLimiter:
    """The budgets of one run.

    `rates` are calls a second by service; one that is not in it is not held back. The `buckets` may
    outlast the run: they know which accounts are busy. `clock` is monotonic, in seconds.
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
        """Await the call as soon as its turn has come. Raises what it raises.

        Who is cancelled while waiting has spent nothing.
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
        """How many calls to each service that has a budget were answered as too many."""
        return {service: self._throttled[service] for service in self.rates}

    async def _acquire(self, key: tuple[str, str]) -> float:
        """Take a token, first come, first served, and tell when that was.

        Only who is first in the queue looks at the bucket, and looks again after its wait: what it
        learned meanwhile holds for all who wait.
        """
        # A lock is of one event loop, and a command may have several, one after another.
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
