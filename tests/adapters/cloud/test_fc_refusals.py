"""What Function Compute refuses, and strange answers, have a meaning and no secret in them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from acr_refresher.cloud.client import CloudClient, CloudTransport
from acr_refresher.cloud.fc import FunctionClient
from acr_refresher.core.model import Function
from acr_refresher.errors import (
    Conflict,
    Denied,
    FunctionFailed,
    Gone,
    Invalid,
    PortError,
    Throttled,
    Unreachable,
)
from acr_refresher.run.ports import CloudCredentials
from adapters.cloudapi import assert_no_secret
from adapters.functionapi import (
    BOTH,
    ECHO,
    LATEST,
    THREE,
    TWO,
    scene,
)
from adapters.loopback import answering, free_port, http, tcp_server
from localcloud.demo import FUNCTION_ACCOUNT, REGION
from localcloud.faults import ApiError, BadGateway, ConnectionReset, Fault

pytestmark = pytest.mark.usefixtures("silenced")

RESOURCES = {
    "3.0": (THREE, ["functions/small"]),
    "3.0 by qualifier": (
        replace(THREE, qualifier="LATEST"),
        ["functions/small", "functions/small/LATEST"],
    ),
    "2.0": (TWO, ["services/services/functions/small"]),
    "2.0 by qualifier": (LATEST, ["services/services.LATEST/functions/small"]),
}


@pytest.mark.parametrize(("function", "resources"), RESOURCES.values(), ids=RESOURCES)
def test_a_denial_names_the_right_and_the_resource(
    tmp_path: Path, function: Function, resources: list[str]
) -> None:
    with scene(tmp_path, function, "acs:fc:*:*:functions/other") as here:
        with pytest.raises(Denied) as denied:
            here.invoke(function)
        with pytest.raises(Denied):
            here.start(function, "task")
    arns = [f"acs:fc:{REGION}:{FUNCTION_ACCOUNT}:{resource}" for resource in resources]
    words = f"Allow fc:InvokeFunction on {' and '.join(arns)} in a policy of the caller"
    assert words in str(denied.value)
    assert here.there.events == []
    with scene(tmp_path, function, arns) as here:
        assert here.invoke(function) == b"hello"


REFUSED: dict[str, tuple[Fault, type[PortError], str]] = {
    "no such function": (ApiError(404, "FunctionNotFound"), Gone, "does not exist"),
    "too many instances": (ApiError(429, "ResourceExhausted"), Throttled, "too many requests"),
    "too much at once": (ApiError(503, "ResourceThrottled"), Throttled, "too many requests"),
    "a change meanwhile": (
        ApiError(409, "ConcurrentUpdateError"),
        Conflict,
        "it is being changed at the same time",
    ),
    "too large": (ApiError(413, "EntityTooLarge", "exceeds the limit"), Invalid, "the limit"),
    "broken": (ApiError(500, "InternalServerError", "try again"), Unreachable, "try again"),
    "not JSON": (BadGateway(), Unreachable, "not the API's"),
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
@pytest.mark.parametrize("code", ["ConcurrentUpdateError", "", "Conflict"])
def test_a_task_is_only_known_if_the_code_says_so(
    tmp_path: Path, function: Function, code: str
) -> None:
    with scene(tmp_path, function) as here:
        here.cloud.faults.inject("InvokeFunction", ApiError(409, code))
        with pytest.raises(Conflict, match="nothing was done"):
            here.start(function, "task")
        here.cloud.faults.inject("InvokeFunction", ApiError(409, "AsyncTaskAlreadyExists"))
        assert not here.start(function, "task")
        assert here.start(function, "task")  # nothing was started before
        here.there.wait_until_idle()
    assert here.there.events == [ECHO]


@BOTH
def test_a_function_is_started_by_the_api_that_knows_it(tmp_path: Path, function: Function) -> None:
    """No document says that the context of a function of 3.0 names no service."""
    named = (resource for _, resources in RESOURCES.values() for resource in resources)
    arns = [f"acs:fc:*:*:{resource}" for resource in named]
    with scene(tmp_path, function, arns) as here:
        assert here.start(TWO, "task")
        assert not here.start(TWO, "task")
        here.there.wait_until_idle()
    assert here.there.events == [ECHO]


def test_the_api_that_is_not_allowed_is_not_used(tmp_path: Path) -> None:
    """The policy of a function of 3.0 does not allow services."""
    with scene(tmp_path, THREE, "acs:fc:*:*:functions/small") as here:
        assert here.start(TWO, "task")
        here.there.wait_until_idle()
        with pytest.raises(Denied):
            here.invoke(TWO)  # an operator named the service
    assert here.there.events == [ECHO]


def test_if_neither_api_starts_a_function_the_first_refusal_is_reported(tmp_path: Path) -> None:
    named = pytest.raises(Denied, match=r"services/services/functions/small in a policy")
    with scene(tmp_path, THREE, "acs:fc:*:*:functions/other") as here, named:
        here.start(TWO, "task")
    anything = scene(tmp_path, TWO, "acs:fc:*:*:*")
    with anything as here, pytest.raises(Gone, match="function services/other"):
        here.start(replace(TWO, name="other"), "task")


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
        client = FunctionClient(here.client._cloud, replace(here.caller, **change))
        with pytest.raises(Denied) as denied:
            asyncio.run(client.invoke(function, ECHO))
    assert "Allow fc:InvokeFunction" not in str(denied.value)
    assert_no_secret(denied.value, here.caller)


def invoke_at(url: str, function: Function, caller: CloudCredentials) -> bytes:
    cloud_client = CloudClient(CloudTransport(url), threads=1)
    try:
        return asyncio.run(FunctionClient(cloud_client, caller).invoke(function, ECHO))
    finally:
        cloud_client.close()


@BOTH
def test_nobody_listening_is_unreachable(function: Function, caller: CloudCredentials) -> None:
    with pytest.raises(Unreachable):
        invoke_at(f"http://127.0.0.1:{free_port()}", function, caller)


ANSWERS: dict[str, tuple[bytes, type[PortError], str]] = {
    "a refusal that is no object": (http("403 Forbidden", b"[]"), Unreachable, "not the API's"),
    "a refusal that is no JSON": (http("403 Forbidden", b"no"), Unreachable, "not the API's"),
    "a failure that is no JSON": (
        http("200 OK", b"oh no", "X-Fc-Error-Type: UnhandledInvocationError"),
        FunctionFailed,
        "UnhandledInvocationError",
    ),
    "a failure without words": (
        http("200 OK", b"{}", "X-Fc-Error-Type: UnhandledInvocationError"),
        FunctionFailed,
        "it gave no reason",
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
    with tcp_server(answering(answer)) as port, pytest.raises(meaning) as raised:
        invoke_at(f"http://127.0.0.1:{port}", function, caller)
    assert words in str(raised.value)
    assert_no_secret(raised.value, caller)
