"""What the SDKs of STS, CR and CS share: how requests leave, and in which threads."""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from acr_refresher.cloud.clock import CloudClock
from acr_refresher.cloud.errors import WRONG_CLOCK, CloudCall, port_error
from acr_refresher.run.ports import CloudCredentials
from acr_refresher.run.rate_limit import RateLimiter
from acr_refresher.settings import SETTINGS

LOCAL_CLOUD_VARIABLE = "ACR_REFRESHER_LOCAL_CLOUD"
REGISTRY_CA_VARIABLE = "ACR_REFRESHER_REGISTRY_CA"


@dataclass(frozen=True, slots=True)
class CloudTransport:
    """How requests reach the cloud: over HTTPS, certificates verified.

    With `local_cloud` they go, as plain HTTP, to a stand-in on this machine that acts as a forward
    proxy and so sees the real host names; `registry_ca` is a file with the roots of the registry
    there. They are for development: an address that is not a loopback one, or roots without a
    local cloud, are a ValueError.
    """

    local_cloud: str | None = None
    registry_ca: str | None = None

    def __post_init__(self) -> None:
        if self.registry_ca and self.local_cloud is None:
            raise ValueError(f"{REGISTRY_CA_VARIABLE} is for use with {LOCAL_CLOUD_VARIABLE} alone")
        if self.local_cloud is not None and not _is_loopback_http(self.local_cloud):
            raise ValueError(
                f"{LOCAL_CLOUD_VARIABLE} must be http://127.0.0.1:PORT: requests to the cloud go "
                "unencrypted only to a stand-in on this machine"
            )


def transport_from_environment(environ: Mapping[str, str]) -> CloudTransport:
    """HTTPS, unless ACR_REFRESHER_LOCAL_CLOUD names a stand-in. ValueError: not a loopback one."""
    return CloudTransport(
        environ.get(LOCAL_CLOUD_VARIABLE) or None, environ.get(REGISTRY_CA_VARIABLE) or None
    )


class CloudClient:
    """Configures the SDKs' clients and runs their blocking calls in threads.

    The SDKs' own `_async` methods open a connection for each call; the blocking ones keep theirs.
    Every request of theirs passes `ask`, so the budgets are kept here: pages and retries count too.
    """

    def __init__(self, transport: CloudTransport, threads: int = SETTINGS.cloud_threads) -> None:
        self.transport = transport
        self._clock = CloudClock()
        self._threads: Executor = _threads(threads)
        self._budgets = RateLimiter({})

    def with_rate_limiter(self, rate_limiter: RateLimiter) -> CloudClient:
        """The same, whose calls keep to these budgets."""
        other = copy.copy(self)
        other._budgets = rate_limiter  # noqa: SLF001  # one of its own kind
        return other

    def with_own_threads(self) -> CloudClient:
        """The same in threads of its own, which services that do not answer cannot all hold."""
        other = copy.copy(self)
        other._threads = _threads(SETTINGS.cloud_threads)  # noqa: SLF001  # as above
        return other

    def config(self, caller: CloudCredentials | None, host: str | None, region_id: str) -> Any:
        """The `Config` of a client. Without `retry_options` the SDK sends a request once.

        `host` None leaves the choice to the SDK, which knows the regions without one of their own.
        `caller` None is for what nobody signs.
        """
        from alibabacloud_tea_openapi.utils_models import (  # noqa: PLC0415  # half a second of CPU
            Config,
        )

        return Config(
            **(_keys(caller) if caller else {}),
            endpoint=host,
            region_id=region_id,
            protocol="http" if self.transport.local_cloud else "https",
            http_proxy=self.transport.local_cloud,
            connect_timeout=_milliseconds(SETTINGS.cloud_connect_timeout),
            read_timeout=_milliseconds(SETTINGS.cloud_read_timeout),
        )

    async def call(
        self, call: CloudCall, send: Callable[[Any, Any], Any], request: Any
    ) -> dict[str, Any]:
        """The body of the answer to `send(request, runtime options)`, made in a thread.

        It is made as soon as the caller's budget allows. Whatever the SDK raises becomes a
        PortError.
        """
        loop = asyncio.get_running_loop()

        async def made() -> dict[str, Any]:
            try:
                return await loop.run_in_executor(self._threads, self._send, send, request)
            except Exception as error:
                raise port_error(error, call, self._clock.skew) from error

        return await self._budgets.call_when_allowed(call.service, call.caller.account_id, made)

    def take_clock_skew(self) -> timedelta | None:
        """How far the clock here is ahead of the cloud's, as answers since the last time told."""
        skew, self._clock.skew = self._clock.skew, None
        return skew

    def close(self) -> None:
        """Give the threads back; calls under way end by their own time-outs."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _send(self, send: Callable[[Any, Any], Any], request: Any) -> dict[str, Any]:
        from darabonba.runtime import RuntimeOptions  # noqa: PLC0415  # loaded with the client

        try:
            answered = send(request, RuntimeOptions())
        except Exception as error:
            refused_by_clock = re.fullmatch(WRONG_CLOCK, str(getattr(error, "code", "")))
            if refused_by_clock and self._clock.skew is None:
                self._clock.ask(self.transport.local_cloud)
            raise
        answer = answered if isinstance(answered, dict) else answered.to_map()
        self._clock.read(answer.get("headers") or {})
        body: dict[str, Any] = answer["body"]
        return body


def _threads(most: int) -> Executor:
    """Each begins with the first call that finds none idle."""
    return ThreadPoolExecutor(most, thread_name_prefix="cloud")


def _keys(caller: CloudCredentials) -> dict[str, str | None]:
    token = caller.security_token
    return {
        "access_key_id": caller.access_key_id,
        "access_key_secret": caller.access_key_secret.get_secret_value(),
        "security_token": token.get_secret_value() if token else None,
    }


def _is_loopback_http(url: str) -> bool:
    """An address, not a name: that may lead anywhere."""
    try:
        port = urlsplit(url).port
    except ValueError:
        return False
    return url in {f"http://127.0.0.1:{port}", f"http://[::1]:{port}"}


def _milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a product at the endpoint of a region.

    With a path it is called by GET in ROA style, without one by POST in RPC style.
    """

    product: str
    version: str
    action: str
    path: str = ""


async def call_operation(
    sdk: CloudClient,
    call: CloudCall,
    operation: Operation,
    region_id: str,
    query: Mapping[str, str],
) -> dict[str, Any]:
    """The body of the answer. Raises PortError."""
    from alibabacloud_tea_openapi.client import Client  # noqa: PLC0415  # see cloud.py
    from alibabacloud_tea_openapi.utils_models import OpenApiRequest  # noqa: PLC0415  # as above

    host = f"{operation.product}.{region_id}.aliyuncs.com"
    client = Client(sdk.config(call.caller, host, region_id))
    send = partial(client.call_api, _params(operation))
    return await sdk.call(call, send, OpenApiRequest(query=dict(query)))


def _params(operation: Operation) -> Any:
    from alibabacloud_tea_openapi.utils_models import Params  # noqa: PLC0415  # see cloud.py

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
