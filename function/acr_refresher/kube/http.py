"""HTTPS to one API server, by aiohttp."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

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
from acr_refresher.run.proxy import Proxy
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
    warnings: tuple[str, ...] = ()
    """The values of all `Warning` headers."""


class KubeConnection:
    """The connections to one API server, opened when they are needed."""

    def __init__(
        self,
        access: ServerAccess,
        tls: ssl.SSLContext,
        headers: Mapping[str, str],
        proxy: Proxy | None,
    ) -> None:
        """Send nothing yet."""
        self.server = access.server
        self.reading = Reading()
        self._tls = tls
        # They are not the session's, which also a proxy would get.
        self._headers = {**headers, "Accept-Encoding": "identity"}
        self._session: aiohttp.ClientSession | None = None
        self._options: dict[str, Any] = {"allow_redirects": False}
        self._proxy_url = proxy.url if proxy else ""
        if proxy:
            self._options |= proxy.options
        if access.tls_server_name:
            self._options["server_hostname"] = access.tls_server_name

    async def send(
        self, method: str, path: str, body: bytes | None = None, content_type: str | None = None
    ) -> HttpResponse:
        """One request, its path and query already encoded. Raises Denied, Invalid or Unreachable.

        aiohttp itself repeats a GET or DELETE once if the connection breaks, as HTTP allows.
        """
        self.reading.check(request_name(method, path))
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
            raise connection_error(self.server, method, path, error, self._proxy_url) from error
        if response.status in REDIRECTS:
            # An API server has no reason to send our request, or our credentials, elsewhere.
            raise connection_error(self.server, method, path, RedirectedError(), self._proxy_url)
        warnings = tuple(response.headers.getall("Warning", ()))
        return HttpResponse(response.status, response.headers, content, warnings)

    def is_our_token(self, text: str) -> bool:
        """Whether the text is the token that this connection sends: a server may repeat it."""
        return self._headers.get("Authorization") == f"Bearer {text}"

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
