"""Whatever an API server or a registry's login service answers, it has a meaning."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from acr_refresher.cloud.client import CloudTransport
from acr_refresher.cloud.registry import RegistryClient
from acr_refresher.core.model import ServiceAccountState
from acr_refresher.core.secret import build_secret
from acr_refresher.errors import Denied, PortError, Unreachable
from acr_refresher.kube.api import KubernetesApi
from acr_refresher.kube.errors import answer_error
from acr_refresher.run.ports import RegistryToken
from adapters.kubeapi import ask, tls_server
from adapters.loopback import http, over_tls, tcp_server
from factories import NOW, credential
from fuzzing import SPECIAL_TEXTS, altered, assert_linear, fuzzed, garbled, texts, values
from localkube.pki import Authority

Ask = Callable[[KubernetesApi], Awaitable[object]]
PASSWORD = "the-word-of-it"


@dataclass
class Answering:
    """Answers every request with the response of the moment."""

    response: bytes = b""

    def __call__(self, connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(self.response)


METADATA = {"namespace": "shop", "name": "acr-pull", "uid": "1", "resourceVersion": "1"}
SECRET = {
    "metadata": {**METADATA, "labels": {"a": "b"}, "annotations": {"a": "b"}},
    "type": "kubernetes.io/dockerconfigjson",
    "data": {".dockerconfigjson": "e30="},
}
BOUND = {"metadata": METADATA, "imagePullSecrets": [{"name": "acr-pull"}]}
ACCOUNT = ServiceAccountState("shop", "default", "1")
CONTENT = build_secret((credential(),), NOW, "run-1")


def listed(kind: str, *items: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "apiVersion": "v1", "metadata": {"continue": ""}, "items": list(items)}


NAMESPACES, SECRETS, ACCOUNTS = "NamespaceList", "SecretList", "ServiceAccountList"
SHOP = {"metadata": {"name": "shop", "labels": {"a": "b"}, "annotations": {"a": "b"}}}
CASES: Mapping[str, tuple[Ask, Any]] = {
    "namespaces": (lambda api: api.list_namespaces(), listed(NAMESPACES, SHOP)),
    "secrets": (lambda api: api.list_secrets("acr-pull"), listed(SECRETS, SECRET)),
    "accounts": (lambda api: api.list_service_accounts(), listed(ACCOUNTS, BOUND)),
    "account": (lambda api: api.read_service_account("shop", "default"), BOUND),
    "patched account": (lambda api: api.patch_service_account(ACCOUNT), BOUND),
    "applied secret": (lambda api: api.apply_secret("shop", "acr-pull", CONTENT, None), SECRET),
    "token": (
        lambda api: api.service_account_token("shop", "default", "sts", timedelta(minutes=10)),
        {"status": {"token": "t"}},
    ),
    "review": (lambda api: api.may(verb="get"), {"status": {"allowed": True}}),
}
REFUSAL = {
    "kind": "Status",
    "status": "Failure",
    "message": 'secrets is forbidden: User "u" cannot list resource "secrets" in API group "" in'
    ' the namespace "shop"',
    "reason": "Forbidden",
    "code": 403,
    "details": {
        "name": "acr-pull",
        "kind": "secrets",
        "causes": [{"reason": "r", "message": 'conflict with "kubectl"', "field": ".data"}],
        "retryAfterSeconds": 1,
    },
}


@contextmanager
def api_server() -> Iterator[tuple[Answering, str]]:
    answering = Answering()
    with tls_server(answering) as server:
        yield answering, server.kubeconfig()


def outcome(kubeconfig: str, use: Ask) -> object:
    """The result, or the error of ours, which is short. Any other is raised."""
    try:
        return ask(kubeconfig, use)
    except PortError as error:
        refused = error
    assert len(str(refused)) < 5000
    return refused


@pytest.mark.parametrize("case", CASES)
def test_what_is_altered_here_is_sound(case: str) -> None:
    use, sound = CASES[case]
    with api_server() as (answering, kubeconfig):
        answering.response = http("200 OK", json.dumps(sound).encode())
        assert not isinstance(outcome(kubeconfig, use), PortError)


@pytest.mark.parametrize("continued", ["same", ["a"], 5, "\u00f6\n", "x" * 100_000])
def test_a_list_without_end_has_a_meaning(continued: object) -> None:
    use, sound = CASES["secrets"]
    with api_server() as (answering, kubeconfig):
        page = {**sound, "metadata": {"continue": continued}}
        answering.response = http("200 OK", json.dumps(page).encode())
        assert isinstance(outcome(kubeconfig, use), PortError)


@pytest.mark.parametrize("case", CASES)
def test_an_altered_answer_has_a_meaning(case: str) -> None:
    use, sound = CASES[case]
    with api_server() as (answering, kubeconfig):

        @fuzzed(30)
        @given(altered(sound))
        def attempt(answer: object) -> None:
            answering.response = http("200 OK", json.dumps(answer).encode())
            outcome(kubeconfig, use)

        attempt()


@pytest.mark.parametrize("case", CASES)
def test_a_garbled_answer_has_a_meaning(case: str) -> None:
    use, sound = CASES[case]
    with api_server() as (answering, kubeconfig):

        @fuzzed(20)
        @given(garbled(json.dumps(sound)))
        def attempt(answer: str) -> None:
            answering.response = http("200 OK", answer.encode("utf-8", "surrogatepass"))
            outcome(kubeconfig, use)

        attempt()


def test_a_garbled_response_has_a_meaning() -> None:
    """Headers, status line and framing that are not HTTP's."""
    use, sound = CASES["namespaces"]
    body = json.dumps(sound).encode()
    whole = http("200 OK", body, "Content-Type: application/json", "Warning: 299 - word")
    with api_server() as (answering, kubeconfig):

        @fuzzed(60)
        @given(garbled(whole.decode()))
        def attempt(response: str) -> None:
            answering.response = response.encode("utf-8", "surrogatepass")
            outcome(kubeconfig, use)

        attempt()


