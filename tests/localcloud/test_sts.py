"""AssumeRole with the unmodified SDK."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from alibabacloud_sts20150401.models import AssumeRoleRequest
from alibabacloud_tea_openapi.exceptions import ClientException

from localcloud.cloud import Cloud
from localcloud.demo import (
    CLUSTER_ROLE_ARN,
    FUNCTION_ACCOUNT,
    FUNCTION_ROLE_ARN,
    REGISTRY_ROLE_ARN,
    function_role,
    registry_role,
)
from localcloud.ram_files import load_policy
from localcloud.sdk import assume_role, sts_client
from localcloud.server import serving
from localcloud.sessions import Session
from localcloud.world import Role, World


@contextmanager
def roles(*existing: Role) -> Iterator[tuple[Cloud, str, Session]]:
    """A cloud with these roles and the function's, its URL, and the function's credentials."""
    cloud = Cloud(World(roles=(function_role(), *existing)))
    with serving(cloud) as url:
        yield cloud, url, cloud.function_credentials(FUNCTION_ROLE_ARN)


def refusal(url: str, caller: Session, role_arn: str, **fields: Any) -> ClientException:
    with pytest.raises(ClientException) as caught:
        assume_role(url, caller, role_arn, **fields)
    return caught.value


def test_a_role_session_lives_as_long_as_asked(cloud: Cloud, url: str, function: Session) -> None:
    before = cloud.clock().replace(microsecond=0)
    credentials = assume_role(url, function, REGISTRY_ROLE_ARN, duration_seconds=43200)
    expiration = datetime.strptime(credentials.expiration, "%Y-%m-%dT%H:%M:%S%z")
    assert before <= expiration - timedelta(hours=12) <= cloud.clock()
    assert cloud.sessions[credentials.access_key_id].expires_at == expiration


def test_an_hour_if_no_duration_is_asked(cloud: Cloud, url: str, function: Session) -> None:
    credentials = assume_role(url, function, CLUSTER_ROLE_ARN)
    session = cloud.sessions[credentials.access_key_id]
    assert timedelta(0) <= cloud.clock() + timedelta(hours=1) - session.expires_at
    assert session.arn.endswith(":assumed-role/acr-refresher-cluster/acr-refresher")


PARAMETERS: list[tuple[str, dict[str, Any], str]] = [
    ("too short", {"duration_seconds": 899}, "InvalidParameter.DurationSeconds"),
    ("above the role's", {"duration_seconds": 43201}, "InvalidParameter.DurationSeconds"),
    ("name too short", {"role_session_name": "a"}, "InvalidParameter.RoleSessionName"),
    ("name too long", {"role_session_name": "a" * 65}, "InvalidParameter.RoleSessionName"),
    ("name with a blank", {"role_session_name": "a b"}, "InvalidParameter.RoleSessionName"),
    ("no name", {"role_session_name": None}, "MissingRoleSessionName"),
    ("policy not JSON", {"policy": "{"}, "InvalidParameter.PolicyGrammar"),
    ("policy of nothing", {"policy": "{}"}, "InvalidParameter.PolicyGrammar"),
    ("policy too long", {"policy": " " * 2049}, "InvalidParameter.PolicySize"),
    ("external ID too short", {"external_id": "x"}, "InvalidParameter.ExternalId"),
]


@pytest.mark.parametrize(
    ("fields", "code"), [row[1:] for row in PARAMETERS], ids=[row[0] for row in PARAMETERS]
)
def test_invalid_parameters_are_refused(
    url: str, function: Session, fields: dict[str, Any], code: str
) -> None:
    error = refusal(url, function, REGISTRY_ROLE_ARN, **fields)
    assert (error.status_code, error.code) == (400, code)


def test_a_malformed_role_arn_is_refused(url: str, function: Session) -> None:
    assert refusal(url, function, "acr-refresher-registry").code == "InvalidParameter.RoleArn"


def test_the_edges_of_the_parameters_are_inside(url: str, function: Session) -> None:
    allow_all = {"Version": "1", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    policy = json.dumps(allow_all).ljust(2048)
    fields = {"duration_seconds": 900, "role_session_name": "a@b.c-_" * 9, "policy": policy}
    assert assume_role(url, function, REGISTRY_ROLE_ARN, **fields).access_key_id


def test_an_unknown_role_is_refused() -> None:
    cloud = Cloud(World(roles=(function_role(),)))
    with serving(cloud) as url:
        error = refusal(url, cloud.function_credentials(FUNCTION_ROLE_ARN), REGISTRY_ROLE_ARN)
    assert (error.status_code, error.code) == (404, "EntityNotExist.Role")


def test_the_caller_needs_the_permission() -> None:
    """The function's policy covers only roles of the project's name prefix."""
    trusting = replace(registry_role(), name="billing")
    with roles(trusting) as (_, url, function):
        error = refusal(url, function, trusting.arn)
    assert (error.status_code, error.code) == (403, "NoPermission")
    assert error.access_denied_detail == {
        "AuthAction": "sts:AssumeRole",
        "AuthPrincipalType": "AssumedRoleUser",
        "AuthPrincipalOwnerId": FUNCTION_ACCOUNT,
        "AuthPrincipalDisplayName": "acr-refresher-function:function",
        "NoPermissionType": "ImplicitDeny",
        "PolicyType": "AccountLevelIdentityBasedPolicy",
    }


def test_the_role_must_trust_the_caller() -> None:
    trust = load_policy(
        "registry-account-role.trust", function_role_arn="acs:ram::1000000000000001:role/stranger"
    )
    with roles(replace(registry_role(), trust_policy=trust)) as (_, url, function):
        error = refusal(url, function, REGISTRY_ROLE_ARN)
    assert (error.status_code, error.code) == (403, "NoPermission")
    assert error.access_denied_detail["PolicyType"] == "AssumeRolePolicy"


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [({"external_id": "tenant-7"}, True), ({"external_id": "tenant-8"}, False), ({}, False)],
    ids=["right", "wrong", "none"],
)
def test_a_role_may_require_an_external_id(fields: dict[str, str], allowed: bool) -> None:
    trust = load_policy(
        "registry-account-role.trust-external-id",
        function_role_arn=FUNCTION_ROLE_ARN,
        external_id="tenant-7",
    )
    with roles(replace(registry_role(), trust_policy=trust)) as (_, url, function):
        if allowed:
            assert assume_role(url, function, REGISTRY_ROLE_ARN, **fields)
        else:
            error = refusal(url, function, REGISTRY_ROLE_ARN, **fields)
            assert (error.status_code, error.code) == (403, "NoPermission")
            assert error.access_denied_detail["PolicyType"] == "AssumeRolePolicy"


def test_function_compute_gets_credentials_only_for_roles_that_trust_it(cloud: Cloud) -> None:
    with pytest.raises(PermissionError):
        cloud.function_credentials(REGISTRY_ROLE_ARN)
    with pytest.raises(LookupError):
        cloud.function_credentials("acs:ram::1000000000000001:role/unknown")


@pytest.mark.parametrize(
    "host",
    ["sts.aliyuncs.com", "sts.cn-hangzhou.aliyuncs.com", "sts-vpc.cn-hangzhou.aliyuncs.com"],
)
def test_hosts(cloud: Cloud, url: str, function: Session, host: str) -> None:
    request = AssumeRoleRequest(role_arn=REGISTRY_ROLE_ARN, role_session_name="acr-refresher")
    sts_client(url, function, host).assume_role(request)
    assert [call.host for call in cloud.calls("AssumeRole")] == [host]


def test_every_caller_may_request_its_identity(url: str, function: Session) -> None:
    body = sts_client(url, function).get_caller_identity().body
    assert body.arn == f"acs:ram::{FUNCTION_ACCOUNT}:assumed-role/acr-refresher-function/function"
    assert (body.account_id, body.identity_type) == (FUNCTION_ACCOUNT, "AssumedRoleUser")
    assert body.request_id
