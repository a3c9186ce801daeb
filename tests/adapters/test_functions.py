"""Invoking functions of Function Compute 3.0 and 2.0 through the adapter, in the local cloud."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from acr_refresher import logs
from acr_refresher.adapters.cloud import CloudSdk, CloudTransport
from acr_refresher.adapters.functions import FunctionClient, Invocation
from acr_refresher.core.model import Function
from acr_refresher.errors import (
    Denied,
    FunctionFailed,
    Gone,
    Invalid,
    PortError,
    Throttled,
    Unreachable,
)
from acr_refresher.ports import CloudCredentials
from adapters.cloudapi import assert_no_secret
from adapters.loopback import answering, free_port, http, tcp_server
from localcloud.cloud import Cloud
from localcloud.demo import FUNCTION_ACCOUNT, FUNCTION_ROLE_ARN, REGION, function_role
from localcloud.faults import ApiError, BadGateway, ConnectionReset, Fault
from localcloud.fc.deploy import deployed
from localcloud.fc.deployed import DeployedFunction
from localcloud.ram_files import load_policy
from localcloud.server import serving
from localcloud.world import World
from small_functions import small_function

THREE = Function("small", REGION, FUNCTION_ACCOUNT)
TWO = replace(THREE, service="services")
LATEST = replace(TWO, qualifier="LATEST")
BOTH = pytest.mark.parametrize("function", [THREE, TWO], ids=["3.0", "2.0"])
EVERY_WAY = [THREE, replace(THREE, qualifier="LATEST"), TWO, LATEST]
NAMES = ["3.0", "3.0 by qualifier", "2.0", "2.0 by qualifier"]
CODE = Path(__file__).parents[2] / "function"
ECHO = b'{"do": "echo", "text": "hello"}'


@dataclass(frozen=True)
class Scene:
    cloud: Cloud
    there: DeployedFunction
    client: FunctionClient
    caller: CloudCredentials

    def invoke(self, function: Function, payload: bytes = ECHO) -> bytes:
        return asyncio.run(self.client.invoke(function, payload))

    def start(self, function: Function, task_id: str, payload: bytes = ECHO) -> bool:
        return asyncio.run(self.client.start(function, payload, task_id))


@contextmanager
def scene(folder: Path, function: Function, resource: str = "") -> Iterator[Scene]:
    """A small function, and a caller who may what infra/ram/fan-out.policy.json says, or less."""
    names = {"service": "services", "function": "small"}
    policy = load_policy("fan-out.policy", region=REGION, account=FUNCTION_ACCOUNT, **names)
    if resource:
        policy["Statement"][0]["Resource"] = resource
    cloud = Cloud(World(roles=(replace(function_role(), policies=(policy,)),)))
    with serving(cloud) as url, deployed(
        cloud, small_function(folder, service=function.service)
    ) as there:  # fmt: skip
        sdk = CloudSdk(CloudTransport(url), threads=2)
        caller = caller_of(cloud)
        yield Scene(cloud, there, FunctionClient(sdk, caller), caller)
        sdk.close()


def caller_of(cloud: Cloud) -> CloudCredentials:
    session = cloud.function_credentials(FUNCTION_ROLE_ARN)
    secret, token = SecretStr(session.access_key_secret), SecretStr(session.security_token)
    return CloudCredentials(session.access_key_id, secret, token)


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    logs.configure()
    yield
    logging.disable(logging.NOTSET)


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
        told = [(task.id, task.state) for task in here.there.tasks]
    assert told == [("run-1_shard-0", "Succeeded"), ("run-1_shard-1", "Succeeded")]


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


RESOURCES = {
    "3.0": (THREE, "functions/small"),
    "2.0": (TWO, "services/services/functions/small"),
    "2.0 by qualifier": (LATEST, "services/services.LATEST/functions/small"),
}


@pytest.mark.parametrize(("function", "resource"), RESOURCES.values(), ids=RESOURCES)
def test_a_denial_names_the_right_and_the_resource(
    tmp_path: Path, function: Function, resource: str
) -> None:
    with scene(tmp_path, function, "acs:fc:*:*:functions/other") as here:
        with pytest.raises(Denied) as denied:
            here.invoke(function)
        with pytest.raises(Denied):
            here.start(function, "task")
    arn = f"acs:fc:{REGION}:{FUNCTION_ACCOUNT}:{resource}"
    assert f"allow fc:InvokeFunction on {arn} in a policy of the caller" in str(denied.value)
    assert here.there.events == []
    with scene(tmp_path, function, arn) as here:
        assert here.invoke(function) == b"hello"


REFUSED: dict[str, tuple[Fault, type[PortError], str]] = {
    "no such function": (ApiError(404, "FunctionNotFound"), Gone, "is not there"),
    "too many instances": (ApiError(429, "ResourceExhausted"), Throttled, "too many requests"),
    "too large": (ApiError(413, "EntityTooLarge", "exceeds the limit"), Invalid, "the limit"),
    "broken": (ApiError(500, "InternalServerError", "try again"), Unreachable, "try again"),
    "not JSON": (BadGateway(), Unreachable, "not one of the API's"),
    "reset": (ConnectionReset(), Unreachable, "connection"),
}


@BOTH
@pytest.mark.parametrize(("fault", "meaning", "words"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_has_a_meaning(
    tmp_path: Path, function: Function, fault: Fault, meaning: type[PortError], words: str
) -> None:
    with scene(tmp_path, function) as here:
        here.cloud.faults.inject("InvokeFunction", fault)
        with pytest.raises(meaning, match="fc:InvokeFunction for function") as refused:
            here.invoke(function)
    assert type(refused.value) is meaning
    assert words in str(refused.value)
    assert_no_secret(refused.value, here.caller)
    assert len(here.cloud.calls("InvokeFunction")) == 1  # sent once: retries are others' affair
    if isinstance(fault, ApiError):
        (call,) = here.cloud.calls("InvokeFunction")
        assert (refused.value.code, refused.value.request_id) == (fault.code, call.request_id)


@BOTH
def test_a_payload_beyond_the_queues_limit_is_invalid(tmp_path: Path, function: Function) -> None:
    with scene(tmp_path, function) as here, pytest.raises(Invalid, match="exceeds the limit"):
        here.start(function, "task", b" " * (128 * 1024 + 1))


@BOTH
@pytest.mark.parametrize(
    "change",
    [
        {"access_key_secret": SecretStr("x" * 40)},
        {"security_token": SecretStr("x" * 40)},
        {"access_key_id": "STS.unknown0000000"},
    ],
    ids=lambda change: str(*change),
)
def test_wrong_credentials_are_not_taken_for_a_missing_permission(
    tmp_path: Path, function: Function, change: Any
) -> None:
    with scene(tmp_path, function) as here:
        client = FunctionClient(here.client._sdk, replace(here.caller, **change))
        with pytest.raises(Denied) as denied:
            asyncio.run(client.invoke(function, ECHO))
    assert "allow fc:InvokeFunction" not in str(denied.value)
    assert_no_secret(denied.value, here.caller)


def invoke_at(url: str, function: Function, caller: CloudCredentials) -> bytes:
    sdk = CloudSdk(CloudTransport(url), threads=1)
    try:
        return asyncio.run(FunctionClient(sdk, caller).invoke(function, ECHO))
    finally:
        sdk.close()


@BOTH
def test_nobody_listening_is_unreachable(function: Function, caller: CloudCredentials) -> None:
    with pytest.raises(Unreachable):
        invoke_at(f"http://127.0.0.1:{free_port()}", function, caller)


ANSWERS: dict[str, tuple[bytes, type[PortError], str]] = {
    "a refusal that is no object": (http("403 Forbidden", b"[]"), Unreachable, "not one of"),
    "a refusal that is no JSON": (http("403 Forbidden", b"no"), Unreachable, "not one of"),
    "a failure that is no JSON": (
        http("200 OK", b"oh no", "X-Fc-Error-Type: UnhandledInvocationError"),
        FunctionFailed,
        "UnhandledInvocationError",
    ),
    "a failure without words": (
        http("200 OK", b"{}", "X-Fc-Error-Type: UnhandledInvocationError"),
        FunctionFailed,
        "it did not say why",
    ),
}


@BOTH
@pytest.mark.parametrize(("answer", "meaning", "words"), ANSWERS.values(), ids=ANSWERS)
def test_strange_answers_have_a_meaning(
    function: Function,
    caller: CloudCredentials,
    answer: bytes,
    meaning: type[PortError],
    words: str,
) -> None:
    with tcp_server(answering(answer)) as port, pytest.raises(meaning) as told:
        invoke_at(f"http://127.0.0.1:{port}", function, caller)
    assert words in str(told.value)
    assert_no_secret(told.value, caller)


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
        sdk = CloudSdk(CloudTransport(), threads=1)
        with pytest.raises(Unreachable):
            asyncio.run(FunctionClient(sdk, caller).invoke(function, ECHO))
        sdk.close()
    host = f"{FUNCTION_ACCOUNT}.{REGION}.fc.aliyuncs.com"
    assert asked == [f"{host}:443".encode()]


def test_answers_are_waited_for_as_long_as_functions_run() -> None:
    assert Invocation(THREE, ECHO).read_timeout.total_seconds() == 3600
    assert Invocation(THREE, ECHO, "task").read_timeout.total_seconds() == 8


LOADED = """
import sys
import acr_refresher.adapters.functions
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
