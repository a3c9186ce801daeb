"""Invoking functions of Function Compute 3.0 and 2.0 through the adapter, in the local cloud."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from acr_refresher.cloud.client import CloudClient, CloudTransport
from acr_refresher.cloud.fc import FunctionClient, InvokeRequest
from acr_refresher.core.model import Function
from acr_refresher.errors import FunctionFailed, Unreachable
from acr_refresher.run.ports import CloudCredentials
from adapters.cloudapi import assert_no_secret
from adapters.functionapi import (
    BOTH,
    CODE,
    ECHO,
    EVERY_WAY,
    NAMES,
    THREE,
    TWO,
    scene,
)
from adapters.loopback import http, tcp_server
from localcloud.demo import FUNCTION_ACCOUNT, REGION
from localcloud.faults import ApiError

pytestmark = pytest.mark.usefixtures("silenced")


@pytest.mark.parametrize("function", EVERY_WAY, ids=NAMES)
def test_an_invocation_gives_what_the_function_returns(tmp_path: Path, function: Function) -> None:
    with scene(tmp_path, function) as here:
        assert here.invoke(function) == b"hello"
    assert here.there.events == [ECHO]


@pytest.mark.parametrize("function", EVERY_WAY, ids=NAMES)
def test_a_task_is_started_once_for_all(tmp_path: Path, function: Function) -> None:
    with scene(tmp_path, function) as here:
        assert here.start(function, "run-1_shard-0")
        assert not here.start(function, "run-1_shard-0", b'{"do": "raise"}')
        here.there.wait_until_idle()
        assert not here.start(function, "run-1_shard-0")
        assert here.start(function, "run-1_shard-1")
        here.there.wait_until_idle()
        states = [(task.id, task.state) for task in here.there.tasks]
    assert states == [("run-1_shard-0", "Succeeded"), ("run-1_shard-1", "Succeeded")]


@BOTH
def test_a_function_that_raises_is_told_in_its_own_words(
    tmp_path: Path, function: Function
) -> None:
    with scene(tmp_path, function) as here, pytest.raises(FunctionFailed) as failed:
        here.invoke(function, b'{"do": "raise"}')
    assert str(failed.value).endswith("small failed: ValueError: as ordered")
    assert failed.value.service == "fc"
    assert failed.value.request_id == here.cloud.calls("InvokeFunction")[0].request_id
    assert_no_secret(failed.value, here.caller)


@BOTH
def test_a_function_that_is_ended_says_why(tmp_path: Path, function: Function) -> None:
    with scene(tmp_path, function) as here, pytest.raises(FunctionFailed) as failed:
        here.invoke(function, b'{"do": "exit"}')
    assert "Process exited unexpectedly" in str(failed.value)


@BOTH
def test_secrets_in_an_error_of_the_function_are_not_repeated(
    tmp_path: Path, function: Function
) -> None:
    with scene(tmp_path, function) as here:
        secret = here.caller.access_key_secret.get_secret_value()
        event = json.dumps({"do": "raise", "text": f"key is {secret}"}).encode()
        with pytest.raises(FunctionFailed, match="key is") as failed:
            here.invoke(function, event)
    assert_no_secret(failed.value, here.caller)


@BOTH
def test_without_a_stand_in_requests_go_to_the_accounts_host_over_https(
    function: Function, caller: CloudCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy, which sees the host of an encrypted request and no more, and then leads nowhere."""
    asked: list[bytes] = []

    def refuse(connection: Any) -> None:
        asked.append(connection.recv(65536).split()[1])
        connection.sendall(http("502 Bad Gateway"))

    with tcp_server(refuse) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        cloud_client = CloudClient(CloudTransport(), threads=1)
        with pytest.raises(Unreachable):
            asyncio.run(FunctionClient(cloud_client, caller).invoke(function, ECHO))
        cloud_client.close()
    host = f"{FUNCTION_ACCOUNT}.{REGION}.fc.aliyuncs.com"
    assert asked == [f"{host}:443".encode()]


def test_answers_are_waited_for_as_long_as_functions_run() -> None:
    assert InvokeRequest(THREE, ECHO).read_timeout.total_seconds() == 3600
    assert InvokeRequest(THREE, ECHO, "task").read_timeout.total_seconds() == 8


LOADED = """
import sys
import acr_refresher.cloud.fc
assert not {"fc2", "websocket", "alibabacloud_tea_openapi"} & set(sys.modules)
"""


def test_no_sdk_is_loaded_before_it_is_needed() -> None:
    command = [sys.executable, "-c", LOADED]
    subprocess.run(command, check=True, env={"PYTHONPATH": str(CODE)})  # noqa: S603  # our own code


def test_refused_requests_are_not_logged(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK for 2.0 writes the headers of a refused request to the root logger."""
    with scene(tmp_path, TWO) as here:
        here.cloud.faults.inject("InvokeFunction", ApiError(500, "InternalServerError"))
        for event in (ECHO, b'{"do": "raise"}'):
            with pytest.raises((Unreachable, FunctionFailed)):
                here.invoke(TWO, event)
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
