"""What STS and CR are asked for the less usual ways to a registry."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import SecretStr

from acr_refresher.cloud.client import CloudClient, CloudTransport
from acr_refresher.cloud.cr import CrClient
from acr_refresher.cloud.sts import StsClient
from acr_refresher.core.model import Registry, Role, Rrsa
from acr_refresher.errors import Denied, Gone, Invalid, PortError
from acr_refresher.run.ports import CloudCredentials
from adapters.cloudapi import HOUR, THE_REGISTRY, assume
from localcloud.cloud import Cloud
from localcloud.demo import (
    CLUSTER_ACCOUNT,
    CLUSTER_ROLE_ARN,
    FUNCTION_ROLE_ARN,
    REGION,
    REGISTRY_ACCOUNT,
    REGISTRY_ROLE_ARN,
    demo_world,
    registry_role,
)
from localcloud.ram_files import load_policy
from localcloud.server import serving
from localcloud.world import OidcProvider, PersonalRegistry
from localcloud.world import Role as CloudRole
from oidc_issuers import Issuer

POLICY = json.dumps(
    {"Version": "1", "Statement": [{"Effect": "Allow", "Action": "cr:*", "Resource": "*"}]}
)
PERSONAL = Registry("personal", "", REGION)
ISSUER = Issuer("https://oidc.example.com/c1")
PROVIDER = OidcProvider(
    f"acs:ram::{CLUSTER_ACCOUNT}:oidc-provider/ack-rrsa-c1",
    ISSUER.url,
    ("sts.aliyuncs.com",),
    ISSUER.jwks,
)
RRSA = Rrsa(f"acs:ram::{CLUSTER_ACCOUNT}:role/acr-refresher-rrsa", PROVIDER.arn)


@contextmanager
def client_for(cloud: Cloud) -> Iterator[tuple[CloudClient, CloudCredentials]]:
    """An SDK that asks this cloud, and the function's credentials there."""
    session = cloud.function_credentials(FUNCTION_ROLE_ARN)
    secret, token = SecretStr(session.access_key_secret), SecretStr(session.security_token)
    with serving(cloud) as url:
        cloud_client = CloudClient(CloudTransport(url), threads=2)
        yield cloud_client, CloudCredentials(session.access_key_id, secret, token)
        cloud_client.close()


def with_role(role: CloudRole, **more: Any) -> Cloud:
    """A cloud in which this role replaces the role of the same name."""
    world = demo_world()
    roles = {each.arn: each for each in (*world.roles, role)}
    return Cloud(replace(world, roles=tuple(roles.values()), **more))


# ---- roles ---------------------------------------------------------------------------------------


def test_an_external_id_and_a_policy_are_sent_along(
    cloud_client: CloudClient, cloud: Cloud, function: CloudCredentials
) -> None:
    role = Role(REGISTRY_ROLE_ARN, "tenant-7")
    asyncio.run(StsClient(cloud_client, REGION).assume_role(function, role, "run-1", HOUR, POLICY))
    [call] = cloud.calls("AssumeRole")
    assert call.parameters["ExternalId"] == "tenant-7"
    assert call.parameters["Policy"] == POLICY


def test_without_them_nothing_is_sent(
    cloud_client: CloudClient, cloud: Cloud, function: CloudCredentials
) -> None:
    assume(cloud_client, function, REGISTRY_ROLE_ARN)
    [call] = cloud.calls("AssumeRole")
    assert not {"ExternalId", "Policy"} & set(call.parameters)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "lacks this caller, or asks for an externalId"),
        ("tenant-8", "lacks this caller, with the external ID that it asks for"),
    ],
)
def test_a_trust_policy_that_denies_is_named_with_whom_it_lacks(given: str, words: str) -> None:
    trust = load_policy(
        "registry-account-role.trust-external-id",
        function_role_arn=FUNCTION_ROLE_ARN,
        external_id="tenant-7",
    )
    cloud = with_role(replace(registry_role(), trust_policy=trust))
    role = Role(REGISTRY_ROLE_ARN, given)
    with client_for(cloud) as (cloud_client, function), pytest.raises(Denied) as refused:
        asyncio.run(StsClient(cloud_client, REGION).assume_role(function, role, "run-1", HOUR))
    assert f"The trust policy of {REGISTRY_ROLE_ARN} {words}" in str(refused.value)
    assert "denied to acr-refresher-function:function of account" in str(refused.value)


