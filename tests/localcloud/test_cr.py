"""GetAuthorizationToken and ListInstanceEndpoint with the unmodified SDK."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from alibabacloud_cr20181201.models import (
    GetAuthorizationTokenRequest,
    ListInstanceEndpointRequest,
)
from alibabacloud_tea_openapi.exceptions import ClientException

from localcloud.cloud import Cloud
from localcloud.cr import milliseconds
from localcloud.demo import (
    FUNCTION_ACCOUNT,
    FUNCTION_ROLE_ARN,
    REGION,
    REGISTRY,
    REGISTRY_ACCOUNT,
    REGISTRY_ROLE_ARN,
    demo_world,
    function_role,
    registry_role,
)
from localcloud.ram_files import load_policy
from localcloud.sdk import Credentials, assume_role, cr_client
from localcloud.server import serving
from localcloud.sessions import Session
from localcloud.world import World

TOKEN_REQUEST = GetAuthorizationTokenRequest(instance_id=REGISTRY.id)


@pytest.fixture
def puller(url: str, function: Session) -> Any:
    """Credentials of the registry account's role."""
    return assume_role(url, function, REGISTRY_ROLE_ARN, duration_seconds=7200)


def session_policy(*actions: str) -> str:
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    return json.dumps({"Version": "1", "Statement": [statement]})


def test_a_token_lives_as_long_as_the_role_session(url: str, puller: Any) -> None:
    body = cr_client(url, puller).get_authorization_token(TOKEN_REQUEST).body
    assert body.is_success
    assert body.temp_username == "cr_temp_user"
    expiration = datetime.strptime(puller.expiration, "%Y-%m-%dT%H:%M:%S%z")
    assert body.expire_time == milliseconds(expiration)


def test_the_asynchronous_client_is_served_too(url: str, puller: Any) -> None:
    response = asyncio.run(cr_client(url, puller).get_authorization_token_async(TOKEN_REQUEST))
    assert response.body.authorization_token


def test_a_token_for_a_service_role_lives_an_hour() -> None:
    """The registry is in the function's own account, so no role is assumed."""
    own = replace(REGISTRY, account=FUNCTION_ACCOUNT)
    policy = load_policy(
        "registry-account-role.policy", region=own.region, account=own.account, instance=own.id
    )
    role = function_role()
    world = World(roles=(replace(role, policies=(*role.policies, policy)),), registries=(own,))
    cloud = Cloud(world)
    with serving(cloud) as url:
        before = cloud.clock()
        caller = cloud.function_credentials(FUNCTION_ROLE_ARN)
        body = cr_client(url, caller).get_authorization_token(TOKEN_REQUEST).body
        after = cloud.clock()
    hour = timedelta(hours=1)
    assert milliseconds(before + hour) <= body.expire_time <= milliseconds(after + hour)


@pytest.mark.parametrize(("hours", "lifetime"), [(1, 3600), (2, 7200), (24, 7200)])
def test_of_the_session_and_the_hours_asked_for_the_shorter_counts(
    url: str, puller: Any, hours: int, lifetime: int
) -> None:
    request = GetAuthorizationTokenRequest(instance_id=REGISTRY.id, expires_in_hours=hours)
    body = cr_client(url, puller).get_authorization_token(request).body
    asked_at = datetime.now(timezone.utc)
    assert abs(body.expire_time - milliseconds(asked_at + timedelta(seconds=lifetime))) < 5000


@pytest.mark.parametrize("hours", [0, 25, "x"])
def test_other_hours_are_refused(url: str, puller: Any, hours: Any) -> None:
    request = GetAuthorizationTokenRequest(instance_id=REGISTRY.id, expires_in_hours=hours)
    with pytest.raises(ClientException, match="ExpiresInHours"):
        cr_client(url, puller).get_authorization_token(request)


def test_a_token_lifetime_may_be_set() -> None:
    cloud = Cloud(demo_world(), token_lifetime=timedelta(seconds=3))
    with serving(cloud) as url:
        puller = assume_role(url, cloud.function_credentials(FUNCTION_ROLE_ARN), REGISTRY_ROLE_ARN)
        body = cr_client(url, puller).get_authorization_token(TOKEN_REQUEST).body
        assert body.expire_time <= milliseconds(cloud.clock() + timedelta(seconds=3))


def test_endpoints(url: str, puller: Any) -> None:
    request = ListInstanceEndpointRequest(instance_id=REGISTRY.id, module_name="Registry")
    body = cr_client(url, puller).list_instance_endpoint(request).body
    assert body.is_success
    assert {
        endpoint.endpoint_type: [(domain.domain, domain.type) for domain in endpoint.domains]
        for endpoint in body.endpoints
        if endpoint.enable
    } == {
        "internet": [
            ("acme-registry.cn-hangzhou.cr.aliyuncs.com", "SYSTEM"),
            ("images.acme.example", "USER"),
        ],
        "vpc": [("acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com", "SYSTEM")],
    }
    assert body.endpoints[1].linked_vpcs[0].vpc_id.startswith("vpc-")


def test_disabled_endpoints_and_endpoints_with_access_lists_are_listed_too() -> None:
    internet, vpc = REGISTRY.endpoints
    endpoints = (replace(internet, enabled=False), replace(vpc, acl=("10.0.0.0/8", "127.0.0.1")))
    world = replace(demo_world(), registries=(replace(REGISTRY, endpoints=endpoints),))
    cloud = Cloud(world)
    with serving(cloud) as url:
        puller = assume_role(url, cloud.function_credentials(FUNCTION_ROLE_ARN), REGISTRY_ROLE_ARN)
        request = ListInstanceEndpointRequest(instance_id=REGISTRY.id, module_name="Registry")
        listed = cr_client(url, puller).list_instance_endpoint(request).body.endpoints
    assert [(e.enable, e.acl_enable, [a.entry for a in e.acl_entries]) for e in listed] == [
        (False, False, []),
        (True, True, ["10.0.0.0/8", "127.0.0.1"]),
    ]
    assert listed[0].domains[0].domain == "acme-registry.cn-hangzhou.cr.aliyuncs.com"


