"""HTTP to one API server: TLS, proxy and connections of `kubernetes.aio`, and plain bytes.

Its `rest_client.request` and typed models would cost several times the CPU of a request, and so
would aiohttp's `trust_env`, which looks for proxies and netrc at every request.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from pydantic import SecretStr
from yarl import URL

from acr_refresher.adapters.host_names import HostNames
from acr_refresher.adapters.kube_errors import RedirectedError, connection_error
from acr_refresher.adapters.kubeconfig import ServerAccess
from acr_refresher.errors import Invalid

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
        self, access: ServerAccess, headers: Mapping[str, str], proxies: Mapping[str, str]
    ) -> None:
        """Sends nothing. `proxies` are the environment's, as `getproxies` tells them.

        Raises Invalid where OpenSSL cannot use a certificate or key.
        """
        self._server = access.server
        self._client = _open_client(access)
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
        await self._client.close()  # type: ignore[no-untyped-call]  # the client is partly typed

    def _open_session(self) -> aiohttp.ClientSession:
        """The client's own, which needs a running loop; it is there to be overridden."""
        rest = self._client.rest_client
        rest._create_connector = partial(  # type: ignore[method-assign]  # noqa: SLF001  # as it says
            aiohttp.TCPConnector, limit=rest.maxsize, ssl=rest.ssl_context, resolver=HostNames()
        )
        self._session = rest._create_pool_manager()  # noqa: SLF001  # as above
        # A request that is cut off leaves a connection saying goodbye to a server that may never
        # answer. Kept account of, it ends with the session; else it would outlive the event loop.
        # The connector's option for it is refused where asyncio's own TLS has no need of it.
        setattr(self._session.connector, "_cleanup_closed_disabled", False)  # noqa: B010  # private
        return self._session


def _open_client(access: ServerAccess) -> ApiClient:
    configuration = Configuration(
        host=access.server,
        ca_cert_data=access.ca_pem,
        retries=None,
        client_session_kwargs={
            "trust_env": False,
            "cookie_jar": aiohttp.DummyCookieJar(),
            "timeout": TIMEOUT,
        },
    )
    try:
        if access.client_pem is None:
            return ApiClient(configuration)
        with pem_file(access.client_pem) as configuration.cert_file:
            return ApiClient(configuration)
    except ssl.SSLError as error:
        raise Invalid(
            "the kubeconfig cannot be used: its certificates or key are broken, or the key is not "
            f"the client certificate's ({(error.reason or 'unknown').lower()})",
            service="kube",
        ) from error


@contextmanager
def pem_file(pem: SecretStr) -> Iterator[str]:
    """A path for OpenSSL, which reads keys from files only: in memory, so never on a disk.

    Only Linux has memfd; elsewhere, on a developer's machine, it is a file of the user's own that
    is removed at once.
    """
    content = pem.get_secret_value().encode()
    if not hasattr(os, "memfd_create"):
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name
        return
    with open(os.memfd_create("client-pem"), "wb") as file:  # noqa: PTH123  # a descriptor
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"


def _proxy(access: ServerAccess, proxies: Mapping[str, str]) -> str | None:
    """The kubeconfig's, or the environment's, worked out once instead of at each request."""
    if access.proxy_url:
        return access.proxy_url.get_secret_value()
    proxy = proxies.get("https")
    return proxy if proxy and not proxy_bypass(urlsplit(access.server).hostname or "") else None
