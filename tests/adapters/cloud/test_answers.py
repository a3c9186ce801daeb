"""What a service of the cloud answers is limited in bytes and in time, with every SDK."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from acr_refresher.cloud import client, fc
from acr_refresher.cloud.answers import AnswerLimits
from acr_refresher.cloud.client import CloudClient, CloudTransport
from acr_refresher.cloud.cs import CsClient
from acr_refresher.cloud.fc import FunctionClient
from acr_refresher.cloud.sls import SlsLog
from acr_refresher.core.model import Logstore
from acr_refresher.errors import Invalid, Unreachable
from acr_refresher.run.ports import CloudCredentials
from acr_refresher.settings import SETTINGS
from adapters.cloudapi import ASK, assert_no_secret
from adapters.functionapi import ECHO, THREE, TWO
from adapters.loopback import Serve, answering, http, tcp_server
from localcloud.demo import REGION

pytestmark = pytest.mark.usefixtures("silenced")

SDKS: dict[str, Any] = {
    "RPC": ASK["AssumeRole"],
    "ROA": ASK["DescribeClusterUserKubeconfig"],
    "SLS": lambda cloud, caller: SlsLog(cloud, caller, Logstore("p", "outcomes"), REGION).write(
        [{"kind": "run"}], datetime.now(timezone.utc)
    ),
    "FC 3.0": lambda cloud, caller: FunctionClient(cloud, caller).start(THREE, ECHO, "task"),
    "FC 2.0": lambda cloud, caller: FunctionClient(cloud, caller).start(TWO, ECHO, "task"),
}
EVERY_SDK = pytest.mark.parametrize("sdk", SDKS)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def cloud_of(serve: Serve, threads: int = 1) -> Iterator[CloudClient]:
    with tcp_server(serve) as port:
        cloud_client = CloudClient(CloudTransport(f"http://127.0.0.1:{port}"), threads=threads)
        yield cloud_client
        cloud_client.close()


def ask(sdk: str, caller: CloudCredentials, serve: Serve) -> object:
    with cloud_of(serve) as cloud_client:
        return asyncio.run(SDKS[sdk](cloud_client, caller))


def endless(beginning: bytes, more: bytes) -> Serve:
    """The beginning, and then more until the client has enough."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(beginning)
        while True:
            connection.sendall(more)

    return serve


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SETTINGS", replace(SETTINGS, cloud_answer_bytes=200_000))


@pytest.mark.usefixtures("small")
@EVERY_SDK
@pytest.mark.parametrize(
    ("beginning", "more"),
    [
        (HEAD + b"Connection: close\r\n\r\n", b"x" * 65_536),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n"),
        (HEAD + b"Content-Length: 100000000000\r\n\r\n", b"x" * 65_536),
    ],
    ids=["until it closes", "chunks", "with a length"],
)
def test_an_endless_answer_ends(
    sdk: str, caller: CloudCredentials, beginning: bytes, more: bytes
) -> None:
    with pytest.raises(Invalid, match="the answer is too large: more than 200000 bytes") as refused:
        ask(sdk, caller, endless(beginning, more))
    assert_no_secret(refused.value, caller)
    assert not refused.value.retryable


@EVERY_SDK
def test_a_compressed_answer_is_not_unfolded(sdk: str, caller: CloudCredentials) -> None:
    bomb = http("200 OK", gzip.compress(b" " * 50_000_000), "Content-Encoding: gzip")
    with pytest.raises(Invalid, match="the answer is too large: compressed"):
        ask(sdk, caller, answering(bomb))


@EVERY_SDK
def test_answers_are_asked_for_uncompressed(sdk: str, caller: CloudCredentials) -> None:
    asked: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        asked.append(connection.recv(65536).lower())
        connection.sendall(http("500 Internal Server Error", b"{}"))

    with pytest.raises(Unreachable):
        ask(sdk, caller, serve)
    assert b"accept-encoding: identity\r\n" in asked[0]
    assert b"gzip" not in asked[0]


DRIPS = {
    "an answer": (b"", 0.05),
    "headers": (HEAD, 0.05),
    "a body": (HEAD + b"Content-Length: 1000000\r\n\r\n", 0.05),
    "a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffff\r\n", 0.05),
}


@EVERY_SDK
@pytest.mark.parametrize(("beginning", "pause"), DRIPS.values(), ids=DRIPS)
def test_a_drip_ends_in_time_and_frees_its_thread(
    sdk: str,
    caller: CloudCredentials,
    monkeypatch: pytest.MonkeyPatch,
    beginning: bytes,
    pause: float,
) -> None:
    """The client has one thread, which the second call needs."""
    brief = replace(SETTINGS, cloud_answer_timeout=timedelta(seconds=0.4))
    monkeypatch.setattr(client, "SETTINGS", brief)
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(beginning)
        while not ended.wait(pause):
            connection.sendall(b"x")

    with cloud_of(drip) as cloud_client:
        for _ in range(2):
            with pytest.raises(Unreachable, match="did not end its answer in time"):
                asyncio.run(SDKS[sdk](cloud_client, caller))
        ended.set()


def drained(response: bytes) -> Serve:
    """The response; what else the client sends is read, so that nothing resets the connection."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(response)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    return serve


def test_what_a_function_returns_may_be_larger(
    caller: CloudCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reports of many clusters are; but they have a limit too."""
    returned = b"x" * (SETTINGS.cloud_answer_bytes + 1)
    large = http("200 OK", returned)
    for function in (THREE, TWO):
        with cloud_of(drained(large)) as cloud_client:
            functions = FunctionClient(cloud_client, caller)
            assert asyncio.run(functions.invoke(function, ECHO)) == returned
    monkeypatch.setattr(fc, "_INVOKE_LIMITS", AnswerLimits(1000, timedelta(hours=1)))
    with cloud_of(drained(large)) as cloud_client, pytest.raises(Invalid, match="too large"):
        asyncio.run(FunctionClient(cloud_client, caller).invoke(THREE, ECHO))


CLUSTER = b'{"name": "a", "cluster_id": "c1"}'


@pytest.mark.parametrize("total", [b"50001", b"9" * 300])
def test_a_list_with_endless_pages_is_refused(caller: CloudCredentials, total: bytes) -> None:
    page = b'{"clusters": [%s], "page_info": {"total_count": %s}}'
    answer = http("200 OK", page % (b",".join([CLUSTER] * 100), total))
    with cloud_of(answering(answer)) as cloud_client, pytest.raises(Invalid, match="at most 500"):
        asyncio.run(CsClient(cloud_client).clusters(caller, REGION, 1))


@pytest.mark.parametrize(("total", "pages"), [(b"0", 1), (b"-5", 1), (b"50000", 500), (b"101", 2)])
def test_the_pages_of_a_list(caller: CloudCredentials, total: bytes, pages: int) -> None:
    page = b'{"clusters": [%s], "page_info": {"total_count": %s}}'
    answer = http("200 OK", page % (b",".join([CLUSTER] * 100), total))
    with cloud_of(answering(answer)) as cloud_client:
        assert asyncio.run(CsClient(cloud_client).clusters(caller, REGION, 1)).pages == pages
