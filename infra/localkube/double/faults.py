"""What can go wrong between a client and an API server, declared by tests and the demo."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from localkube.double.api import Reply, Request
from localkube.double.status import RefusalError, expired

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


@dataclass
class Fault:
    """What happens to the next requests that match; of what is given, all happens, in this order.

    Args:
        method: the requests it is for; empty for all.
        path_contains: part of their path with query; empty for all.
        times: how many of them; None for every one.
        stall: seconds before anything happens.
        meanwhile: what somebody else does at that moment, in another thread.
        status: the answer instead of the API's.
        retry_after: seconds in the header of that name.
        reset: whether the connection is cut instead of any answer.
        lost_answer: whether the request takes effect, but the connection is cut before the answer.
    """

    method: str = ""
    path_contains: str = ""
    times: int | None = 1
    stall: float = 0
    meanwhile: Callable[[], object] | None = None
    status: int | None = None
    retry_after: int | None = None
    reset: bool = False
    lost_answer: bool = False

    def takes(self, method: str, path: str) -> bool:
        """Whether it happens to this request; counts it if so."""
        matches = self.method in ("", method) and self.path_contains in path and self.times != 0
        if matches and self.times is not None:
            self.times -= 1
        return matches

    def reply(self, request: Request) -> Reply | None:
        """The answer instead of the API's, worded as the real server does."""
        if self.status is None:
            return None
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status == 429:
            text = b"Too many requests, please try again later.\n"
            return Reply(429, text, "text/plain", headers)
        refusal = RefusalError(self.status, REASONS.get(self.status, ""), "declared by a test")
        if self.status == 410:
            refusal = expired(request.query.get("continue", ""))
        return Reply(self.status, json.dumps(refusal.status).encode(), headers=headers)


@dataclass
class Faults:
    """The faults declared for one cluster.

    Attributes:
        latency: seconds that every request takes longer.
    """

    latency: float = 0
    _declared: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Declare a fault; of several that match a request, the first declared happens."""
        self._declared.append(fault)

    def clear(self) -> None:
        """Let everything work again."""
        self.latency = 0
        self._declared.clear()

    def next_for(self, method: str, path: str) -> Fault | None:
        """The fault that happens to a request, if any."""
        return next((fault for fault in self._declared if fault.takes(method, path)), None)
