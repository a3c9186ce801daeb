"""The handle of a local cluster, the same for a real API server and for the double.

It speaks plain HTTP as an administrator, so that tests and the demo set up and look at a cluster
without the code they check.
"""

import base64
import datetime as dt
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import urllib3
import yaml

from localkube.pki import YEAR, Authority
from localkube.rbac import SECRET_NAMES, USER, manifests, rrsa_manifests
from localkube.wire import APPLY_PATCH, JSON, Json

REQUEST_TIMEOUT_SECONDS = 30
RIGHTS_TIMEOUT_SECONDS = 10
FORBIDDEN = 403
ANONYMOUS = ""  # a user without any credentials


class UnexpectedAnswerError(Exception):
    """The API server refused what the set-up of a cluster takes for granted."""


@dataclass(frozen=True)
class Answer:
    """What an API server answered."""

    status: int
    body: Json
    headers: Mapping[str, str]

    @property
    def reason(self) -> str:
        """The machine-readable reason of a Status, such as ``Conflict``."""
        return str(self.body.get("reason", ""))

    @property
    def message(self) -> str:
        """The human-readable message of a Status."""
        return str(self.body.get("message", ""))


@dataclass(frozen=True)
class Bearer:
    """A token to make a request with, instead of a certificate."""

    token: str


@dataclass(frozen=True)
class Access:
    """How to reach the clusters of one authority: users' tokens and kept connections."""

    authority: Authority = field(default_factory=Authority)
    tokens: Mapping[str, str] = field(default_factory=dict)  # by user
    _pools: dict[str | None, urllib3.PoolManager] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def pool(self, user: str | None = None) -> urllib3.PoolManager:
        """The connections of a user; of an administrator where none is given."""
        with self._lock:
            if user not in self._pools:
                self._pools[user] = self._new_pool(user)
            return self._pools[user]

    def _new_pool(self, user: str | None) -> urllib3.PoolManager:
        context = ssl.create_default_context(cadata=self.authority.pem)
        if user is None:
            self.authority.client_certificate("admin", ["system:masters"]).load_into(context)
        elif user != ANONYMOUS:
            self.authority.client_certificate(user).load_into(context)
        return urllib3.PoolManager(
            num_pools=64,
            maxsize=16,
            ssl_context=context,
            retries=False,
            timeout=REQUEST_TIMEOUT_SECONDS,
        )

    def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            pool.clear()
        self._pools.clear()


