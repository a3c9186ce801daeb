"""What the adapter remembers of a visit: warnings, the last error, and what was cut off."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import pytest
from pydantic import SecretStr

from acr_refresher.core.model import SecretContent
from acr_refresher.errors import Denied, PortError
from acr_refresher.kube.api import KubernetesApi
from acr_refresher.kube.notes import MORE_WARNINGS, RequestNotes, warning_texts
from acr_refresher.run.concurrency import in_own_thread
from acr_refresher.settings import SETTINGS
from adapters.kubeapi import ask, tls_server
from adapters.loopback import http

T = TypeVar("T")

NAMESPACES = b'{"kind": "NamespaceList", "items": []}'
ACCOUNTS = b'{"kind": "ServiceAccountList", "items": []}'
REFUSAL = 'namespaces is forbidden: User "a" cannot list resource "namespaces" in API group ""'
REFUSED = http("403 Forbidden", json.dumps({"message": REFUSAL}).encode())
CONTENT = SecretContent({}, SecretStr("{}"), ())


class InTurn:
    """Gives each answer to one request; the last one also to all further requests."""

    def __init__(self, answers: Sequence[bytes]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, connection: socket.socket) -> None:
        connection.recv(65536)
        self.asked += 1
        connection.sendall(self.answers.pop(0) if self.answers[1:] else self.answers[0])


def visit(answers: Sequence[bytes], use: Callable[[KubernetesApi], Awaitable[T]]) -> tuple[T, int]:
    """What `use` gets from a server that gives these answers, and the requests it needed."""
    serve = InTurn(answers)
    with tls_server(serve) as server:
        return ask(server.kubeconfig(), use), serve.asked


# ---- a server that has just started --------------------------------------------------------------


async def listed(api: KubernetesApi) -> tuple[int, int]:
    await api.list_namespaces()
    await api.list_service_accounts()
    return api.requests, api.throttled


def test_a_refusal_by_a_server_that_has_just_started_is_not_believed_at_once() -> None:
    answers = [REFUSED, http("200 OK", NAMESPACES), http("200 OK", ACCOUNTS)]
    (requests, _), asked = visit(answers, listed)
    assert requests == asked == 3


def test_a_visit_waits_once_and_then_names_the_missing_rule() -> None:
    async def refused(api: KubernetesApi) -> tuple[str, int]:
        errors = []
        for _ in range(3):
            with pytest.raises(Denied) as raised:
                await api.list_namespaces()
            errors.append(str(raised.value))
        (error,) = set(errors)
        return error, api.requests

    (error, requests), asked = visit([REFUSED], refused)
    assert 'resources: ["namespaces"], verbs: ["list"]' in error
    assert requests == asked == 4


def test_requests_that_are_refused_at_the_same_time_wait_together() -> None:
    notes = RequestNotes()
    wait = SETTINGS.kube_rights_wait.total_seconds()
    assert notes.wait_for_rights(sent=10.0, now=10.1) == pytest.approx(wait)
    assert notes.wait_for_rights(sent=10.0, now=10.2) == pytest.approx(wait - 0.1)
    assert notes.wait_for_rights(sent=10.1 + wait, now=11) == 0


def test_a_refusal_by_admission_is_believed_at_once() -> None:
    message = 'secrets "a" is forbidden: admission webhook "x.y" denied the request: no'
    denied = http("403 Forbidden", json.dumps({"message": message}).encode())

    async def refused(api: KubernetesApi) -> None:
        with pytest.raises(Denied):
            await api.list_namespaces()

    assert visit([denied], refused) == (None, 1)


# ---- warnings ------------------------------------------------------------------------------------


def warned(body: bytes, *headers: str) -> bytes:
    return http("200 OK", body, *(f"Warning: {header}" for header in headers))


def test_each_warning_is_noted_once() -> None:
    async def warnings(api: KubernetesApi) -> tuple[str, ...]:
        await api.list_namespaces()
        await api.list_service_accounts()
        return api.warnings

    answers = [
        warned(NAMESPACES, '299 - "unknown field \\"spec.x\\""', '299 - "policy a"'),
        warned(
            ACCOUNTS,
            '299 - "policy a"',
            '199 - "other"',
            '299 v1 "b" "Wed, 21 Oct 2015 07:28:00 GMT"',
        ),
    ]
    found, _ = visit(answers, warnings)
    assert found == (
        'the API server warns: unknown field "spec.x"',
        "the API server warns: policy a",
        "the API server warns: b",
    )


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ('299 - "a\u202eb\tc"', "a b c"),
        ('299 - "use token=hunter2-hunter2"', "use token=**********"),
        ('299 - "' + "x" * 1000 + '"', "x" * SETTINGS.quoted_text),
        ('299 - "one", 299 - "two"', "one"),
    ],
)
def test_a_warning_is_printable_masked_and_bounded(header: str, text: str) -> None:
    assert warning_texts([header])[0] == f"the API server warns: {text}"


@pytest.mark.parametrize("header", ["", "299", '299 - "open', "x" * 100_000, '299 - "' * 50_000])
def test_a_header_that_is_no_warning_is_none(header: str) -> None:
    assert not [text for text in warning_texts([header]) if "open" in text or "x" in text]


def test_the_number_of_warnings_is_bounded() -> None:
    notes = RequestNotes()
    for number in range(1000):
        notes.note_warnings([f'299 - "text {number}"'])
    assert len(notes.warnings) == SETTINGS.kube_warnings + 1
    assert notes.warnings[-1] == MORE_WARNINGS


# ---- what is lost in an outer time-out -----------------------------------------------------------


def test_the_last_error_is_kept_until_its_request_succeeds() -> None:
    async def errors(api: KubernetesApi) -> list[str]:
        found = []
        for _ in range(2):
            with pytest.raises(PortError):
                await api.list_namespaces()
            found.append(api.last_error)
        await api.list_service_accounts()
        found.append(api.last_error)
        await api.list_namespaces()
        return [*found, api.last_error]

    answers = [http("503 X"), http("500 X"), http("200 OK", ACCOUNTS), http("200 OK", NAMESPACES)]
    (first, second, other, after), _ = visit(answers, errors)
    assert first.startswith("GET /api/v1/namespaces: ")
    assert "(503)" in first
    assert "(500)" in second
    assert (other, after) == (second, "")


def test_a_request_that_is_cut_off_is_named() -> None:
    arrived = threading.Event()

    def silent(connection: socket.socket) -> None:
        connection.recv(65536)
        arrived.set()
        connection.recv(1)  # until the client ends the connection

    async def cut(api: KubernetesApi) -> str:
        apply = asyncio.ensure_future(api.apply_secret("shop", "acr-pull", CONTENT, None))
        await in_own_thread(arrived.wait)
        apply.cancel()
        with pytest.raises(asyncio.CancelledError):
            await apply
        return api.cut_off

    with tls_server(silent) as server:
        name = ask(server.kubeconfig(), cut)
    assert name == "PATCH /api/v1/namespaces/shop/secrets/acr-pull"
