"""Answers of an odd shape: each is Unreachable or Invalid, never an unexpected exception."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from acr_refresher.cloud.client import CloudClient, CloudTransport
from acr_refresher.cloud.cr import CrClient
from acr_refresher.cloud.errors import CloudCall, Refusal, port_error, refused
from acr_refresher.cloud.fc import FunctionClient
from acr_refresher.cloud.sls import SlsLog
from acr_refresher.cloud.sts import StsClient
from acr_refresher.core.model import Logstore, Registry
from acr_refresher.errors import FunctionFailed, Invalid, PortError, Throttled, Unreachable
from acr_refresher.run.ports import CloudCredentials
from adapters.cloudapi import ASK
from adapters.functionapi import ECHO, THREE, TWO
from adapters.loopback import answering, http, tcp_server
from localcloud.demo import REGION

Ask = Callable[[CloudClient, CloudCredentials], Awaitable[object]]

NOT_AN_OBJECT = [b"", b"null", b"5", b"[1]", b'"x"', b"<html>", b"[" * 100_000, b"\xff"]
JSON = "Content-Type: application/json"

EVERY: dict[str, Ask] = {
    **ASK,
    "GetAuthorizationToken of Personal Edition": lambda cloud, caller: CrClient(cloud).token(
        caller, Registry("personal", "", REGION)
    ),
    "GetCallerIdentity": lambda cloud, caller: StsClient(cloud, REGION).caller_arn(caller),
}
WRITING: dict[str, Ask] = {
    "PutLogs": lambda cloud, caller: SlsLog(cloud, caller, Logstore("p", "outcomes"), REGION).write(
        [{"kind": "run"}], datetime.now(timezone.utc)
    ),
    "InvokeFunction": lambda cloud, caller: FunctionClient(cloud, caller).invoke(THREE, ECHO),
    "InvokeFunction of 2.0": lambda cloud, caller: FunctionClient(cloud, caller).invoke(TWO, ECHO),
}


def ask(call: Ask, caller: CloudCredentials, answer: bytes) -> object:
    """The result of a call to a cloud that always gives this answer."""
    with tcp_server(answering(answer)) as port:
        cloud_client = CloudClient(CloudTransport(f"http://127.0.0.1:{port}"), threads=1)
        try:
            return asyncio.run(call(cloud_client, caller))  # type: ignore[arg-type]  # a coroutine
        finally:
            cloud_client.close()


@pytest.fixture(autouse=True, scope="module")
def no_garbage_of_earlier_tests() -> None:
    """Collected in the depth of a nested answer, it could not even be reported (Python 3.10)."""
    gc.collect()


@pytest.mark.parametrize("body", NOT_AN_OBJECT, ids=lambda body: repr(body[:10]))
@pytest.mark.parametrize("action", EVERY)
def test_an_answer_that_is_no_object_is_not_the_apis(
    caller: CloudCredentials, action: str, body: bytes
) -> None:
    with pytest.raises(Unreachable, match="an answer that is not the API's"):
        ask(EVERY[action], caller, http("200 OK", body, JSON))


@pytest.mark.parametrize("body", NOT_AN_OBJECT, ids=lambda body: repr(body[:10]))
@pytest.mark.parametrize("status", ["403 Forbidden", "500 Internal Server Error"])
@pytest.mark.parametrize("action", EVERY | WRITING)
def test_a_refusal_that_is_no_object_has_a_meaning(
    caller: CloudCredentials, action: str, status: str, body: bytes
) -> None:
    with pytest.raises(PortError):
        ask((EVERY | WRITING)[action], caller, http(status, body, JSON))


COMPLETE: dict[str, dict[str, Any]] = {
    "AssumeRole": {
        "Credentials": {"AccessKeyId": "a", "AccessKeySecret": "b", "SecurityToken": "c"}
    },
    "GetCallerIdentity": {"Arn": "acs:ram::1:user/ann"},
    "GetAuthorizationToken": {
        "TempUsername": "u", "AuthorizationToken": "t", "ExpireTime": 1_800_000_000_000,
    },
    "ListInstanceEndpoint": {"Endpoints": [{"Enable": True, "Domains": [{"Domain": "a.example"}]}]},
    "GetAuthorizationToken of Personal Edition": {
        "data": {
            "tempUserName": "u", "authorizationToken": "t", "expireDate": 1_800_000_000_000,
        }
    },
    "DescribeClusterUserKubeconfig": {"config": "c", "expiration": "2030-01-01T00:00:00Z"},
    "DescribeClustersV1": {
        "clusters": [{"cluster_id": "c1", "name": "shop", "tags": [{"key": "team"}]}],
        "page_info": {"total_count": 1},
    },
    "GetSecretValue": {"SecretData": "d"},
}  # fmt: skip
ODD = [None, 5, [1], "", {}, {"a": 1}, True, -(10**30)]


def broken(document: Any) -> list[Any]:
    """The document once for each part that is missing or something else."""
    if isinstance(document, dict):
        return [
            changed
            for key, value in document.items()
            for changed in (
                {name: each for name, each in document.items() if name != key},
                *({**document, key: other} for other in [*ODD, *broken(value)]),
            )
        ]
    if isinstance(document, list):
        return [[other] for other in [*ODD, *broken(document[0])]]
    return []


@pytest.mark.parametrize("action", COMPLETE)
def test_an_answer_with_its_fields_is_taken(caller: CloudCredentials, action: str) -> None:
    body = json.dumps({"RequestId": 5, "requestId": [], **COMPLETE[action]}).encode()
    assert ask(EVERY[action], caller, http("200 OK", body, JSON))


@pytest.mark.parametrize("action", COMPLETE)
def test_an_answer_with_a_field_missing_or_of_another_type_has_a_meaning(
    caller: CloudCredentials, action: str
) -> None:
    """A field of another type may be of no use to us, but is never an unexpected exception."""
    bodies = [json.dumps(each).encode() for each in broken(COMPLETE[action])]
    refusals = 0
    for body in bodies:
        try:
            ask(EVERY[action], caller, http("200 OK", body, JSON))
        except (Invalid, Unreachable):
            refusals += 1
    assert refusals > len(bodies) // 2


@pytest.mark.parametrize("expiration", ["2030", "9999-12-31T00:00:00Z", "0001-01-01T00:00:00Z", 7])
def test_a_kubeconfig_that_expires_at_no_time_is_invalid(
    caller: CloudCredentials, expiration: object
) -> None:
    body = json.dumps({"config": "c", "expiration": expiration}).encode()
    with pytest.raises(Invalid, match="incomplete or malformed"):
        ask(EVERY["DescribeClusterUserKubeconfig"], caller, http("200 OK", body, JSON))


@pytest.mark.parametrize("body", NOT_AN_OBJECT, ids=lambda body: repr(body[:10]))
@pytest.mark.parametrize("action", sorted(WRITING)[:2])
def test_a_function_may_fail_with_anything(
    caller: CloudCredentials, action: str, body: bytes
) -> None:
    answer = http("200 OK", body, "X-Fc-Error-Type: UnhandledInvocationError")
    with pytest.raises((FunctionFailed, Unreachable)):
        ask(WRITING[action], caller, answer)


def test_a_code_of_several_lines_has_a_meaning(caller: CloudCredentials) -> None:
    call = CloudCall("sts", "sts:AssumeRole", "role r", "", caller)
    assert isinstance(refused(Refusal("a\nb", 400), call), Invalid)


def test_a_pause_of_a_century_is_a_day(caller: CloudCredentials) -> None:
    from alibabacloud_tea_openapi.exceptions import ThrottlingException  # noqa: PLC0415  # slow

    call = CloudCall("sts", "sts:AssumeRole", "role r", "", caller)
    error = port_error(ThrottlingException(retry_after=10**30), call)
    assert isinstance(error, Throttled)
    assert error.retry_after == timedelta(days=1)
