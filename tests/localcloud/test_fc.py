"""Function Compute: invoking functions through both APIs, by their unmodified SDKs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_tea_openapi.exceptions import ClientException, ServerException
from fc2 import FcError

from localcloud.cloud import Cloud
from localcloud.demo import FUNCTION_ACCOUNT, FUNCTION_ROLE_ARN, REGION, function_role
from localcloud.faults import ApiError, concurrent_update, resource_throttled
from localcloud.fc.deploy import deployed
from localcloud.fc.deployed import DeployedFunction
from localcloud.fc.description import AsyncConfig, Function
from localcloud.fc.invoke import MOST_BYTES, MOST_BYTES_ASYNC
from localcloud.server import serving
from localcloud.sessions import Session
from localcloud.world import World
from small_functions import HOST, invoke_2, invoke_3, small_function

ARN = f"acs:fc:{REGION}:{FUNCTION_ACCOUNT}:functions/small"
ARN_2 = f"acs:fc:{REGION}:{FUNCTION_ACCOUNT}:services/services/functions/small"
TELL, ECHO = b'{"do": "tell"}', b'{"do": "echo", "text": "hello"}'


@dataclass(frozen=True)
class Scene:
    cloud: Cloud
    url: str
    there: DeployedFunction

    @property
    def caller(self) -> Session:
        return self.cloud.function_credentials(FUNCTION_ROLE_ARN)

    def three(self, payload: bytes, **more: Any) -> Any:
        return invoke_3(self.url, self.caller, payload, **more)

    def two(self, payload: bytes, **more: str) -> Any:
        return invoke_2(self.url, self.caller, payload, **more)


@contextmanager
def scene(function: Function, resource: str = "*") -> Iterator[Scene]:
    grant = {"Effect": "Allow", "Action": "fc:InvokeFunction", "Resource": resource}
    role = replace(function_role(), policies=({"Version": "1", "Statement": [grant]},))
    cloud = Cloud(World(roles=(role,)))
    with serving(cloud) as url, deployed(cloud, function) as there:
        yield Scene(cloud, url, there)


def test_what_the_handler_returns_is_the_answer_of_3(tmp_path: Path) -> None:
    with scene(small_function(tmp_path), ARN) as here:
        answer = here.three(ECHO)
        assert (answer["statusCode"], answer["body"]) == (200, b"hello")
        (call,) = here.cloud.calls("InvokeFunction")
    assert (call.host, call.version, call.status) == (HOST, "2023-03-30", 200)
    assert answer["headers"]["x-fc-request-id"] == call.request_id
    assert "x-fc-error-type" not in answer["headers"]


def test_what_the_handler_returns_is_the_answer_of_2(tmp_path: Path) -> None:
    with scene(small_function(tmp_path, service="services"), ARN_2) as here:
        assert here.two(ECHO).data == b"hello"
        (call,) = here.cloud.calls("InvokeFunction")
    assert (call.version, call.status) == ("2016-08-15", 200)


def test_by_a_qualifier_a_function_of_3_is_two_resources(tmp_path: Path) -> None:
    """The documents do not say which of them counts."""
    function = small_function(tmp_path, qualifiers=("prod",))
    with scene(function, ARN) as here, pytest.raises(ClientException) as refused:
        here.three(ECHO, query={"qualifier": "prod"})
    assert (refused.value.status_code, refused.value.code) == (403, "AccessDenied")
    with scene(function, f"{ARN}*") as here:
        assert here.three(ECHO, query={"qualifier": "prod"})["body"] == b"hello"


def test_neither_api_sees_the_others_functions(tmp_path: Path) -> None:
    of_a_service = small_function(tmp_path, service="services")
    with scene(of_a_service) as here, pytest.raises(ClientException) as refused:
        here.three(ECHO)
    assert (refused.value.status_code, refused.value.code) == (404, "FunctionNotFound")
    with scene(small_function(tmp_path)) as here, pytest.raises(FcError) as refused_2:
        here.two(ECHO)
    assert (refused_2.value.status_code, refused_2.value.err_code) == (404, "FunctionNotFound")


def test_a_function_gets_its_context_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_TEST", "not for the function")
    function = small_function(tmp_path).with_environment(COLOUR="blue")
    with scene(function) as here:
        reply = json.loads(here.three(TELL)["body"])
        context = reply["context"]
        session = here.cloud.sessions[context["credentials"]["access_key_id"]]
        assert session.role.arn == FUNCTION_ROLE_ARN
        assert context["request_id"] == here.cloud.calls("InvokeFunction")[0].request_id
    assert set(context) == {
        "request_id", "credentials", "function", "service", "region", "account_id"
    }  # fmt: skip
    assert context["function"] == {
        "name": "small", "handler": "small.handle", "memory": 128, "timeout": 30,
        "qualifier": "LATEST",
    }  # fmt: skip
    assert (context["service"]["name"], context["account_id"]) == ("", FUNCTION_ACCOUNT)
    assert reply["folder"] == reply["path"] == str(tmp_path)
    assert (reply["env"]["COLOUR"], reply["env"]["FC_REGION"]) == ("blue", REGION)
    assert "OF_THE_TEST" not in reply["env"]
    assert reply["started"] == 1


def test_the_context_of_a_function_of_2_names_its_service(tmp_path: Path) -> None:
    with scene(small_function(tmp_path, service="services")) as here:
        reply = json.loads(here.two(TELL).data)
    assert reply["context"]["service"]["name"] == "services"


CREDENTIALS = {"Env": (False, True), "Request": (True, False), "All": (False, False)}
"""disableInjectCredentials to where the credentials still are: the environment, the context."""


@pytest.mark.parametrize(("setting", "found"), [("", (True, True)), *CREDENTIALS.items()])
def test_credentials_are_not_put_where_they_are_not_wanted(
    tmp_path: Path, setting: str, found: tuple[bool, bool]
) -> None:
    with scene(small_function(tmp_path, no_credentials_in=setting)) as here:
        reply = json.loads(here.three(TELL)["body"])
        in_environment = reply["env"].get("ALIBABA_CLOUD_ACCESS_KEY_ID", "")
        in_context = reply["context"]["credentials"]["access_key_id"]
        sessions = here.cloud.sessions
    assert (in_environment in sessions, in_context in sessions) == found
    assert any(name.startswith("ALIBABA_CLOUD_") for name in reply["env"]) == found[0]


@pytest.mark.parametrize("named", ["", "acr-refresher"])
def test_the_context_of_a_function_of_3_may_name_a_service(tmp_path: Path, named: str) -> None:
    with scene(small_function(tmp_path, context_service=named)) as here:
        reply = json.loads(here.three(TELL)["body"])
    assert reply["context"]["service"]["name"] == named


def test_python_3_12_has_its_credentials_in_the_environment(tmp_path: Path) -> None:
    with scene(small_function(tmp_path, runtime="python3.12")) as here:
        reply = json.loads(here.three(TELL)["body"])
        assert reply["env"]["ALIBABA_CLOUD_ACCESS_KEY_ID"] in here.cloud.sessions
    assert set(reply["context"]) == {"request_id", "function", "region", "account_id"}


def test_an_error_of_the_function_is_an_answer_with_a_header(tmp_path: Path) -> None:
    with scene(small_function(tmp_path)) as here:
        answer = here.three(b'{"do": "raise"}')
    assert answer["statusCode"] == 200
    assert answer["headers"]["x-fc-error-type"] == "HandledInvocationError"
    error = json.loads(answer["body"])
    assert (error["errorMessage"], error["errorType"]) == ("as ordered", "ValueError")
    assert error["stackTrace"][-1][2] == "in handle"


def test_an_error_of_a_function_of_2_is_raised_by_its_sdk(tmp_path: Path) -> None:
    function = small_function(tmp_path, service="services")
    with scene(function) as here, pytest.raises(FcError, match="as ordered") as failed:
        here.two(b'{"do": "raise"}')
    assert failed.value.status_code == 200


def test_a_queued_invocation_is_accepted_and_runs_on_its_own(tmp_path: Path) -> None:
    with scene(small_function(tmp_path)) as here:
        answer = here.three(ECHO, invocation_type="Async", async_task_id="one")
        here.there.wait_until_idle()
    assert (answer["statusCode"], answer["body"]) == (202, b"")
    (task,) = here.there.tasks
    assert (task.id, task.state, task.attempts) == ("one", "Succeeded", 1)
    assert task.result is not None
    assert task.result.body == b"hello"


OF_THE_PLATFORM = {
    "changed at the moment": (concurrent_update(), (409, "ConcurrentUpdateError")),
    "no instance": (resource_throttled(), (503, "ResourceThrottled")),
}


@pytest.mark.parametrize(("fault", "answer"), OF_THE_PLATFORM.values(), ids=OF_THE_PLATFORM)
def test_the_platform_may_refuse_in_either_version(
    tmp_path: Path, fault: ApiError, answer: tuple[int, str]
) -> None:
    with scene(small_function(tmp_path)) as here:
        here.cloud.faults.inject("InvokeFunction", fault)
        with pytest.raises((ClientException, ServerException)) as refused:
            here.three(ECHO, invocation_type="Async", async_task_id="one")
        assert (refused.value.status_code, refused.value.code) == answer
        assert here.there.tasks == []
    with scene(small_function(tmp_path, service="services")) as here:
        here.cloud.faults.inject("InvokeFunction", fault, times=None)  # its SDK repeats requests
        with pytest.raises(FcError) as refused_2:
            here.two(ECHO, invocation_type="Async")
    assert (refused_2.value.status_code, refused_2.value.err_code) == answer


def test_a_task_id_is_accepted_only_once_in_3(tmp_path: Path) -> None:
    queued = {"invocation_type": "Async", "async_task_id": "one"}
    with scene(small_function(tmp_path)) as here:
        here.three(ECHO, **queued)
        here.there.wait_until_idle()
        with pytest.raises(ClientException) as refused:
            here.three(ECHO, **queued)
    assert refused.value.status_code == 409
    assert refused.value.code == "StatefulAsyncInvocationAlreadyExists"
    assert len(here.there.events) == 1


def test_a_task_id_is_accepted_only_once_in_2(tmp_path: Path) -> None:
    queued = {"invocation_type": "Async", "stateful_async_invocation_id": "one"}
    with scene(small_function(tmp_path, service="services")) as here:
        here.two(ECHO, **queued)
        here.there.wait_until_idle()
        with pytest.raises(FcError) as refused:
            here.two(ECHO, **queued)
    assert refused.value.status_code == 409
    assert [task.id for task in here.there.tasks] == ["one"]


def test_task_ids_need_async_task(tmp_path: Path) -> None:
    function = small_function(tmp_path, asynchronous=AsyncConfig())
    with scene(function) as here, pytest.raises(ClientException, match="asyncTask"):
        here.three(ECHO, invocation_type="Async", async_task_id="one")


REFUSALS: dict[str, tuple[bytes, dict[str, Any], tuple[int, str]]] = {
    "no such function": (ECHO, {"name": "other"}, (404, "FunctionNotFound")),
    "no such version": (ECHO, {"query": {"qualifier": "7"}}, (404, "AliasNotFound")),
    "another account's": (
        ECHO,
        {"host": HOST.replace(FUNCTION_ACCOUNT, "1000000000000009")},
        (403, "AccessDenied"),
    ),
    "a task ID with blanks": (
        ECHO,
        {"invocation_type": "Async", "async_task_id": "no task"},
        (400, "InvalidArgument"),
    ),
    "too much to queue": (
        b" " * (MOST_BYTES_ASYNC + 1),
        {"invocation_type": "Async"},
        (413, "EntityTooLarge"),
    ),
    "too much": (b" " * (MOST_BYTES + 1), {}, (413, "EntityTooLarge")),
}


@pytest.mark.parametrize(("payload", "more", "expected"), REFUSALS.values(), ids=REFUSALS)
def test_refusals(
    tmp_path: Path, payload: bytes, more: dict[str, Any], expected: tuple[int, str]
) -> None:
    with scene(small_function(tmp_path)) as here, pytest.raises(ClientException) as refused:
        here.three(payload, **more)
    assert (refused.value.status_code, refused.value.code) == expected
    assert here.there.events == []


def test_the_largest_payload_is_accepted(tmp_path: Path) -> None:
    with scene(small_function(tmp_path)) as here:
        wide = ECHO + b" " * (MOST_BYTES - len(ECHO))
        assert here.three(wide)["headers"].get("x-fc-error-type", "") in {
            "",
            "UnhandledInvocationError",  # its instance has 128 MB
        }
        limit = ECHO + b" " * (MOST_BYTES_ASYNC - len(ECHO))
        assert here.three(limit, invocation_type="Async")["statusCode"] == 202


OTHERS = {
    "3.0, another function": ("", f"{ARN}-2"),
    "3.0, a function of a service": ("", ARN_2),
    "2.0, a function without a service": ("services", ARN),
    "2.0, another service": ("services", ARN_2.replace("services/services", "services/other")),
}


@pytest.mark.parametrize(("service", "resource"), OTHERS.values(), ids=OTHERS)
def test_a_caller_needs_permission_to_invoke_this_function(
    tmp_path: Path, service: str, resource: str
) -> None:
    denied = pytest.raises((ClientException, FcError), match="fc:InvokeFunction")
    with scene(small_function(tmp_path, service=service), resource) as here, denied as refused:
        here.two(ECHO) if service else here.three(ECHO)
    assert getattr(refused.value, "status_code", None) == 403
    assert here.there.events == []


def test_a_permission_covers_the_qualifier_in_2(tmp_path: Path) -> None:
    resource = ARN_2.replace("services/services", "services/services.LATEST")
    with scene(small_function(tmp_path, service="services"), resource) as here:
        assert here.two(ECHO, service="services.LATEST").data == b"hello"
        with pytest.raises(FcError, match="fc:InvokeFunction"):
            here.two(ECHO)


def test_signatures_are_verified(tmp_path: Path) -> None:
    with scene(small_function(tmp_path)) as here:
        forged = replace(here.caller, access_key_secret="forged")
        with pytest.raises(ClientException) as refused:
            invoke_3(here.url, forged, ECHO)
    assert refused.value.code == "SignatureDoesNotMatch"


FORGED: dict[str, tuple[dict[str, str], str]] = {
    "a wrong secret": ({"access_key_secret": "forged"}, "SignatureNotMatch"),
    "another token": ({"security_token": "another's"}, "InvalidSecurityToken"),
    "an unknown key": ({"access_key_id": "STS.unknown"}, "InvalidAccessKeyID"),
}


@pytest.mark.parametrize(("changes", "code"), FORGED.values(), ids=FORGED)
def test_signatures_of_2_are_verified(tmp_path: Path, changes: dict[str, str], code: str) -> None:
    function = small_function(tmp_path, service="services")
    with scene(function) as here, pytest.raises(FcError) as refused:
        invoke_2(here.url, replace(here.caller, **changes), ECHO)  # type: ignore[arg-type]  # texts all
    assert (refused.value.status_code, refused.value.err_code) == (403, code)


def test_faults_can_be_ordered(tmp_path: Path) -> None:
    with scene(small_function(tmp_path)) as here:
        here.cloud.faults.inject("InvokeFunction", ApiError(429, "ResourceThrottled"))
        with pytest.raises(ClientException) as refused:
            here.three(ECHO)
        assert here.three(ECHO)["body"] == b"hello"
    assert refused.value.status_code == 429