# ---- refusals ------------------------------------------------------------------------------------

STATUSES = (400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 503, 504, 100, 302, 299, 999)
METHODS = ("GET", "PATCH", "POST", "DELETE")
PATHS = (
    "/api/v1/namespaces",
    "/api/v1/namespaces/shop/secrets/acr-pull",
    "/api/v1/namespaces/shop/serviceaccounts/default/token",
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
)


def refused(status: int, content: bytes, **headers: str) -> None:
    for method in METHODS:
        for path in PATHS:
            error = answer_error(method, path, status, headers, content)
            assert isinstance(error, PortError)
            assert len(str(error)) < 5000


@fuzzed(200)
@given(st.sampled_from(STATUSES), altered(REFUSAL) | values, texts)
def test_an_altered_refusal_has_a_meaning(status: int, answer: object, header: str) -> None:
    refused(status, json.dumps(answer).encode(), **{"Retry-After": header, "Audit-Id": header})


@fuzzed(100)
@given(st.sampled_from(STATUSES), garbled(json.dumps(REFUSAL)))
def test_a_garbled_refusal_has_a_meaning(status: int, answer: str) -> None:
    refused(status, answer.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("part", [*SPECIAL_TEXTS[:20], 'User "', "exceeded quota: ", "denied the "])
def test_a_long_message_takes_no_steps_by_its_length(part: str) -> None:
    def read(size: int) -> None:
        content = json.dumps({**REFUSAL, "message": part * size}).encode()
        refused(403, content)

    assert_linear(read, 500)


# ---- registries and their login services ---------------------------------------------------------

TOKEN = RegistryToken("cr_temp_user", SecretStr(PASSWORD), datetime.now(timezone.utc), "REQ")
CHALLENGE = 'Bearer realm="https://localhost:{port}/auth",service="cri-1"'
LOGIN = {"token": "t", "access_token": "t", "expires_in": 300}


@dataclass
class Registry:
    """A registry whose challenge, login service and list of tags answer what they are given."""

    challenge: str = CHALLENGE
    login: bytes = b""
    tags: bytes = b""
    port: int = 0

    def __call__(self, connection: socket.socket) -> None:
        request = connection.recv(65536)
        if request.startswith(b"GET /auth"):
            connection.sendall(self.login)
        elif b"/tags/" in request:
            connection.sendall(self.tags)
        else:
            header = f"WWW-Authenticate: {self.challenge.replace('{port}', str(self.port))}"
            answer = http("401 Unauthorized", b"", "X: 1")
            connection.sendall(answer.replace(b"X: 1", header.encode("utf-8", "surrogatepass")))

    def visited(self) -> str:
        """What a login ends with: nothing, or the message of an error that is ours."""
        client = RegistryClient(CloudTransport())
        message = ""
        try:
            asyncio.run(client.check_login(f"localhost:{self.port}", TOKEN, "shop/web"))
        except (Unreachable, Denied) as error:
            message = str(error)
        assert PASSWORD not in message
        assert len(message) < 5000
        return message


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Registry]:
    authority = Authority()
    roots = tmp_path / "roots.pem"
    roots.write_text(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))
    for variable in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.server_certificate().load_into(context)
    served = Registry(login=http("200 OK", json.dumps(LOGIN).encode()), tags=http("200 OK", b"{}"))
    with tcp_server(over_tls(context, served)) as served.port:
        yield served


