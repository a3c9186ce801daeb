"""Repeats a call that failed because a service was unreachable or throttled us.

Every attempt is a call of its own, so a request to the cloud is signed again each time. The cloud
refuses a repeated signature (SignatureNonceUsed).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from acr_refresher.errors import PortError
from acr_refresher.settings import SETTINGS

T = TypeVar("T")


async def retrying(call: Callable[[], Awaitable[T]]) -> T:
    """Await the call, and repeat it with backoff and jitter while that can help.

    All attempts and waits, the first attempt included, end within `SETTINGS.retry_timeout`.
    Raises the PortError of the last attempt. If cancelled, no further attempt is made.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        return await call()  # the usual case, which costs next to nothing
    except PortError as error:
        if not error.retryable:
            raise
        left = SETTINGS.retry_timeout.total_seconds() - (clock() - began)
        return await _repeat(call, error, left)


async def _repeat(call: Callable[[], Awaitable[T]], failed: PortError, seconds: float) -> T:
    """Await the call again, as long as it is retryable and time is left."""
    import stamina  # noqa: PLC0415  # most runs never retry, so they need not load it
    from stamina.instrumentation import set_on_retry_hooks  # noqa: PLC0415  # as above

    set_on_retry_hooks([])  # one log line says how it ended; attempts have no line
    last, first = failed, True

    async def attempt() -> T:
        nonlocal last, first
        if first:  # it was made before, and counts
            first = False
            raise last
        try:
            return await call()
        except PortError as error:
            last = error
            raise

    retry = stamina.AsyncRetryingCaller(
        attempts=SETTINGS.retry_attempts,
        timeout=None,  # the event loop's clock is the one that counts
        wait_initial=SETTINGS.retry_first_wait,
        wait_max=SETTINGS.retry_longest_wait,
    )
    try:
        return await asyncio.wait_for(retry(_backoff, attempt), seconds)
    except asyncio.TimeoutError:
        raise last from None


def _backoff(error: Exception) -> bool | timedelta:
    """Return the service's own Retry-After and up to a second of jitter, else stamina's backoff."""
    if not isinstance(error, PortError) or not error.retryable:
        return False
    if error.retry_after is None:
        return True
    if error.retry_after > SETTINGS.retry_longest_wait:
        return False
    return error.retry_after + timedelta(seconds=random.random())  # noqa: S311  # jitter, not a secret
