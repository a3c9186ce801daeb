"""What can go wrong outside, named by meaning.

An error says what happened in words that can be logged: no secret, no SDK type, no traceback of
somebody else's library. The library's own exception stays reachable as `__cause__` for debugging
and is never rendered.
"""

from __future__ import annotations

import traceback
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from acr_refresher.core.outcome import Failure


class PortError(Exception):
    """A call to the outside did not do what was asked.

    `service` is what was called (`sts`, `cr`, `cs`, `kube`, or here: `files`, `fc`), `code` its own
    error code or HTTP status, `request_id` what its operators can look up.
    """

    meaning: ClassVar[str]

    def __init__(
        self,
        message: str,
        *,
        service: str,
        code: str = "",
        request_id: str = "",
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.service = service
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after

    @property
    def retryable(self) -> bool:
        """Whether the same call, made again shortly, may succeed."""
        return False

    def failure(self, subject: str = "") -> Failure:
        """The error as data, for outcomes and logs."""
        return Failure(
            meaning=self.meaning,
            message=str(self),
            subject=subject,
            service=self.service,
            code=self.code,
            request_id=self.request_id,
        )


class Unreachable(PortError):
    """No usable answer: connection, TLS or time-out failed, or the service broke (5xx)."""

    meaning = "unreachable"

    def __init__(self, message: str, *, retryable: bool = True, **context: object) -> None:
        super().__init__(message, **context)  # type: ignore[arg-type]  # as PortError takes them
        self._retryable = retryable

    @property
    def retryable(self) -> bool:
        """False where the fault will not pass by itself, such as an untrusted certificate."""
        return self._retryable


class Throttled(PortError):
    """Too many requests; `retry_after` says when to come back, if the service said so."""

    meaning = "throttled"

    @property
    def retryable(self) -> bool:
        """Throttling passes."""
        return True


class Denied(PortError):
    """Not allowed, or not known. The message names the missing permission and where it goes."""

    meaning = "denied"


class Invalid(PortError):
    """The service, or we, cannot make sense of what was sent or answered."""

    meaning = "invalid"


class Conflict(PortError):
    """Someone else changed or owns the object."""

    meaning = "conflict"


class Gone(PortError):
    """The object, its namespace, or the page of a list, is no longer there."""

    meaning = "gone"


class NotRunning(PortError):
    """The cluster is not up: still being created, stopped, being deleted, or gone since found."""

    meaning = "not-running"


class FunctionFailed(PortError):
    """A function of Function Compute was invoked, ran, and raised or was ended."""

    meaning = "function-failed"


def unexpected_error(error: Exception) -> Failure:
    """Its type and place, not its text, which may hold anything."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return Failure("bug", f"unexpected {type(error).__name__} at {place}; please report it")