@dataclass(frozen=True)
class KubeCluster:
    """One cluster: where it is, how to speak to it, and kubeconfigs for others to do so."""

    name: str
    url: str
    access: Access

    @property
    def ca_pem(self) -> str:
        """The certificate authority of the API server."""
        return self.access.authority.pem

    def request(
        self,
        method: str,
        path: str,
        body: Json | str | bytes | None = None,
        *,
        query: Mapping[str, str | int] | None = None,
        content_type: str = JSON,
        as_user: str | Bearer | None = None,
    ) -> Answer:
        """One request, as the administrator unless another user is given.

        Args:
            method: the HTTP method.
            path: under the cluster's URL; may hold a query.
            body: a JSON object, or anything else as it is to be sent.
            query: parameters to append to the path.
            content_type: of the body.
            as_user: a user's name, for which a client certificate is made; or a token.
        """
        headers = {"Accept": JSON, "Content-Type": content_type}
        if isinstance(as_user, Bearer):
            headers["Authorization"] = f"Bearer {as_user.token}"
            as_user = ANONYMOUS
        url = f"{self.url}{path}?{urlencode(query)}" if query else self.url + path
        content = json.dumps(body) if isinstance(body, dict) else body
        response = self.access.pool(as_user).request(method, url, body=content, headers=headers)
        is_json = response.headers.get("Content-Type", "").startswith(JSON)
        answered = response.json() if is_json else {"message": response.data.decode()}
        return Answer(response.status, answered, response.headers)

    def expect(self, method: str, path: str, body: Json | None = None, **options: Any) -> Json:
        """A request as the administrator that must succeed.

        Raises:
            UnexpectedAnswerError: it did not.
        """
        return _succeeded(f"{method} {path}", self.request(method, path, body, **options))

    # -- kubeconfigs

    def kubeconfig(
        self, user: str = USER, groups: Sequence[str] = (), validity: dt.timedelta = YEAR
    ) -> str:
        """A kubeconfig with a client certificate of the user embedded; negative: expired."""
        pair = self.access.authority.client_certificate(user, groups, validity)
        return self._kubeconfig(
            user,
            {
                "client-certificate-data": _base64(pair.certificate),
                "client-key-data": _base64(pair.key),
            },
        )

    def token_kubeconfig(self, user: str = USER) -> str:
        """A kubeconfig with the bearer token of one of the users declared at start."""
        return self._kubeconfig(user, {"token": self.access.tokens[user]})

    def _kubeconfig(self, user: str, credentials: Json) -> str:
        server = {"server": self.url, "certificate-authority-data": _base64(self.ca_pem)}
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": self.name, "cluster": server}],
                "users": [{"name": user, "user": credentials}],
                "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": user}}],
                "current-context": self.name,
            }
        )

    # -- setting up

    def create_namespace(self, name: str, labels: Mapping[str, str] | None = None) -> Json:
        """Create a namespace."""
        metadata = {"name": name, "labels": dict(labels or {})}
        return self.expect("POST", "/api/v1/namespaces", {"metadata": metadata})

    def create_service_account(
        self, namespace: str, name: str, image_pull_secrets: Sequence[str] = ()
    ) -> Json:
        """Create a service account that refers to pull secrets."""
        return self.expect(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts",
            {
                "metadata": {"name": name},
                "imagePullSecrets": [{"name": secret} for secret in image_pull_secrets],
            },
        )

    def create_secret(self, namespace: str, name: str, **fields: Any) -> Json:
        """Create a Secret with any of its fields (type, data, stringData, immutable...)."""
        secret = {"metadata": {"name": name}, **fields}
        return self.expect("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)

    def apply_rbac(self, subject: str = USER, secret_names: Sequence[str] = SECRET_NAMES) -> None:
        """Give a user the rights of infra/rbac, for pull secrets of these names."""
        self.grant(subject, manifests(subject, secret_names))

    def grant(self, subject: str, roles_and_bindings: Sequence[Json]) -> None:
        """Apply RBAC objects and wait until the server acts upon them (it caches them).

        Raises:
            UnexpectedAnswerError: the user may not list namespaces or service accounts even then.
        """
        self._apply_and_wait(subject, roles_and_bindings, self._has_any_right)

    def grant_rrsa(
        self,
        subject: str = USER,
        account: str = "aliyun-acr-credential-helper",
        namespace: str = "kube-system",
    ) -> None:
        """Give a user the right of infra/rbac that RRSA needs, on this service account.

        Raises:
            UnexpectedAnswerError: the user may not ask for its tokens even then.
        """
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"

        def allowed(user: str) -> bool:
            return self.request("POST", path, {"spec": {}}, as_user=user).status != FORBIDDEN

        self._apply_and_wait(subject, rrsa_manifests(subject, account, namespace), allowed)

    def _apply_and_wait(
        self, subject: str, roles_and_bindings: Sequence[Json], effective: Callable[[str], bool]
    ) -> None:
        for manifest in roles_and_bindings:
            metadata = manifest["metadata"]
            scope = f"namespaces/{metadata['namespace']}/" if "namespace" in metadata else ""
            plural = f"{manifest['kind'].lower()}s"
            self.expect(
                "PATCH",
                f"/apis/rbac.authorization.k8s.io/v1/{scope}{plural}/{metadata['name']}",
                manifest,
                query={"fieldManager": "localkube", "force": "true"},
                content_type=APPLY_PATCH,
            )
        deadline = time.monotonic() + RIGHTS_TIMEOUT_SECONDS
        while not effective(subject):
            if time.monotonic() > deadline:
                raise UnexpectedAnswerError(f"the rights of {subject} have no effect")
            time.sleep(0.02)

    def _has_any_right(self, subject: str) -> bool:
        paths = ("/api/v1/namespaces?limit=1", "/api/v1/serviceaccounts?limit=1")
        return any(self.request("GET", path, as_user=subject).status == 200 for path in paths)

    # -- looking

    def get(self, path: str) -> Json | None:
        """The object at a path, or None where there is none."""
        answer = self.request("GET", path)
        return None if answer.status == 404 else _succeeded(f"GET {path}", answer)

    def get_secret(self, namespace: str, name: str) -> Json | None:
        """A Secret, or None."""
        return self.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")

    def get_service_account(self, namespace: str, name: str) -> Json | None:
        """A service account, or None."""
        return self.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}")

    def list_items(self, resource: str, namespace: str | None = None) -> list[Json]:
        """All objects of a core resource such as ``secrets``, of one namespace or of all."""
        scope = f"/namespaces/{namespace}" if namespace else ""
        items: list[Json] = self.expect("GET", f"/api/v1{scope}/{resource}")["items"]
        return items


def _succeeded(request: str, answer: Answer) -> Json:
    if answer.status >= 300:
        raise UnexpectedAnswerError(f"{request}: {answer.status} {answer.message}")
    return answer.body


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
