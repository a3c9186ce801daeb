"""Faults to order: what the cloud is to do wrong, for which calls and how often."""

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Union


@dataclass(frozen=True)
class ApiError:
    """Refuse with an API error; `retry_after` goes into the x-acs-retry-after header."""

    status: int
    code: str
    message: str = "An injected fault."
    retry_after: timedelta | None = None


@dataclass(frozen=True)
class Unsuccessful:
    """Answer HTTP 200 with IsSuccess false, as CR does."""

    code: str


@dataclass(frozen=True)
class ExpiredToken:
    """Answer as usual, but with a registry token that has already expired."""

    ago: timedelta = timedelta(minutes=1)


@dataclass(frozen=True)
class Stall:
    """Answer as usual, but late; never, if there is no delay."""

    delay: timedelta | None = None


@dataclass(frozen=True)
class ConnectionReset:
    """Reset the connection instead of answering."""


@dataclass(frozen=True)
class BadGateway:
    """Answer HTTP 502 with an HTML page, as a proxy in between would."""


Fault = Union[ApiError, Unsuccessful, ExpiredToken, Stall, ConnectionReset, BadGateway]  # noqa: UP007  # isinstance needs no X | Y here, and a plain alias reads the same on 3.10


def throttled(retry_after: timedelta | None = None) -> ApiError:
    """What the flow control answers."""
    message = "Request was denied due to user flow control."
    return ApiError(400, "Throttling.User", message, retry_after)


def concurrent_update() -> ApiError:
    """What Function Compute answers while the function is being changed. It is no known task."""
    return ApiError(409, "ConcurrentUpdateError", "the function is being updated")


def resource_throttled() -> ApiError:
    """What Function Compute answers if it has no instance at the moment."""
    return ApiError(503, "ResourceThrottled", "resources are throttled")


def key_not_found() -> ApiError:
    """What KMS answers if the key that encrypts a secret does not exist."""
    return ApiError(404, "Forbidden.KeyNotFound", "The specified Key is not found.")


def acl_refused() -> ApiError:
    """What Container Registry answers if an access control list refuses the caller's address.

    Sources differ about what else this code means.
    """
    return ApiError(400, "ErrorCheckAcl", "check acl failed")


@dataclass
class _Order:
    action: str
    fault: Fault
    left: int | None
    host: str
    caller: str

    def selects_cluster(self, action: str, host: str, caller_arn: str) -> bool:
        in_force = self.left is None or self.left > 0
        return (
            in_force and action == self.action and self.host in host and self.caller in caller_arn
        )


class Faults:
    """The faults in force. Any thread may inject and take them."""

    def __init__(self) -> None:
        self._orders: list[_Order] = []
        self._lock = threading.Lock()

    def inject(
        self, action: str, fault: Fault, *, times: int | None = 1, host: str = "", caller: str = ""
    ) -> None:
        """Let the next calls of the action go wrong.

        Args:
            action: API name, such as AssumeRole.
            fault: What goes wrong.
            times: For how many calls; None for all of them.
            host: Only for hosts that contain this.
            caller: Only for callers whose ARN contains this.
        """
        with self._lock:
            self._orders.append(_Order(action, fault, times, host, caller))

    def take(self, action: str, host: str, caller_arn: str) -> Fault | None:
        """The fault for this call, if any; the first injected goes first."""
        with self._lock:
            for order in self._orders:
                if order.selects_cluster(action, host, caller_arn):
                    order.left = order.left and order.left - 1
                    return order.fault
        return None

    def clear(self) -> None:
        with self._lock:
            self._orders.clear()
