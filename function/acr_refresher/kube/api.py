"""The requests to an API server, and their answers as plain JSON."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from urllib.parse import quote, urlencode

from pydantic import SecretStr
from pydantic_core import from_json, to_json

from acr_refresher.core.model import NamespaceState, SecretContent, SecretState, ServiceAccountState
from acr_refresher.core.secret import MANAGER
from acr_refresher.errors import Denied, Invalid, PortError, Unreachable
from acr_refresher.kube.errors import answer_error, request_name
from acr_refresher.kube.http import HttpResponse, KubeConnection
from acr_refresher.kube.kept import OpenKubeconfigs
from acr_refresher.kube.kubeconfig import refuse_expired
from acr_refresher.kube.lists import Conversion, ListReader, ListRequest, converted
from acr_refresher.kube.notes import RequestNotes
from acr_refresher.kube.objects import (
    Json,
    SecretSize,
    deletion,
    namespace_size,
    namespace_state,
    pull_secrets_patch,
    secret_manifest,
    secret_state,
    service_account_size,
    service_account_state,
    shared_part,
    text,
)
from acr_refresher.kube.reading import check_values
from acr_refresher.kube.refusals import read_status, refused_by_rbac, refused_user
from acr_refresher.run.ports import AppliedSecret, KubeApi, Kubeconfig, KubeConnector
from acr_refresher.run.proxy import EnvironmentProxy, UnusableProxyError
from acr_refresher.settings import SETTINGS

JSON = "application/json"
APPLY = "application/apply-patch+yaml"  # JSON is YAML
MERGE_PATCH = "application/merge-patch+json"

OK = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED})
MANAGED = urlencode({"fieldManager": MANAGER})


class KubernetesConnector(KubeConnector):
    """Makes clients of API servers. `version` is that of this program, for their audit logs.

    `kept` are the kubeconfigs that a warm instance has opened.
    """

    def __init__(self, version: str, kept: OpenKubeconfigs | None = None) -> None:
        self._user_agent = f"{MANAGER}/{version}"
        self._kept = kept or OpenKubeconfigs()
        self._environment_proxy = EnvironmentProxy.of(os.environ)  # once for all clusters

    def connect(
        self,
        kubeconfig: Kubeconfig,
        now: datetime | None = None,
        proxy_url: SecretStr | None = None,
        ca_pem: str = "",
        cluster: str = "",
    ) -> KubernetesApi:
        """Sends nothing yet. Raises Invalid; with `now` also if the kubeconfig has expired."""
        refuse_expired(kubeconfig, now)
        opened = self._kept.open(kubeconfig, proxy_url, ca_pem, cluster)
        access = opened.access
        headers = {"Accept": JSON, "User-Agent": self._user_agent}
        if access.token:
            headers["Authorization"] = f"Bearer {access.token.get_secret_value()}"
        try:
            proxy = self._environment_proxy.proxy_for(access.server, access.proxy_url)
        except UnusableProxyError as error:
            raise Invalid(str(error), service="kube") from error
        return KubernetesApi(KubeConnection(access, opened.tls, headers, proxy))


class KubernetesApi(KubeApi):
    """One API server. A method sends a request, or requests the pages of a list.

    Every method may raise any PortError. With `dry_run`, the server admits and validates what is
    written, and stores nothing.
    """

    dry_run = False

    def __init__(self, connection: KubeConnection) -> None:
        self.requests = self.throttled = 0
        self._connection = connection
        self._lists = ListReader(self._get, connection.reading)
        self._notes = RequestNotes()
        self._shared: tuple[SecretContent, bytes] | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings that the server gave with its answers, each once."""
        return self._notes.warnings

    @property
    def cut_off(self) -> str:
        """A request that was cut off while it waited for its answer."""
        return self._notes.cut_off

    @property
    def last_error(self) -> str:
        """The message of the last error, unless the same request has succeeded since."""
        return self._notes.last_error

    async def list_namespaces(self) -> tuple[NamespaceState, ...]:
        """All namespaces."""
        return await self._list_namespaces({})

    async def list_secrets(self, name: str) -> tuple[SecretState, ...]:
        """The Secrets of this name. A rule's `resourceNames` allows this field selector."""
        return await self._list_secrets("", name)

    async def list_service_accounts(self, namespace: str = "") -> tuple[ServiceAccountState, ...]:
        """All service accounts, or those of one namespace."""
        return await self._list_service_accounts(namespace, {})

    async def find_namespace(self, name: str) -> NamespaceState | None:
        """The namespace as it is now. A 404 may also come from a proxy, so it is listed."""
        return next(iter(await self._list_namespaces(_named(name))), None)

    async def find_service_account(self, namespace: str, name: str) -> ServiceAccountState | None:
        """The service account as it is now. A 404 may also come from a webhook, so it is listed."""
        return next(iter(await self._list_service_accounts(namespace, _named(name))), None)

    async def read_secret(self, namespace: str, name: str) -> SecretState | None:
        """The Secret as it is now. It is listed, because `infra/rbac` gives no right to get it."""
        return next(iter(await self._list_secrets(namespace, name)), None)

    async def _list_namespaces(self, query: Mapping[str, str]) -> tuple[NamespaceState, ...]:
        convert = partial(Conversion, namespace_state, namespace_size)
        request = ListRequest("/api/v1/namespaces", "NamespaceList", convert, query)
        return await self._lists.read(request)

    async def _list_secrets(self, namespace: str, name: str) -> tuple[SecretState, ...]:
        return await self._lists.read(
            ListRequest(
                f"/api/v1/{_within(namespace)}secrets",
                "SecretList",
                lambda: Conversion(partial(secret_state, decoded={}), SecretSize()),
                _named(name),
                _most_bytes(namespace),
            )
        )

    async def _list_service_accounts(
        self, namespace: str, query: Mapping[str, str]
    ) -> tuple[ServiceAccountState, ...]:
        path = f"/api/v1/{_within(namespace)}serviceaccounts"
        convert = partial(Conversion, service_account_state, service_account_size)
        most = _most_bytes(namespace)
        return await self._lists.read(ListRequest(path, "ServiceAccountList", convert, query, most))

    async def apply_secret(
        self,
        namespace: str,
        name: str,
        content: SecretContent,
        uid: str | None,
        resource_version: str | None = None,
    ) -> AppliedSecret:
        """Server-side apply; with `uid` by force, which takes over the fields of that Secret.

        The API server answers 201 if it has created the Secret, otherwise 200.
        """
        shared = self._shared_part(content)
        manifest = secret_manifest(
            namespace, name, shared, uid=uid, resourceVersion=resource_version
        )
        force = "&force=true" if uid else ""
        path = f"{_path(namespace, 'secrets', name)}?{self._managed}{force}"
        answer = await self._send("PATCH", path, manifest, APPLY)
        written = self._parsed("PATCH", path, answer.content)
        created = answer.status == HTTPStatus.CREATED
        given = {"resourceVersion": ""} if self.dry_run else {}  # what is not stored has none

        def convert() -> AppliedSecret:
            stored = {**written, "metadata": {**given, **written["metadata"]}}
            return AppliedSecret(secret_state(stored, decoded={}), created)

        return converted(f"PATCH {path}", convert)

    async def delete_secret(
        self, namespace: str, name: str, uid: str, resource_version: str
    ) -> None:
        """Delete the Secret of this uid and version. The server answers 409 if it has changed."""
        options = deletion(uid, resource_version)
        if self.dry_run:
            options["dryRun"] = ["All"]
        await self._send("DELETE", _path(namespace, "secrets", name), to_json(options))

    async def read_service_account(self, namespace: str, name: str) -> ServiceAccountState:
        """The current state of a service account, after a conflict."""
        path = _path(namespace, "serviceaccounts", name)
        account = await self._ask("GET", path)
        return converted(f"GET {path}", lambda: service_account_state(account))

    async def patch_service_account(self, account: ServiceAccountState) -> ServiceAccountState:
        """Merge patch with resourceVersion. The server answers 409 if the account has changed."""
        path = _path(account.namespace, "serviceaccounts", account.name)
        patch = to_json(pull_secrets_patch(account))
        patched = await self._ask("PATCH", f"{path}?{self._managed}", patch, MERGE_PATCH)
        return converted(f"PATCH {path}", lambda: service_account_state(patched))

    async def is_confined(self, account: ServiceAccountState) -> bool:
        """Whether a policy refuses a write that the rights allow and the function never makes.

        For the operator's commands: it tries to annotate the account, and stores nothing.
        """
        path = f"{_path(account.namespace, 'serviceaccounts', account.name)}?{MANAGED}&dryRun=All"
        patch = {"metadata": {"annotations": {f"{MANAGER}/check": "confined"}}}
        try:
            await self._ask("PATCH", path, to_json(patch), MERGE_PATCH)
        except Denied:
            return True
        return False

    async def service_account_token(
        self, namespace: str, name: str, audience: str, duration: timedelta
    ) -> SecretStr:
        """TokenRequest of authentication.k8s.io/v1."""
        path = f"{_path(namespace, 'serviceaccounts', name)}/token"
        spec = {"audiences": [audience], "expirationSeconds": int(duration.total_seconds())}
        answer = await self._ask("POST", path, to_json({"spec": spec}))
        return converted(f"POST {path}", lambda: SecretStr(text(answer["status"]["token"])))

    async def may(self, **attributes: str) -> bool:
        """SelfSubjectAccessReview of authorization.k8s.io/v1, for the operator's commands.

        The attributes are those of its `resourceAttributes`. A missing attribute means all.
        """
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        review = {"spec": {"resourceAttributes": attributes}}
        answer = await self._ask("POST", path, to_json(review))
        return converted(f"POST {path}", lambda: bool(answer["status"]["allowed"]))

    async def refused_user(self) -> str:
        """Our user name at the API server, if we may not list namespaces; otherwise empty.

        The refusal has it in every version, while SelfSubjectReview exists only since 1.28.
        """
        answer = await self._connection.send("GET", "/api/v1/namespaces?limit=1")
        user = refused_user(answer.content) if answer.status == HTTPStatus.FORBIDDEN else ""
        return "" if self._connection.is_our_token(user) else user

    async def read_config_map(self, namespace: str, name: str) -> Json:
        """A ConfigMap, for the operator's commands. The function needs no right to it."""
        return await self._ask("GET", _path(namespace, "configmaps", name))

    async def close(self) -> None:
        """End all connections."""
        await self._connection.close()

    @property
    def _managed(self) -> str:
        """The query of a write."""
        return f"{MANAGED}&dryRun=All" if self.dry_run else MANAGED

    def _shared_part(self, content: SecretContent) -> bytes:
        """The part of the manifest that namespaces share, serialised once per content."""
        if self._shared is None or self._shared[0] is not content:
            self._shared = (content, shared_part(content))
        return self._shared[1]

    async def _ask(
        self, method: str, path: str, body: bytes | None = None, content_type: str = JSON
    ) -> Json:
        """One request and the JSON object of its answer."""
        answer = await self._send(method, path, body, content_type)
        return self._parsed(method, path, answer.content)

    async def _get(self, path: str) -> tuple[Json, int]:
        answer = await self._send("GET", path)
        return self._parsed("GET", path, answer.content), len(answer.content)

    def _parsed(self, method: str, path: str, content: bytes) -> Json:
        if len(content) > SETTINGS.kube_answer_bytes // 2:  # counting takes as long as parsing
            check_values(content, request_name(method, path))
        try:
            answer: object = from_json(content)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise Unreachable(
                f"{self._connection.server} answers {request_name(method, path)} without a JSON"
                " object. Is it an API server?",
                service="kube",
            )
        return answer

    async def _send(
        self, method: str, path: str, body: bytes | None = None, content_type: str = JSON
    ) -> HttpResponse:
        """One request and its answer. Raises PortError unless it succeeded."""
        request = request_name(method, path)
        try:
            answer = await self._answer(method, path, body, content_type if body else None)
            if answer.status not in OK:
                raise answer_error(method, path, *answer[:3])
        except asyncio.CancelledError:
            self._notes.note_cut_off(request)
            raise
        except PortError as error:
            self._notes.note_error(request, error)
            raise
        self._notes.note_success(request)
        return answer

    async def _answer(
        self, method: str, path: str, body: bytes | None, content_type: str | None
    ) -> HttpResponse:
        """The answer. A request that a server which has just started refuses is sent again."""
        clock = asyncio.get_running_loop().time
        sent = clock()
        self.requests += 1
        answer = await self._connection.send(method, path, body, content_type)
        forbidden = answer.status == HTTPStatus.FORBIDDEN
        if forbidden and refused_by_rbac(read_status(answer.content)):
            wait = self._notes.wait_for_rights(sent, clock())
            if wait > 0:
                await asyncio.sleep(wait)
                self.requests += 1
                answer = await self._connection.send(method, path, body, content_type)
        self.throttled += answer.status == HTTPStatus.TOO_MANY_REQUESTS
        self._notes.note_warnings(answer.warnings)
        return answer


def _path(namespace: str, resource: str, name: str) -> str:
    return f"/api/v1/{_within(namespace)}{resource}/{quote(name, safe='')}"


def _named(name: str) -> Mapping[str, str]:
    return {"fieldSelector": f"metadata.name={name}"}


def _within(namespace: str) -> str:
    """The beginning of a path in a namespace; empty for all namespaces."""
    return f"namespaces/{quote(namespace, safe='')}/" if namespace else ""


def _most_bytes(namespace: str) -> int:
    return SETTINGS.kube_namespace_bytes if namespace else SETTINGS.kube_list_bytes
