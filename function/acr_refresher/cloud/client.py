"""Sends requests to the cloud: the SDKs' configuration and threads, and the cloud's clock."""

from __future__ import annotations

import asyncio
import copy
import re
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from acr_refresher.cloud.answers import AnswerBudget, AnswerLimits, limit_answers
from acr_refresher.cloud.errors import (
    WRONG_CLOCK,
    CloudCall,
    endless,
    not_of_the_api,
    port_error,
)
from acr_refresher.core.outcome import milliseconds
from acr_refresher.run.ports import CloudCredentials
from acr_refresher.run.rate_limit import RateLimiter
from acr_refresher.settings import SETTINGS

LOCAL_CLOUD_VARIABLE = "ACR_REFRESHER_LOCAL_CLOUD"
REGISTRY_CA_VARIABLE = "ACR_REFRESHER_REGISTRY_CA"
ANY_CLOUD_HOST = "sts.aliyuncs.com"


@dataclass(frozen=True, slots=True)
class CloudTransport:
    """How requests reach the cloud: over HTTPS with verified certificates.

    For development, `local_cloud` is the address of a stand-in on this machine. Requests go there
    as plain HTTP to a forward proxy, which sees the real host names. `registry_ca` is a file with
    the root certificates of the registry there. Raises ValueError if the address is not a loopback
    address, or if there are root certificates without a local cloud.
    """

    local_cloud: str | None = None
    registry_ca: str | None = None

    def __post_init__(self) -> None:
        if self.registry_ca and self.local_cloud is None:
            raise ValueError(
                f"{REGISTRY_CA_VARIABLE} needs {LOCAL_CLOUD_VARIABLE}: other root certificates are"
                " for a local cloud only"
            )
        if self.local_cloud is not None and not _is_loopback_http(self.local_cloud):
            raise ValueError(
                f"{LOCAL_CLOUD_VARIABLE} must be http://127.0.0.1:PORT: unencrypted requests must "
                "not leave this machine"
            )


def transport_from_environment(environ: Mapping[str, str]) -> CloudTransport:
    """The transport that the environment names: HTTPS, unless it names a local cloud.

    Raises ValueError if the local cloud is not on this machine.
    """
    return CloudTransport(
        environ.get(LOCAL_CLOUD_VARIABLE) or None, environ.get(REGISTRY_CA_VARIABLE) or None
    )


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a product at the endpoint of a region.

    With a path it is called by GET in ROA style, without a path by POST in RPC style.
    """

    product: str
    version: str
    action: str
    path: str = ""


class CloudClient:
    """Configures the SDKs' clients and runs their blocking calls in threads.

    The SDKs' own `_async` methods open a connection per call; the blocking methods keep theirs.
    Every request passes `call`, which keeps to the rate limits: pages and retries count too.
    """

    def __init__(self, transport: CloudTransport, threads: int = SETTINGS.cloud_threads) -> None:
        self.transport = transport
        self._clock = CloudClock()
        self._threads = _threads(threads)
        self._rate_limiter = RateLimiter({})

    def with_rate_limiter(self, rate_limiter: RateLimiter) -> CloudClient:
        """The same client under these rate limits. It measures the clock skew by its own calls."""
        other = copy.copy(self)
        other._rate_limiter = rate_limiter  # noqa: SLF001  # an object of this class
        other._clock = CloudClock()  # noqa: SLF001  # as above
        return other

    def with_own_threads(self) -> CloudClient:
        """The same client with its own threads, which calls of others cannot keep busy."""
        other = copy.copy(self)
        other._threads = _threads(SETTINGS.cloud_threads)  # noqa: SLF001  # as above
        return other

    def config(self, caller: CloudCredentials | None, host: str | None, region_id: str) -> Any:
        """The `Config` of an SDK's client. Without `retry_options` the SDK sends a request once.

        If `host` is None, the SDK chooses the endpoint: it knows the regions that have none. If
        `caller` is None, the request is not signed.
        """
        from alibabacloud_tea_openapi.utils_models import Config

        limit_answers(sys.modules)
        return Config(
            **(_keys(caller) if caller else {}),
            endpoint=host,
            region_id=region_id,
            protocol="http" if self.transport.local_cloud else "https",
            http_proxy=self.transport.local_cloud,
            connect_timeout=milliseconds(SETTINGS.cloud_connect_timeout),
            read_timeout=milliseconds(SETTINGS.cloud_read_timeout),
        )

    async def call(
        self,
        call: CloudCall,
        send: Callable[[Any, Any], Any],
        request: Any,
        limits: AnswerLimits | None = None,
    ) -> dict[str, Any]:
        """The body of the answer to `send(request, runtime options)`, which runs in a thread.

        It waits until the caller's rate limit allows the request. Raises PortError if the SDK
        raises anything, if the answer exceeds the limits, or if the body is not a JSON object.
        """
        loop = asyncio.get_running_loop()
        usual = AnswerLimits(SETTINGS.cloud_answer_bytes, SETTINGS.cloud_answer_timeout)

        async def answer() -> Any:
            budget = AnswerBudget(limits or usual)
            sending = partial(self._send_within, budget, loop, send, request)
            try:
                return await loop.run_in_executor(self._threads, sending)
            except Exception as error:
                if budget.expired:
                    raise endless(call) from error
                raise port_error(error, call, self._clock.skew) from error

        account_id = call.caller.account_id
        body = await self._rate_limiter.call_when_allowed(call.service, account_id, answer)
        if not isinstance(body, dict):
            raise not_of_the_api(call)
        return body

    async def call_operation(
        self, call: CloudCall, operation: Operation, region_id: str, query: Mapping[str, str]
    ) -> dict[str, Any]:
        """The body of the answer of an operation for which there is no SDK. Raises PortError."""
        from alibabacloud_tea_openapi.client import Client
        from alibabacloud_tea_openapi.utils_models import OpenApiRequest

        host = f"{operation.product}.{region_id}.aliyuncs.com"
        client = Client(self.config(call.caller, host, region_id))
        send = partial(client.call_api, _params(operation))
        return await self.call(call, send, OpenApiRequest(query=dict(query)))

    def clock_skew(self) -> timedelta | None:
        """How far this machine's clock is ahead of the cloud's, by the last answer with the time.

        None if no answer had the time.
        """
        return self._clock.skew

    def close(self) -> None:
        """End the threads. Calls that are under way end by their own time-outs."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _send_within(
        self,
        budget: AnswerBudget,
        loop: asyncio.AbstractEventLoop,
        send: Callable[[Any, Any], Any],
        request: Any,
    ) -> Any:
        with budget.spent_in_this_thread(loop):
            answer = self._send(send, request)
            if budget.expired:  # headers that were cut off count as complete
                raise TimeoutError
        return answer

    def _send(self, send: Callable[[Any, Any], Any], request: Any) -> Any:
        from darabonba.runtime import RuntimeOptions

        try:
            answered = send(request, RuntimeOptions())
        except Exception as error:
            refused_by_clock = re.fullmatch(WRONG_CLOCK, str(getattr(error, "code", "")))
            if refused_by_clock and self._clock.skew is None:
                self._clock.ask(self.transport.local_cloud)
            raise
        answer = answered if isinstance(answered, dict) else answered.to_map()
        self._clock.read(answer.get("headers") or {})
        return answer["body"]


