"""TLS to API servers: what `kubernetes.aio` makes of authorities and client certificates."""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from pydantic import SecretStr
from yarl import URL

from acr_refresher.errors import Invalid
from acr_refresher.kube.errors import RedirectedError, connection_error
from acr_refresher.kube.kubeconfig import ServerAccess
from acr_refresher.run.host_names import HostNames
from acr_refresher.settings import SETTINGS

MadeOf: TypeAlias = "tuple[str | None, SecretStr | None]"


@dataclass(frozen=True, slots=True)
class TlsClients:
    """One client for each authority and client certificate, as long as an instance is warm.

    To make one takes 2 ms of CPU, a quarter of an idle cluster's. Whose kubeconfig is renewed has
    another certificate, and so another client; the old one goes when more are kept than may be.
    """

    _kept: dict[MadeOf, ApiClient] = field(default_factory=dict, repr=False)

    def client(self, access: ServerAccess) -> ApiClient:
        """Opens no connection. Raises Invalid where OpenSSL cannot use a certificate or key."""
        made_of = (access.ca_pem, access.client_pem)
        client = self._kept.pop(made_of, None) or _client(*made_of)
        self._kept[made_of] = client  # at the end
        if len(self._kept) > SETTINGS.tls_clients_kept:
            del self._kept[next(iter(self._kept))]  # which was used longest ago
        return client


def _client(ca_pem: str | None, client_pem: SecretStr | None) -> ApiClient:
    configuration = Configuration(ca_cert_data=ca_pem, retries=None)
    try:
        if client_pem is None:
            return ApiClient(configuration)
        with pem_file(client_pem) as configuration.cert_file:
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


REDIRECTS = frozenset({301, 302, 303, 307, 308})


class HttpResponse(NamedTuple):
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
    ) -> HttpResponse:
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
        return HttpResponse(response.status, response.headers, content)

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
            "timeout": aiohttp.ClientTimeout(
                total=SETTINGS.kube_request_timeout.total_seconds(),
                sock_connect=SETTINGS.kube_connect_timeout.total_seconds(),
            ),
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
