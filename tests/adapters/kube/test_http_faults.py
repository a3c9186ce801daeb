"""What an API server does wrong, and what answers in its place."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from acr_refresher.core.model import ServiceAccountState
from acr_refresher.errors import Denied, Gone, Invalid, PortError, Throttled, Unreachable
from acr_refresher.kube import http as kube_http
from acr_refresher.kube import lists as kube_lists
from acr_refresher.kube.api import KubernetesApi
from acr_refresher.settings import SETTINGS
from adapters.kubeapi import ask, namespaces, tls_server
from adapters.loopback import answering, http
from localkube.double import DoubleCluster, Fault

OBJECT = b'{"metadata": {"namespace": "shop", "name": "default", "resourceVersion": "1"}}'


# ---- faults of the API server --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "meaning", "words"),
    [
        (Fault(status=429, retry_after=7), Throttled, "too many requests (429)"),
        (Fault(status=500), Unreachable, "the API server, or a proxy in front of it, failed"),
        (Fault(status=503), Unreachable, "the API server, or a proxy in front of it, failed"),
        (Fault(status=400), Invalid, "the API server rejects the request as malformed (400)"),
        (Fault(status=403), Denied, "forbidden, but not by RBAC"),
    ],
    ids=lambda value: str(getattr(value, "status", "")),
)
def test_a_fault_has_a_meaning_and_is_not_retried_here(
    double: DoubleCluster, fault: Fault, meaning: type[PortError], words: str
) -> None:
    double.faults.add(fault)
    before = len(double.journal)

    with pytest.raises(meaning) as raised:
        namespaces(double.kubeconfig())

    assert str(raised.value).startswith("GET /api/v1/namespaces: ")
    assert words in str(raised.value)
    assert raised.value.service == "kube"
    assert raised.value.retryable is (meaning in {Throttled, Unreachable})
    assert raised.value.retry_after == (timedelta(seconds=7) if fault.retry_after else None)
    assert len(double.journal) == before + 1


def test_requests_that_were_too_many_are_counted(double: DoubleCluster) -> None:
    double.faults.add(Fault(status=429))
    double.faults.add(Fault(status=503))

    async def counted(api: KubernetesApi) -> tuple[int, int]:
        for _ in range(2):
            with pytest.raises((Throttled, Unreachable)):
                await api.list_namespaces()
        await api.list_namespaces()
        return api.requests, api.throttled

    assert ask(double.kubeconfig(), counted) == (3, 1)


@pytest.mark.parametrize("fault", [Fault(reset=True), Fault(lost_answer=True)])
def test_a_write_is_never_sent_again_by_itself(double: DoubleCluster, fault: Fault) -> None:
    double.faults.add(fault)
    before = len(double.journal)
    account = ServiceAccountState("default", "default", "1")

    with pytest.raises(
        Unreachable, match=r"the connection to API server \S+ broke during"
    ) as raised:
        ask(double.kubeconfig(), lambda api: api.patch_service_account(account))

    assert raised.value.retryable
    assert len(double.journal) == before + 1


def test_a_read_survives_one_broken_connection_and_not_two(double: DoubleCluster) -> None:
    """As HTTP has it (RFC 9110, 9.2.2), the client repeats an idempotent request once."""
    double.faults.add(Fault(reset=True))
    assert namespaces(double.kubeconfig())

    double.faults.add(Fault(reset=True, times=2))
    with pytest.raises(Unreachable, match=r"the connection to API server \S+ broke during"):
        namespaces(double.kubeconfig())


def test_a_request_cut_off_leaves_no_connection_behind() -> None:
    """Even where the server does not say goodbye; what its loop has to close is an error here."""
    done = threading.Event()

    def silent(connection: socket.socket) -> None:
        connection.recv(65536)
        done.wait(10)

    async def given_up(api: KubernetesApi) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(api.list_namespaces(), timeout=0.2)

    with tls_server(silent) as server:
        ask(server.kubeconfig(), given_up)
        done.set()


def test_no_answer_in_time_is_unreachable(
    double: DoubleCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        kube_http, "SETTINGS", replace(SETTINGS, kube_request_timeout=timedelta(seconds=0.1))
    )
    double.faults.add(Fault(stall=60))

    with pytest.raises(Unreachable, match="gave no answer to GET /api/v1/namespaces in time"):
        namespaces(double.kubeconfig())


def test_a_list_that_outlasts_its_snapshot_is_begun_again_once(
    double: DoubleCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_lists, "SETTINGS", replace(SETTINGS, kube_page_size=2))
    double.faults.add(Fault(path_contains="continue=", status=410))

    async def listed(api: KubernetesApi) -> tuple[int, int]:
        return len(await api.list_namespaces()), api.requests

    assert ask(double.kubeconfig(), listed) == (4, 4)


def test_a_list_whose_snapshots_always_expire_is_read_without_pages(
    double: DoubleCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_lists, "SETTINGS", replace(SETTINGS, kube_page_size=2))
    double.faults.add(Fault(path_contains="continue=", status=410, times=None))

    async def listed(api: KubernetesApi) -> tuple[int, int]:
        return len(await api.list_namespaces()), api.requests

    assert ask(double.kubeconfig(), listed) == (4, 5)

    double.faults.add(Fault(path_contains="namespaces", status=410, times=None))
    with pytest.raises(Gone, match="has expired") as raised:
        namespaces(double.kubeconfig())
    assert raised.value.code == "410"


def test_a_list_that_is_not_there_is_not_asked_for_twice(double: DoubleCluster) -> None:
    double.faults.add(Fault(status=404, times=None))

    async def listed(api: KubernetesApi) -> int:
        with pytest.raises(Gone):
            await api.list_namespaces()
        return api.requests

    assert ask(double.kubeconfig(), listed) == 1


# ---- what is no API server -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "meaning", "words"),
    [
        (http("200 OK", b"<html>"), Unreachable, "Is it an API server?"),
        (http("200 OK", b"[1]"), Unreachable, "Is it an API server?"),
        (http("200 OK", b"[" * 100_000), Unreachable, "Is it an API server?"),
        (http("200 OK", b"{}"), Unreachable, "the answer is no NamespaceList"),
        (
            http("200 OK", b'{"kind": "SecretList", "items": null}'),
            Unreachable,
            "the answer is no NamespaceList",
        ),
        (
            http("200 OK", b'{"kind": "Status", "status": "Success"}'),
            Unreachable,
            "the answer is no NamespaceList",
        ),
        (
            http("200 OK", b'{"kind": "NamespaceList"}'),
            Invalid,
            "the answer is incomplete or malformed",
        ),
        (
            http("200 OK", b'{"kind": "NamespaceList", "items": 5}'),
            Invalid,
            "the answer is incomplete or malformed",
        ),
        (
            http("200 OK", b'{"kind": "NamespaceList", "items": ["a"]}'),
            Invalid,
            "the answer is incomplete or malformed",
        ),
        (
            http("200 OK", b'{"kind": "NamespaceList", "items": [{"metadata": {}}]}'),
            Invalid,
            "the answer is incomplete or malformed",
        ),
        (http("502 Bad Gateway", b"<html>"), Unreachable, "a proxy in front of it, failed"),
        (http("401 Unauthorized", b"[]", "Audit-Id: 4711"), Denied, "have expired"),
        (
            http("200 OK", b'{"kind": "NamespaceList", "items": [], "metadata": 5}'),
            Invalid,
            "the answer is incomplete or malformed",
        ),
        (http("403 Forbidden", b'{"details": 5}'), Denied, "forbidden, but not by RBAC"),
        (http("429 Slow down", b"", "Retry-After: later"), Throttled, "too many"),
        (http("429 Slow down", b"", "Retry-After: 99999999999999"), Throttled, "too many"),
        (
            http("302 Found", b"", "Location: http://127.0.0.1:1/"),
            Unreachable,
            "redirects GET /api/v1/namespaces, which is not followed",
        ),
        (b"SSH-2.0-OpenSSH\r\n\r\n", Unreachable, "broke during GET /api/v1/namespaces"),
        (b"", Unreachable, "broke during GET /api/v1/namespaces"),
    ],
)
def test_an_answer_of_something_else(response: bytes, meaning: type[PortError], words: str) -> None:
    with tls_server(answering(response)) as server, pytest.raises(meaning) as raised:
        namespaces(server.kubeconfig())

    assert words in str(raised.value)
    assert raised.value.request_id == ("4711" if b"Audit-Id" in response else "")
    assert raised.value.retryable is (
        meaning in {Throttled, Unreachable} and "redirects" not in words
    )


def test_an_empty_list_may_be_null() -> None:
    with tls_server(
        answering(http("200 OK", b'{"kind": "NamespaceList", "items": null}'))
    ) as server:
        assert namespaces(server.kubeconfig()) == ()


def test_a_service_account_may_have_no_references() -> None:
    with tls_server(answering(http("200 OK", OBJECT))) as server:
        account = ask(server.kubeconfig(), lambda api: api.read_service_account("shop", "default"))

    assert account.image_pull_secrets == ()


def test_a_namespace_asks_for_registries_by_its_annotations() -> None:
    asked = {
        "k8s.aliyun.com/acr-instance-ids": "cri-a, cn-beijing:cri-b",
        "k8s.aliyun.com/acr-user-arns": "acs:ram::1:role/admin",
    }
    body = json.dumps(
        {
            "kind": "NamespaceList",
            "items": [
                {"metadata": {"name": "shop", "annotations": asked}},
                {"metadata": {"name": "web"}},
            ],
        }
    )
    with tls_server(answering(http("200 OK", body.encode()))) as server:
        shop, web = namespaces(server.kubeconfig())

    assert (shop.requested, shop.names_roles) == (("cri-a", "cn-beijing:cri-b"), True)
    assert (web.requested, web.names_roles) == ((), False)


@pytest.mark.parametrize("data", [None, {}, {".dockerconfigjson": "abcde"}])
def test_a_secret_without_a_readable_document_has_an_empty_one(data: object) -> None:
    metadata: dict[str, object] = {
        "namespace": "shop",
        "name": "acr-pull",
        "uid": "1",
        "resourceVersion": "1",
    }
    metadata["labels"] = {"app.kubernetes.io/managed-by": "acr-refresher"}
    body = json.dumps(
        {"kind": "SecretList", "items": [{"metadata": metadata, "data": data}]}
    ).encode()
    with tls_server(answering(http("200 OK", body))) as server:
        [found] = ask(server.kubeconfig(), lambda api: api.list_secrets("acr-pull"))

    assert found.dockerconfigjson.get_secret_value() == ""
    assert found.type == ""


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            'admission webhook "policy.example.com" denied the request: the-secret',
            (
                "denied by admission webhook policy.example.com. Change the policy so that it"
                " allows this request. (403)"
            ),
        ),
        (
            'secrets "acr-pull" is forbidden: exceeded quota: small, requested: secrets=1',
            "denied by quota small. Raise the quota. (403)",
        ),
        ("the-secret", "forbidden, but not by RBAC. Look for an admission policy. (403)"),
        ("because it is being terminated", "the namespace is being deleted (403)"),
    ],
)
def test_who_else_forbids_is_named_without_their_words(message: str, words: str) -> None:
    body = json.dumps({"message": message, "details": {"causes": []}}).encode()
    with (
        tls_server(answering(http("403 Forbidden", body))) as server,
        pytest.raises((Denied, Gone)) as raised,
    ):
        namespaces(server.kubeconfig())

    assert str(raised.value).endswith(words)
    assert "the-secret" not in repr(raised.value)
