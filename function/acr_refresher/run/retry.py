"""Making a call again where that can help: unreachable or throttled, with backoff and jitter.

Every attempt is a call of its own, so a request to the cloud is signed anew each time (a repeated
signature is refused with SignatureNonceUsed). The run's deadline stands above all attempts.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from acr_refresher.errors import PortError
from acr_refresher.settings import SETTINGS

T = TypeVar("T")


async def retrying(call: Callable[[], Awaitable[T]]) -> T:
    """Await the call, up to four times within 30 seconds. Raises the last attempt's PortError."""
    try:
        return await call()  # the everyday case, at no cost
    except PortError as error:
        if not error.retryable:
            raise
        return await _retrying(call, error)


async def _retrying(call: Callable[[], Awaitable[T]], first: PortError | None) -> T:
    """As above, after the first attempt failed. What that takes, most runs never load."""
    import stamina  # noqa: PLC0415  # see above
    from stamina.instrumentation import set_on_retry_hooks  # noqa: PLC0415  # see above

    set_on_retry_hooks([])  # one canonical line tells the end of it, not a line an attempt
    async for attempt in stamina.retry_context(
        on=_backoff,
        attempts=SETTINGS.retry_attempts,
        timeout=SETTINGS.retry_timeout,
        wait_initial=SETTINGS.retry_first_wait,
        wait_max=SETTINGS.retry_longest_wait,
    ):
        with attempt:
            if first:
                failed, first = first, None
                raise failed
            return await call()
    raise AssertionError(
        "stamina yields until the call returns or raises"
    )  # pragma: no cover  # for the type checker alone


def _backoff(error: Exception) -> bool | timedelta:
    """The service's own Retry-After spread by up to a second, else stamina's backoff."""
    if not isinstance(error, PortError) or not error.retryable:
        return False
    if error.retry_after is None:
        return True
    if error.retry_after > SETTINGS.retry_longest_wait:
        return False
    return error.retry_after + timedelta(seconds=random.random())  # noqa: S311  # jitter, not a secret