def test_a_missing_instance_is_answered_with_http_200_and_is_success_false() -> None:
    """With permission for a missing instance, the answer is HTTP 200 and IsSuccess false."""
    world = replace(demo_world(), registries=())
    cloud = Cloud(world)
    with serving(cloud) as url:
        puller = assume_role(url, cloud.function_credentials(FUNCTION_ROLE_ARN), REGISTRY_ROLE_ARN)
        token = cr_client(url, puller).get_authorization_token(TOKEN_REQUEST).body
        request = ListInstanceEndpointRequest(instance_id=REGISTRY.id)
        endpoints = cr_client(url, puller).list_instance_endpoint(request).body
    assert (token.is_success, token.code) == (False, "INSTANCE_NOT_EXIST")
    assert (endpoints.is_success, endpoints.code) == (False, "INSTANCE_NOT_EXIST")
    assert token.authorization_token is None


def denial(url: str, caller: Credentials, **options: Any) -> ClientException:
    with pytest.raises(ClientException) as caught:
        cr_client(url, caller, **options).get_authorization_token(TOKEN_REQUEST)
    assert (caught.value.status_code, caught.value.code) == (403, "NoPermission")
    return caught.value


def test_the_function_itself_has_no_permission(url: str, function: Session) -> None:
    detail = denial(url, function).access_denied_detail
    assert detail["AuthAction"] == "cr:GetAuthorizationToken"


@pytest.mark.parametrize(
    ("instance", "host"),
    [("cri-another", ""), (REGISTRY.id, "cr.cn-beijing.aliyuncs.com")],
    ids=["another instance", "another region"],
)
def test_the_endpoints_of_other_instances_are_not_listed(
    url: str, puller: Any, instance: str, host: str
) -> None:
    client = cr_client(url, puller, host) if host else cr_client(url, puller)
    with pytest.raises(ClientException) as caught:
        client.list_instance_endpoint(ListInstanceEndpointRequest(instance_id=instance))
    assert caught.value.code == "NoPermission"


@pytest.mark.parametrize(
    ("resource", "allowed"),
    [
        ("*", True),
        (f"acs:cr:{REGION}:{REGISTRY_ACCOUNT}:instance/{REGISTRY.id}", False),
        ("acs:cr:*:*:instance/*", False),
        ("acs:*", False),
    ],
)
def test_tokens_are_allowed_on_all_resources_only(resource: str, allowed: bool) -> None:
    """The action has no resource-level permission: the policy of 0.2.0 named the instance."""
    statement = {"Effect": "Allow", "Action": "cr:GetAuthorizationToken", "Resource": resource}
    policy = {"Version": "1", "Statement": [statement]}
    role = replace(registry_role(), policies=(policy,))
    cloud = Cloud(World(roles=(function_role(), role), registries=(REGISTRY,)))
    with serving(cloud) as url:
        puller = assume_role(url, cloud.function_credentials(FUNCTION_ROLE_ARN), REGISTRY_ROLE_ARN)
        if allowed:
            assert cr_client(url, puller).get_authorization_token(TOKEN_REQUEST).body.is_success
        else:
            assert denial(url, puller).access_denied_detail["NoPermissionType"] == "ImplicitDeny"


def test_the_instance_is_looked_for_in_the_hosts_region() -> None:
    policy = load_policy(
        "registry-account-role.policy", region="*", account="*", instance=REGISTRY.id
    )
    everywhere = replace(registry_role(), policies=(policy,))
    cloud = Cloud(World(roles=(function_role(), everywhere), registries=(REGISTRY,)))
    with serving(cloud) as url:
        puller = assume_role(url, cloud.function_credentials(FUNCTION_ROLE_ARN), REGISTRY_ROLE_ARN)
        client = cr_client(url, puller, "cr.cn-beijing.aliyuncs.com")
        body = client.get_authorization_token(TOKEN_REQUEST).body
    assert (body.is_success, body.code) == (False, "INSTANCE_NOT_EXIST")


def test_a_session_policy_narrows_the_role(url: str, function: Session) -> None:
    narrowed = assume_role(
        url, function, REGISTRY_ROLE_ARN, policy=session_policy("cr:ListInstanceEndpoint")
    )
    request = ListInstanceEndpointRequest(instance_id=REGISTRY.id)
    assert cr_client(url, narrowed).list_instance_endpoint(request).body.is_success
    assert denial(url, narrowed).access_denied_detail["PolicyType"] == "SessionPolicy"


def test_a_session_policy_does_not_widen_the_role(url: str, function: Session) -> None:
    wide = assume_role(url, function, REGISTRY_ROLE_ARN, policy=session_policy("*"))
    assert cr_client(url, wide).get_authorization_token(TOKEN_REQUEST).body.is_success
    with pytest.raises(ClientException) as caught:
        cr_client(url, wide).list_instance_endpoint(
            ListInstanceEndpointRequest(instance_id="cri-another")
        )
    assert caught.value.access_denied_detail["PolicyType"] == "AccountLevelIdentityBasedPolicy"


def test_an_instance_id_is_mandatory(url: str, puller: Any) -> None:
    with pytest.raises(ClientException) as caught:
        cr_client(url, puller).get_authorization_token(GetAuthorizationTokenRequest())
    assert caught.value.code == "MissingInstanceId"