def test_a_caller_without_the_permission_is_told_so(
    cloud_client: CloudClient, function: CloudCredentials
) -> None:
    """The cluster's role may not assume any role."""
    cluster = assume(cloud_client, function, CLUSTER_ROLE_ARN)
    with pytest.raises(Denied, match=f"lacks sts:AssumeRole on {REGISTRY_ROLE_ARN}"):
        assume(cloud_client, cluster, REGISTRY_ROLE_ARN)


# ---- RRSA ----------------------------------------------------------------------------------------


def rrsa_cloud() -> Cloud:
    trust = load_policy(
        "rrsa-role.trust",
        oidc_provider_arn=PROVIDER.arn,
        oidc_issuer=PROVIDER.issuer,
        namespace=RRSA.namespace,
        service_account=RRSA.service_account,
    )
    role = CloudRole(CLUSTER_ACCOUNT, RRSA.role_arn.rpartition("/")[2], trust)
    return with_role(role, oidc_providers=(PROVIDER,))


def identity(**changes: Any) -> SecretStr:
    now = int(datetime.now(timezone.utc).timestamp())
    subject = f"system:serviceaccount:{RRSA.namespace}:{RRSA.service_account}"
    usual = {"iss": ISSUER.url, "sub": subject, "aud": ["sts.aliyuncs.com"]}
    return SecretStr(ISSUER.token({**usual, "iat": now, "exp": now + 600, **changes}))


def assume_by_token(
    cloud_client: CloudClient, token: SecretStr, rrsa: Rrsa = RRSA, policy: str = ""
) -> CloudCredentials:
    sts = StsClient(cloud_client, REGION)
    return asyncio.run(sts.assume_role_with_oidc(rrsa, token, "run-1", HOUR, policy))


def test_a_clusters_token_opens_a_session_and_nobody_signs_for_it() -> None:
    cloud = rrsa_cloud()
    with client_for(cloud) as (cloud_client, _):
        session = assume_by_token(cloud_client, identity(), policy=POLICY)
    [call] = cloud.calls("AssumeRoleWithOIDC")
    assert call.caller_arn == ""
    assert (call.parameters["DurationSeconds"], call.parameters["Policy"]) == ("3600", POLICY)
    assert cloud.sessions[session.access_key_id].role.arn == RRSA.role_arn


@pytest.mark.parametrize(
    ("claims", "rrsa", "meaning"),
    [
        pytest.param({"sub": "system:serviceaccount:kube-system:x"}, RRSA, Denied, id="account"),
        pytest.param({"aud": ["elsewhere"]}, RRSA, Denied, id="audience"),
        pytest.param({"exp": 1}, RRSA, Denied, id="expired"),
        pytest.param(
            {}, replace(RRSA, oidc_provider_arn=f"{PROVIDER.arn}x"), Denied, id="provider"
        ),
        pytest.param({}, replace(RRSA, role_arn=f"{RRSA.role_arn}x"), Invalid, id="role"),
    ],
)
def test_what_sts_refuses_never_shows_the_token(
    claims: dict[str, Any], rrsa: Rrsa, meaning: type[PortError]
) -> None:
    token = identity(**claims)
    with client_for(rrsa_cloud()) as (cloud_client, _), pytest.raises(meaning) as refused:
        assume_by_token(cloud_client, token, rrsa)
    assert "sts:AssumeRoleWithOIDC" in str(refused.value)
    assert rrsa.role_arn in str(refused.value)
    assert token.get_secret_value()[:40] not in str(refused.value)