def test_the_registry_accepts_what_is_sound(registry: Registry) -> None:
    assert registry.visited() == ""


def test_any_challenge_is_unreachable_or_denied(registry: Registry) -> None:
    @fuzzed(40)
    @given(garbled(CHALLENGE))
    def attempt(challenge: str) -> None:
        registry.challenge = challenge
        registry.visited()

    attempt()


def test_any_answer_to_a_login_is_unreachable_or_denied(registry: Registry) -> None:
    @fuzzed(60)
    @given(altered(LOGIN) | values, st.sampled_from(["200 OK", "401 No", "403 No", "500 No"]))
    def attempt(answer: object, status: str) -> None:
        registry.login = http(status, json.dumps(answer).encode())
        registry.visited()

    attempt()


def test_any_response_to_a_login_is_unreachable_or_denied(registry: Registry) -> None:
    sound = registry.login.decode()

    @fuzzed(60)
    @given(garbled(sound))
    def attempt(response: str) -> None:
        registry.login = registry.tags = response.encode("utf-8", "surrogatepass")
        registry.visited()

    attempt()


# ---- steps ---------------------------------------------------------------------------------------


ANSWERS: Mapping[str, tuple[str, Callable[[int], Any]]] = {
    "namespaces": ("namespaces", lambda size: listed(NAMESPACES, *[SHOP] * size)),
    "secrets": ("secrets", lambda size: listed(SECRETS, *[SECRET] * size)),
    "accounts": ("accounts", lambda size: listed(ACCOUNTS, *[BOUND] * size)),
    "references of an account": (
        "account",
        lambda size: {"metadata": METADATA, "imagePullSecrets": [{"name": "a"}] * size},
    ),
    "labels": (
        "namespaces",
        lambda size: listed(
            NAMESPACES, {"metadata": {"name": "a", "labels": {f"l{at}": "" for at in range(size)}}}
        ),
    ),
}


@pytest.mark.parametrize("family", ANSWERS)
def test_an_answer_takes_steps_by_its_size(family: str) -> None:
    case, answer = ANSWERS[family]
    use, _ = CASES[case]
    with api_server() as (answering, kubeconfig):

        def read(size: int) -> None:
            answering.response = http("200 OK", json.dumps(answer(size)).encode())
            outcome(kubeconfig, use)

        assert_linear(read, 1000)
