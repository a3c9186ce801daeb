"""HTTPS to one API server. `kubernetes.aio` makes the TLS context, aiohttp sends the requests."""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

import aiohttp
from aiohttp.abc import AbstractResolver
from kubernetes.aio.client import ApiClient, Configuration
from pydantic import SecretStr
from yarl import URL

from acr_refresher.errors import Invalid
from acr_refresher.kube.errors import RedirectedError, connection_error, request_name
from acr_refresher.kube.kubeconfig import ServerAccess
from acr_refresher.kube.reading import (
    READ_BUFFER,
    FloodError,
    Reading,
    bounded_connector,
    too_large,
)
from acr_refresher.run.host_names import HostNames
from acr_refresher.settings import SETTINGS

REDIRECTS = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)


class Resolver(HostNames, AbstractResolver):
    """Our look-ups of host names, as aiohttp takes them."""


class HttpResponse(NamedTuple):
    """An answer of any status."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class KubeConnection:
    """The connections to one API server, opened when they are needed."""

    def __init__(
        self,
        access: ServerAccess,
        tls: ssl.SSLContext,
        headers: Mapping[str, str],
        proxies: Mapping[str, str],
    ) -> None:
        """Send nothing yet. `proxies` are the environment's, as `getproxies` returns them."""
        self.server = access.server
        self.reading = Reading()
        self._tls = tls
        # They are not the session's, which also a proxy would get.
        self._headers = {**headers, "Accept-Encoding": "identity"}
        self._session: aiohttp.ClientSession | None = None
        self._options: dict[str, Any] = {"allow_redirects": False}
        if proxy := _proxy(access, proxies):
            self._options["proxy"] = proxy
        if access.tls_server_name:
            self._options["server_hostname"] = access.tls_server_name

    async def send(
        self, method: str, path: str, body: bytes | None = None, content_type: str | None = None
    ) -> HttpResponse:
        """One request, its path and query already encoded. Raises Denied, Invalid or Unreachable.

        aiohttp itself repeats a GET or DELETE once if the connection breaks, as HTTP allows.
        """
        url = URL(self.server + path, encoded=True)
        headers = {**self._headers, "Content-Type": content_type} if content_type else self._headers
        session = self._session or self._open_session()
        try:
            response = await session.request(
                method, url, data=body, headers=headers, **self._options
            )
            content = await self.reading.read(response, request_name(method, path))
        except FloodError as error:
            raise too_large(request_name(method, path), "it has no end") from error
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
            raise connection_error(self.server, method, path, error) from error
        if response.status in REDIRECTS:
            # An API server has no reason to send our request, or our credentials, elsewhere.
            raise connection_error(self.server, method, path, RedirectedError())
        return HttpResponse(response.status, response.headers, content)

    async def close(self) -> None:
        """End all connections."""
        self.reading.close()
        if self._session:
            await self._session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        """A session, which needs a running event loop."""
        connector = bounded_connector(ssl=self._tls, resolver=Resolver())
        # A cancelled request leaves a connection that waits for the server's TLS shutdown. This
        # option ends it with the session; otherwise it would outlive the event loop. The
        # constructor refuses the option for newer Pythons, whose TLS does not need it. uvloop's
        # TLS does.
        connector._cleanup_closed_disabled = False  # noqa: SLF001  # see above
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=READ_BUFFER,
            timeout=aiohttp.ClientTimeout(
                total=SETTINGS.kube_request_timeout.total_seconds(),
                sock_connect=SETTINGS.kube_connect_timeout.total_seconds(),
            ),
        )
        return self._session


def _proxy(access: ServerAccess, proxies: Mapping[str, str]) -> str | None:
    """The kubeconfig's proxy, or the environment's, found once instead of at each request."""
    if access.proxy_url:
        return access.proxy_url.get_secret_value()
    proxy = proxies.get("https")
    return proxy if proxy and not proxy_bypass(urlsplit(access.server).hostname or "") else None


# ---- TLS -----------------------------------------------------------------------------------------


@lru_cache(SETTINGS.tls_clients_kept)
def tls_context(ca_pem: str | None, client_pem: SecretStr | None) -> ssl.SSLContext:
    """The TLS context for an authority and a client certificate, kept while an instance is warm.

    Making it takes 2 ms of CPU, a quarter of what an idle cluster takes. A renewed kubeconfig has
    another certificate, so it gets another context. Raises Invalid if OpenSSL refuses a certificate
    or key.
    """
    configuration = Configuration(ca_cert_data=ca_pem, retries=None)
    try:
        if client_pem is None:
            return ApiClient(configuration).rest_client.ssl_context
        with pem_file(client_pem) as configuration.cert_file:
            return ApiClient(configuration).rest_client.ssl_context
    except ssl.SSLError as error:
        raise Invalid(
            "the kubeconfig cannot be used: its certificates or key are broken, or the key does "
            f"not belong to the client certificate ({(error.reason or 'unknown').lower()})",
            service="kube",
        ) from error


@contextmanager
def pem_file(pem: SecretStr) -> Iterator[str]:
    """A path for OpenSSL, which reads keys from files only: a file in memory, never on a disk.

    Only Linux has such files. On other systems (a developer's machine) it is a temporary file that
    only the user can read.
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
