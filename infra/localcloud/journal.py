"""What was called: one entry for each API request the cloud received."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """An API request and what became of it.

    Attributes:
        caller_arn: The session's ARN; empty if the caller was not authenticated, or need not be.
        parameters: The request's parameters, without secrets and those that all APIs have.
        status: HTTP status of the answer; 0 if a fault left the request without one.
        code: The API error code; empty for a success.
    """

    host: str
    action: str
    version: str
    caller_arn: str
    parameters: Mapping[str, str]
    status: int
    code: str
    request_id: str


class Journal:
    """A list of calls that any thread may add to and read."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    def calls(self, action: str | None = None) -> list[Call]:
        """The calls so far, in the order they were answered; all, or those of one action."""
        with self._lock:
            return [call for call in self._calls if action in (None, call.action)]

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()
