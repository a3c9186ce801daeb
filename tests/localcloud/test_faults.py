"""Injected faults as the SDK sees them, and their entries in the journal."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from alibabacloud_cr20181201.models import GetAuthorizationTokenRequest
from alibabacloud_sts20150401.models import AssumeRoleRequest
from alibabacloud_tea_openapi.exceptions import (
    ClientException,
    ServerException,
    ThrottlingException,
)
from darabonba.exceptions import UnretryableException

from localcloud.cloud import Cloud
from localcloud.cr import milliseconds
from localcloud.demo import CLUSTER_ROLE_ARN, REGISTRY, REGISTRY_ROLE_ARN
from localcloud.faults import (
    ApiError,
    BadGateway,
    ConnectionReset,
    ExpiredToken,
    Fault,
    Stall,
    Unsuccessful,
    throttled,
)
from localcloud.sdk import assume_role, cr_client, sts_client
from localcloud.sessions import Session

BROKEN: list[tuple[str, Fault, type[Exception], tuple[int, str]]] = [
    ("server error", ApiError(500, "InternalError"), ServerException, (500, "InternalError")),
    ("client error", ApiError(403, "Forbidden.RAM"), ClientException, (403, "Forbidden.RAM")),
    ("throttled", throttled(), ClientException, (400, "Throttling.User")),
    (
        "throttled for a while",
        throttled(timedelta(seconds=1.5)),
        ThrottlingException,
        (400, "Throttling.User"),
    ),
    ("connection reset", ConnectionReset(), UnretryableException, (0, "ConnectionReset")),
    ("HTML", BadGateway(), UnretryableException, (502, "")),
    ("never answered", Stall(), UnretryableException, (0, "Stall")),
]


@pytest.mark.parametrize(
    ("fault", "error", "journaled"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_a_fault_and_then_none(
    cloud: Cloud,
    url: str,
    function: Session,
    fault: Fault,
    error: type[Exception],
    journaled: tuple[int, str],
) -> None:
    cloud.faults.inject("AssumeRole", fault)
    patience = 300 if isinstance(fault, Stall) else 10_000
    client = sts_client(url, function, read_timeout=patience)
    request = AssumeRoleRequest(role_arn=REGISTRY_ROLE_ARN, role_session_name="acr-refresher")
    with pytest.raises(error):
        client.assume_role(request)
    assert assume_role(url, function, REGISTRY_ROLE_ARN)
    outcomes = [(call.status, call.code) for call in cloud.calls("AssumeRole")]
    assert outcomes == [journaled, (200, "")]


def test_throttling_says_how_long_to_wait(cloud: Cloud, url: str, function: Session) -> None:
    cloud.faults.inject("AssumeRole", throttled(timedelta(seconds=1.5)))
    with pytest.raises(ThrottlingException) as caught:
        assume_role(url, function, REGISTRY_ROLE_ARN)
    assert caught.value.retry_after == 1500


def test_a_stalled_answer_comes_in_the_end(cloud: Cloud, url: str, function: Session) -> None:
    cloud.faults.inject("AssumeRole", Stall(timedelta(milliseconds=50)))
    assert assume_role(url, function, REGISTRY_ROLE_ARN).access_key_id
    assert len(cloud.calls("AssumeRole")) == 1


@pytest.fixture
def token(url: str, function: Session) -> Callable[[], Any]:
    """Calls GetAuthorizationToken."""
    client = cr_client(url, assume_role(url, function, REGISTRY_ROLE_ARN))
    request = GetAuthorizationTokenRequest(instance_id=REGISTRY.id)
    return lambda: client.get_authorization_token(request).body


def test_a_response_with_status_200_can_be_a_failure(
    cloud: Cloud, token: Callable[[], Any]
) -> None:
    cloud.faults.inject("GetAuthorizationToken", Unsuccessful("SYSTEM_BUSY"))
    body = token()
    assert (body.is_success, body.code, body.authorization_token) == (False, "SYSTEM_BUSY", None)
    assert [call.code for call in cloud.calls("GetAuthorizationToken")] == ["SYSTEM_BUSY"]


def test_an_expired_token(cloud: Cloud, token: Callable[[], Any]) -> None:
    cloud.faults.inject("GetAuthorizationToken", ExpiredToken(timedelta(hours=1)))
    body = token()
    assert body.is_success
    assert body.expire_time <= milliseconds(cloud.clock() - timedelta(hours=1))


def test_faults_end_after_so_many_calls(cloud: Cloud, url: str, function: Session) -> None:
    cloud.faults.inject("AssumeRole", throttled(), times=2)
    cloud.faults.inject("AssumeRole", ApiError(500, "InternalError"), times=1)
    for _ in range(3):
        with pytest.raises((ClientException, ServerException)):
            assume_role(url, function, REGISTRY_ROLE_ARN)
    assume_role(url, function, REGISTRY_ROLE_ARN)
    codes = [call.code for call in cloud.calls("AssumeRole")]
    assert codes == ["Throttling.User", "Throttling.User", "InternalError", ""]


def test_a_fault_may_last_until_cleared(cloud: Cloud, url: str, function: Session) -> None:
    cloud.faults.inject("AssumeRole", throttled(), times=None)
    for _ in range(3):
        with pytest.raises(ClientException):
            assume_role(url, function, REGISTRY_ROLE_ARN)
    cloud.faults.clear()
    assume_role(url, function, REGISTRY_ROLE_ARN)


def test_a_fault_may_be_for_one_host(cloud: Cloud, url: str, function: Session) -> None:
    cloud.faults.inject("AssumeRole", throttled(), host="sts-vpc")
    request = AssumeRoleRequest(role_arn=REGISTRY_ROLE_ARN, role_session_name="acr-refresher")
    assume_role(url, function, REGISTRY_ROLE_ARN)
    with pytest.raises(ClientException):
        sts_client(url, function, "sts-vpc.cn-hangzhou.aliyuncs.com").assume_role(request)


def test_a_fault_may_be_for_one_caller(cloud: Cloud, url: str, function: Session) -> None:
    cloud.faults.inject("AssumeRole", throttled(), caller="acr-refresher-cluster")
    assume_role(url, function, CLUSTER_ROLE_ARN)
    cluster = assume_role(url, function, CLUSTER_ROLE_ARN)
    with pytest.raises(ClientException) as caught:
        assume_role(url, cluster, REGISTRY_ROLE_ARN)
    assert caught.value.code == "Throttling.User"


def test_an_unauthenticated_call_takes_no_fault(cloud: Cloud, url: str, function: Session) -> None:
    cloud.faults.inject("AssumeRole", throttled())
    cloud.sessions.pop(function.access_key_id)
    with pytest.raises(ClientException) as caught:
        assume_role(url, function, REGISTRY_ROLE_ARN)
    assert caught.value.code == "InvalidAccessKeyId.NotFound"
    [call] = cloud.calls()
    assert (call.caller_arn, call.status) == ("", 404)
