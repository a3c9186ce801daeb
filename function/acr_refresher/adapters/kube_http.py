"""HTTP to one API server: sessions of `kubernetes.aio`, and plain bytes.

Its `rest_client.request` and typed models would cost several times the CPU of a request, and so
would aiohttp's `trust_env`, which looks for proxies and netrc at every request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

import aiohttp
from kubernetes.aio.client import ApiClient
from yarl import URL

from acr_refresher.adapters.host_names import HostNames
from acr_refresher.adapters.kube_errors import RedirectedError, connection_error
from acr_refresher.adapters.kubeconfig import ServerAccess

TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=5)  # seconds
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Answer(NamedTuple):
    """What came back, whatever the status."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class KubeConnection:
    """The connections to one API server, opened as they are needed."""

    def __init__(
        self,
        access: ServerAccess,
        client: ApiClient,
        headers: Mapping[str, str],
        proxies: Mapping[str, str],
    ) -> None:
        """Sends nothing. `proxies` are the environment's, as `getproxies` tells them."""
        self._server = access.server
        self._client = client  # other connections', too
        self._headers = headers  # not the session's own: those are sent to a proxy, too
        self._session: aiohttp.ClientSession | None = None
        self._to: dict[str, Any] = {"allow_redirects": False}
        if proxy := _proxy(access, proxies):
            self._to["proxy"] = proxy
        if access.tls_server_name:
            self._to["server_hostname"] = access.tls_server_name

    async def send(
        self, method: str, path: str, body: bytes | None = None, content_type: str | None = None
    ) -> Answer:
        """One request, its path and query encoded already. Raises Denied or Unreachable.

        aiohttp itself repeats a GET or DELETE once where the connection breaks, as HTTP lets it.
        """
        what = f"{method} {path.partition('?')[0]}"
        url = URL(self._server + path, encoded=True)
        headers = {**self._headers, "Content-Type": content_type} if content_type else self._headers
        session = self._session or self._open_session()
        try:
            response = await session.request(method, url, data=body, headers=headers, **self._to)
            content = await response.read()
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
            raise connection_error(what, error) from error
        if response.status in REDIRECTS:
            # An API server has no reason to send us elsewhere, with our credentials or without.
            raise connection_error(what, RedirectedError())
        return Answer(response.status, response.headers, content)

    async def close(self) -> None:
        """End all connections."""
        if self._session:
            await self._session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        """The client's own, which needs a running loop; it is there to be overridden."""
        rest = self._client.rest_client
        rest.configuration.client_session_kwargs = {
            "trust_env": False,
            "cookie_jar": aiohttp.DummyCookieJar(),
            "timeout": TIMEOUT,
        }
        rest._create_connector = partial(  # type: ignore[method-assign]  # noqa: SLF001  # as it says
            aiohttp.TCPConnector, limit=rest.maxsize, ssl=rest.ssl_context, resolver=HostNames()
        )
        self._session = rest._create_pool_manager()  # noqa: SLF001  # as above
        # A request that is cut off leaves a connection saying goodbye to a server that may never
        # answer. Kept account of, it ends with the session; else it would outlive the event loop.
        # The connector's option for it is refused where asyncio's own TLS has no need of it.
        setattr(self._session.connector, "_cleanup_closed_disabled", False)  # noqa: B010  # private
        return self._session


def _proxy(access: ServerAccess, proxies: Mapping[str, str]) -> str | None:
    """The kubeconfig's, or the environment's, worked out once instead of at each request."""
    if access.proxy_url:
        return access.proxy_url.get_secret_value()
    proxy = proxies.get("https")
    return proxy if proxy and not proxy_bypass(urlsplit(access.server).hostname or "") else None
