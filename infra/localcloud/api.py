"""What a product is made of: hosts, a version, and operations that answer requests."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from localcloud.cloud import Cloud
from localcloud.errors import CloudError
from localcloud.sessions import Session

Json = dict[str, Any]
Style = Literal["RPC", "ROA", "LOG", "FC"]


@dataclass(frozen=True)
class Raw:
    """An answer that is not a JSON object of the API's own."""

    body: bytes
    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True)
class HttpRequest:
    """An HTTP request as it came; header names in lower case, the query decoded."""

    method: str
    host: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes

    @property
    def action(self) -> str:
        return self.headers.get("x-acs-action", "")

    @property
    def version(self) -> str:
        named = self.headers.get("x-acs-version") or self.headers.get("x-log-apiversion")
        in_path = re.match(r"/(\d{4}-\d\d-\d\d)/", self.path)
        return named or (in_path[1] if in_path else "")


@dataclass(frozen=True)
class ApiRequest:
    """An API call as its operation sees it.

    Attributes:
        http: The request as it came, for operations that read its body or headers.
        id: The request ID, as answers tell it.
        signer: Whose signature has been verified; None for an anonymous operation.
        region: From the host name; empty for a host of no region.
        parameters: From path, query and form.
        now: The cloud's time at which the request is answered.
    """

    http: HttpRequest
    id: str
    signer: Session | None
    region: str
    parameters: Mapping[str, str]
    now: datetime

    @property
    def caller(self) -> Session:
        """The caller. LookupError in an anonymous operation, which has none."""
        if self.signer is None:
            raise LookupError("an anonymous request has no caller")
        return self.signer

    def required(self, name: str) -> str:
        """The parameter's value; CloudError if it is absent or empty."""
        if value := self.parameters.get(name):
            return value
        raise CloudError(400, f"Missing{name}", f"{name} is mandatory for this action.")

    def whole_number(self, name: str, default: int) -> int:
        """The parameter's value as an integer; CloudError if it is not one."""
        value = self.parameters.get(name, str(default))
        if re.fullmatch(r"\d{1,9}", value):
            return int(value)
        raise CloudError(400, f"InvalidParameter.{name}", f"The parameter {name} is not a number.")


@dataclass(frozen=True)
class Operation:
    """One API.

    Attributes:
        answer: The response body for a request; raises CloudError to refuse. It may run in any
            thread, beside others.
        path: Its `{Name}` segments become parameters.
        anonymous: Whether requests come unsigned: something else in them proves who calls.
        named: Whether requests say the action; else method and path say it all.
    """

    action: str
    answer: Callable[[Cloud, ApiRequest], Json | Raw]
    method: str = "POST"
    path: str = "/"
    anonymous: bool = False
    named: bool = True

    def match(self, http: HttpRequest) -> dict[str, str] | None:
        """The parameters in the request's path, or None if the request is not for this API."""
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.path))
        match = re.fullmatch(pattern, http.path)
        action = self.action if self.named else ""
        if match is None or (http.method, http.action) != (self.method, action):
            return None
        return match.groupdict()


@dataclass(frozen=True)
class Product:
    """A version of a product's API.

    Attributes:
        hosts: Pattern of its host names; the group `region` is the region's ID, and others become
            parameters.
        style: RPC answers carry their RequestId; ROA errors write their fields in camelCase; LOG is
            the way of SLS, and FC that of Function Compute 2.0, signatures included.
    """

    hosts: re.Pattern[str]
    version: str
    style: Style
    operations: tuple[Operation, ...]
