"""An API server over `kubernetes.aio`: its connections, TLS and proxy, but plain JSON.

Typed models and aiohttp's `trust_env` would cost several times the CPU of a request.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from pydantic import SecretStr

from acr_refresher.adapters.kube_errors import RedirectedError, answer_error, connection_error
from acr_refresher.adapters.kube_objects import (
    Json,
    deletion,
    namespace_state,
    pull_secrets_patch,
    secret_manifest,
    secret_state,
    service_account_state,
)
from acr_refresher.adapters.kubeconfig import ServerAccess, read_kubeconfig
from acr_refresher.core.model import (
    NamespaceState,
    SecretContent,
    SecretState,
    ServiceAccountState,
)
from acr_refresher.core.record import MANAGER
from acr_refresher.errors import Gone, Invalid, Unreachable
from acr_refresher.ports import KubeApi, Kubeconfig, KubeConnector

JSON = "application/json"
APPLY = "application/apply-patch+yaml"  # JSON is YAML
MERGE_PATCH = "application/merge-patch+json"

TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=5)  # seconds
PAGE_SIZE = 500
EXPIRED_PAGE = "410"
REDIRECTS = frozenset({301, 302, 303, 307, 308})

State = TypeVar("State")


class KubernetesConnector(KubeConnector):
    """Opens API servers. `version` is this program's, for their audit logs."""

    def __init__(self, version: str) -> None:
        self._user_agent = f"{MANAGER}/{version}"

    def connect(
        self,
        kubeconfig: Kubeconfig,
        now: datetime | None = None,
        proxy_url: SecretStr | None = None,
        ca_pem: str = "",
    ) -> KubernetesApi:
        """Sends nothing yet. Raises Invalid; with `now`, also where the kubeconfig has lapsed."""
        access = read_kubeconfig(kubeconfig, now, proxy_url, ca_pem)
        headers = {"Accept": JSON, "User-Agent": self._user_agent}
        if access.token:
            headers["Authorization"] = f"Bearer {access.token.get_secret_value()}"
        return KubernetesApi(access.server, open_client(access), headers)