# ---- registries ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("types", "hosts"),
    [
        (("vpc",), (f"acme-registry-vpc.{REGION}.cr.aliyuncs.com",)),
        (("internet",), (f"acme-registry.{REGION}.cr.aliyuncs.com", "images.acme.example")),
    ],
)
def test_the_hosts_of_some_endpoints(
    cloud_client: CloudClient,
    function: CloudCredentials,
    types: tuple[str, ...],
    hosts: tuple[str, ...],
) -> None:
    session = assume(cloud_client, function, REGISTRY_ROLE_ARN)
    chosen = replace(THE_REGISTRY, endpoints=types)
    assert asyncio.run(CrClient(cloud_client).hosts(session, chosen)) == hosts


def test_an_instance_without_such_an_endpoint_is_told() -> None:
    world = demo_world()
    [instance] = world.registries
    inside = replace(instance, endpoints=instance.endpoints[1:])
    with client_for(Cloud(replace(world, registries=(inside,)))) as (cloud_client, function):
        session = assume(cloud_client, function, REGISTRY_ROLE_ARN)
        chosen = replace(THE_REGISTRY, endpoints=("internet",))
        with pytest.raises(Invalid, match="no enabled endpoint of type internet with a domain"):
            asyncio.run(CrClient(cloud_client).hosts(session, chosen))


@pytest.mark.parametrize(
    ("seconds", "hours"), [(3600, None), (3601, "2"), (7200, "2"), (9000, "3"), (43200, "12")]
)
def test_a_token_may_live_as_long_as_its_session(
    cloud_client: CloudClient, cloud: Cloud, function: CloudCredentials, seconds: int, hours: str
) -> None:
    """Without ExpiresInHours some documents say an hour."""
    duration = timedelta(seconds=seconds)
    session = assume(cloud_client, function, REGISTRY_ROLE_ARN, duration)
    registry = replace(THE_REGISTRY, session_duration=duration)
    token = asyncio.run(CrClient(cloud_client).token(session, registry))
    [call] = cloud.calls("GetAuthorizationToken")
    assert call.parameters.get("ExpiresInHours") == hours
    left = token.expires_at - datetime.now(timezone.utc)
    assert abs(left - duration) < timedelta(seconds=5)


def personal_cloud(*registries: PersonalRegistry) -> Cloud:
    role = replace(registry_role(), policies=(load_policy("personal-edition.policy"),))
    return with_role(role, personal_registries=registries)


def test_a_token_of_personal_edition() -> None:
    cloud = personal_cloud(PersonalRegistry(REGISTRY_ACCOUNT, REGION))
    with client_for(cloud) as (cloud_client, function):
        session = assume(cloud_client, function, REGISTRY_ROLE_ARN)
        token = asyncio.run(CrClient(cloud_client).token(session, PERSONAL))
        hosts = asyncio.run(CrClient(cloud_client).hosts(session, PERSONAL))
    assert token.username == "cr_temp_user"
    issued = cloud.registry_tokens[token.password.get_secret_value()]
    assert abs(token.expires_at - issued.expires_at) < timedelta(seconds=1)
    assert token.request_id == cloud.calls("GetAuthorizationToken")[0].request_id
    assert hosts == (
        f"registry-internal.{REGION}.aliyuncs.com",
        f"registry-vpc.{REGION}.aliyuncs.com",
        f"registry.{REGION}.aliyuncs.com",
    )
    assert len(cloud.calls()) == 2


def test_an_account_without_personal_edition() -> None:
    with client_for(personal_cloud()) as (cloud_client, function):
        session = assume(cloud_client, function, REGISTRY_ROLE_ARN)
        with pytest.raises(Gone, match=f"Personal Edition in {REGION} does not exist"):
            asyncio.run(CrClient(cloud_client).token(session, PERSONAL))


def test_a_role_without_its_policy_is_told_what_to_allow(
    cloud_client: CloudClient, function: CloudCredentials
) -> None:
    session = assume(cloud_client, function, CLUSTER_ROLE_ARN)
    with pytest.raises(Denied, match=r"Allow cr:GetAuthorizationToken and cr:PullRepository on \*"):
        asyncio.run(CrClient(cloud_client).token(session, PERSONAL))
