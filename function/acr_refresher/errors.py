"""Errors of calls to services, clusters and files, named by meaning, and unexpected errors.

The text of an error can be logged: it has no secret, no type of an SDK and no text of a library's
exception. The library's exception stays reachable as `__cause__` and is never rendered.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from acr_refresher.core.outcome import Failure
from acr_refresher.log import get_logger, last_own_place, own_frames, safe_text

log = get_logger()


class PortError(Exception):
    """A call to a service, a cluster or the file system failed.

    `service` is what was called, such as `sts`, `cr`, `kube` or `files`; `code` its own error code
    or HTTP status; `request_id` the ID by which its operators find the request.
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
        """Whether the same call may succeed if it is made again soon."""
        return False

    def failure(self, subject: str = "") -> Failure:
        """Return the error as data, for outcomes and logs, with all secrets in texts masked."""
        return Failure(
            meaning=self.meaning,
            message=safe_text(str(self)),
            subject=subject,
            service=self.service,
            code=safe_text(self.code),
            request_id=safe_text(self.request_id),
        )


class Unreachable(PortError):
    """No usable answer: connection, TLS or time-out failed, or the service broke (5xx)."""

    meaning = "unreachable"

    def __init__(self, message: str, *, retryable: bool = True, **context: object) -> None:
        super().__init__(message, **context)  # type: ignore[arg-type]  # as PortError takes them
        self._retryable = retryable

    @property
    def retryable(self) -> bool:
        """False if the fault will not pass by itself, such as an untrusted certificate."""
        return self._retryable


class Throttled(PortError):
    """Too many requests. `retry_after` is the wait that the service asked for, if any."""

    meaning = "throttled"

    @property
    def retryable(self) -> bool:
        """Throttling passes."""
        return True


class Denied(PortError):
    """Not allowed, or credentials not accepted. The message names the missing permission."""

    meaning = "denied"


class Invalid(PortError):
    """The request or the answer is not valid."""

    meaning = "invalid"


class TooLarge(Invalid):
    """An answer, or a list, is larger than a limit in `settings` allows."""


class BrokenObject(Unreachable):
    """A list fails because of one object, which the server cannot decrypt or decode."""


class Conflict(PortError):
    """Another writer changed or owns the object."""

    meaning = "conflict"


class Gone(PortError):
    """The object, its namespace or the page of a list does not exist (any more)."""

    meaning = "gone"


class NotRunning(PortError):
    """The cluster does not run: it is being created or deleted, stopped, or gone since the list."""

    meaning = "not-running"


class FunctionFailed(PortError):
    """An invoked function of Function Compute raised an error or was ended."""

    meaning = "function-failed"


class UnexpectedError(PortError):
    """A bug of ours in a call. It has been logged, and its text is not in the message."""

    meaning = "bug"

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message, service=failure.service)


def unexpected_error(error: Exception) -> Failure:
    """Return a bug as a failure: its type and our line, but not its text, which may quote data."""
    kind, place = type(error).__name__, last_own_place(error)
    return Failure("bug", f"unexpected {kind} at {place}; please report it")


def log_bug(error: Exception, **where: str) -> Failure:
    """Log `bug.found` with the traceback, and return the bug as a failure.

    `where` are fields of the line, such as the cluster. The failure alone is what reports show.
    """
    failure = unexpected_error(error)
    kind, frames = type(error).__name__, own_frames(error)
    log.error("bug.found", message=failure.message, exception=kind, traceback=frames, **where)
    return failure