class KubernetesApi(KubeApi):
    """One API server. Each method is a request, or a list's pages, and raises any PortError."""

    def __init__(self, server: str, client: ApiClient, headers: Mapping[str, str]) -> None:
        self.requests = 0
        self._server = server
        self._client = client
        self._headers = headers

    async def list_namespaces(self) -> tuple[NamespaceState, ...]:
        """All namespaces."""
        return await self._list("namespaces", namespace_state)

    async def list_secrets(self, name: str) -> tuple[SecretState, ...]:
        """By a field selector, which a rule's `resourceNames` lets pass."""
        return await self._list("secrets", secret_state, fieldSelector=f"metadata.name={name}")

    async def list_service_accounts(self) -> tuple[ServiceAccountState, ...]:
        """All service accounts."""
        return await self._list("serviceaccounts", service_account_state)

    async def apply_secret(
        self, namespace: str, name: str, content: SecretContent, uid: str | None
    ) -> None:
        """Server-side apply; by force where `uid` says whose fields are taken over."""
        manifest = secret_manifest(namespace, name, content, uid)
        query = {"fieldManager": MANAGER} | ({"force": "true"} if uid else {})
        path = _path(namespace, "secrets", name)
        await self._send("PATCH", path, query, manifest, content_type=APPLY)

    async def delete_secret(self, namespace: str, name: str, uid: str) -> None:
        """With the uid as precondition: 409 for another Secret of that name."""
        try:
            await self._send("DELETE", _path(namespace, "secrets", name), body=deletion(uid))
        except Gone:
            return

    async def read_service_account(self, namespace: str, name: str) -> ServiceAccountState:
        """The current one, after a conflict."""
        path = _path(namespace, "serviceaccounts", name)
        account = await self._send("GET", path)
        return _converted(f"GET {path}", lambda: service_account_state(account))

    async def patch_service_account(self, account: ServiceAccountState) -> ServiceAccountState:
        """Merge patch with resourceVersion: 409 where it has moved on."""
        path = _path(account.namespace, "serviceaccounts", account.name)
        query = {"fieldManager": MANAGER}
        patched = await self._send("PATCH", path, query, pull_secrets_patch(account), MERGE_PATCH)
        return _converted(f"PATCH {path}", lambda: service_account_state(patched))

    async def service_account_token(
        self, namespace: str, name: str, audience: str, duration: timedelta
    ) -> SecretStr:
        """TokenRequest of authentication.k8s.io/v1."""
        path = f"{_path(namespace, 'serviceaccounts', name)}/token"
        spec = {"audiences": [audience], "expirationSeconds": int(duration.total_seconds())}
        answer = await self._send("POST", path, body={"spec": spec})
        return _converted(f"POST {path}", lambda: SecretStr(answer["status"]["token"]))

    async def may(self, **attributes: str) -> bool:
        """SelfSubjectAccessReview of authorization.k8s.io/v1, for the operator's commands as well.

        The attributes are those of its `resourceAttributes`; what is left out means all.
        """
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = await self._send("POST", path, body={"spec": {"resourceAttributes": attributes}})
        return _converted(f"POST {path}", lambda: bool(answer["status"]["allowed"]))

    async def read_config_map(self, namespace: str, name: str) -> Json:
        """For the operator's commands: the function itself has no right to it, and no need."""
        return await self._send("GET", _path(namespace, "configmaps", name))

    async def close(self) -> None:
        """End all connections."""
        await self._client.close()  # type: ignore[no-untyped-call]  # the client is partly typed

    async def _list(
        self, resource: str, convert: Callable[[Json], State], **query: str
    ) -> tuple[State, ...]:
        try:
            items = await self._pages(f"/api/v1/{resource}", query)
        except Gone as error:
            if error.code != EXPIRED_PAGE:
                raise
            # A list that outlasts its snapshot has to begin anew: once.
            items = await self._pages(f"/api/v1/{resource}", query)
        return _converted(f"list {resource}", lambda: tuple(map(convert, items)))

    async def _pages(self, path: str, query: Mapping[str, str]) -> list[Json]:
        items: list[Json] = []
        page_query = {**query, "limit": str(PAGE_SIZE)}
        while True:
            answer = await self._send("GET", path, page_query)
            page, continuation = _converted(f"GET {path}", partial(_page, answer))
            items += page
            if not continuation:
                return items
            page_query["continue"] = continuation

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        content_type: str = JSON,
    ) -> Json:
        """One request and its answer.

        aiohttp itself repeats a GET or DELETE once where the connection breaks, as HTTP lets it.
        """
        what = f"{method} {path}"
        self.requests += 1
        try:
            response = await self._client.rest_client.request(  # type: ignore[no-untyped-call]  # as above
                method,
                f"{self._server}{path}?{urlencode(query or {})}",
                headers={**self._headers, "Content-Type": content_type},
                body=body,
                _request_timeout=TIMEOUT,
            )
            content = await response.read()
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError, RedirectedError) as error:
            raise connection_error(what, error) from error
        if response.status not in {200, 201, 202}:
            raise answer_error(what, response.status, response.headers, content)
        return _parsed(what, content)


def open_client(access: ServerAccess) -> ApiClient:
    """A client for one server. Raises Invalid where OpenSSL cannot use a certificate or key."""
    configuration = Configuration(
        host=access.server,
        ca_cert_data=access.ca_pem,
        tls_server_name=access.tls_server_name,
        proxy=_proxy(access),
        retries=None,
        client_session_kwargs={
            "trust_env": False,
            "cookie_jar": aiohttp.DummyCookieJar(),
            "middlewares": (_refuse_redirects,),
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


def _proxy(access: ServerAccess) -> str | None:
    """The kubeconfig's, or the environment's, worked out once instead of at each request."""
    if access.proxy_url:
        return access.proxy_url.get_secret_value()
    host = urlsplit(access.server).hostname or ""
    return None if proxy_bypass(host) else getproxies().get("https")


async def _refuse_redirects(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """An API server has no reason to send us elsewhere, with our credentials or without."""
    response = await send(request)
    if response.status in REDIRECTS:
        response.close()
        raise RedirectedError
    return response


def _page(answer: Json) -> tuple[list[Json], str]:
    """The items, which may be null, and the token that the next page is asked for with."""
    return list(answer["items"] or ()), str((answer.get("metadata") or {}).get("continue") or "")


def _path(namespace: str, resource: str, name: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/{resource}/{quote(name, safe='')}"


def _parsed(what: str, content: bytes) -> Json:
    try:
        return dict(json.loads(content))
    except (RecursionError, TypeError, ValueError) as error:
        message = f"{what}: the answer is no object in JSON: is this an API server?"
        raise Unreachable(message, service="kube") from error


def _converted(what: str, convert: Callable[[], State]) -> State:
    try:
        return convert()
    except (AttributeError, KeyError, TypeError) as error:
        raise Invalid(f"{what}: the answer lacks what it should hold", service="kube") from error