class CloudClock:
    """How far this machine's clock is ahead of the cloud's, as last measured.

    The error is some seconds: the Date header has only full seconds, and the answer took its time.
    """

    def __init__(self) -> None:
        self.skew: timedelta | None = None

    def read(self, headers: Mapping[str, str]) -> None:
        """Measure by the Date header of an answer that has just arrived, if it has one."""
        date = {name.lower(): value for name, value in headers.items()}.get("date", "")
        try:
            cloud_time = parsedate_to_datetime(date)
        except (OverflowError, TypeError, ValueError):
            return
        if cloud_time.tzinfo is not None:
            self.skew = datetime.now(timezone.utc) - cloud_time

    def ask(self, local_cloud: str | None) -> None:
        """Measure by a request that only asks for the time: the SDK's exceptions have no headers.

        The request is not signed. The refusal that answers it has the time as well.
        """
        import requests

        scheme, proxies = ("http", {"http": local_cloud}) if local_cloud else ("https", None)
        try:
            with requests.get(
                f"{scheme}://{ANY_CLOUD_HOST}/",
                proxies=proxies,
                timeout=SETTINGS.clock_timeout.total_seconds(),
                allow_redirects=False,
            ) as answer:
                self.read(answer.headers)
        except requests.RequestException:
            return


def _threads(most: int) -> Executor:
    """A pool that starts a thread when a call finds none idle."""
    return ThreadPoolExecutor(most, thread_name_prefix="cloud")


def _keys(caller: CloudCredentials) -> dict[str, str | None]:
    token = caller.security_token
    return {
        "access_key_id": caller.access_key_id,
        "access_key_secret": caller.access_key_secret.get_secret_value(),
        "security_token": token.get_secret_value() if token else None,
    }


def _is_loopback_http(url: str) -> bool:
    """Whether the URL is HTTP to a loopback address. A name such as localhost may lead anywhere."""
    try:
        port = urlsplit(url).port
    except ValueError:
        return False
    return url in {f"http://127.0.0.1:{port}", f"http://[::1]:{port}"}


def _params(operation: Operation) -> Any:
    from alibabacloud_tea_openapi.utils_models import Params

    return Params(
        action=operation.action,
        version=operation.version,
        protocol="HTTPS",
        pathname=operation.path or "/",
        method="GET" if operation.path else "POST",
        auth_type="AK",
        style="ROA" if operation.path else "RPC",
        req_body_type="json" if operation.path else "formData",
        body_type="json",
    )
