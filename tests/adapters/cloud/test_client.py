"""STS, CR and CS through the SDKs, against the local cloud."""

from __future__ import annotations

import asyncio
from datetime import timedelta, timezone

from acr_refresher.cloud.client import CloudClient
from acr_refresher.cloud.cr import CrClient
from acr_refresher.cloud.sts import StsClient
from acr_refresher.core.model import Role
from acr_refresher.run.ports import CloudCredentials
from adapters.cloudapi import HOUR, THE_REGISTRY, assume
from localcloud.cloud import Cloud
from localcloud.demo import (
    REGION,
    REGISTRY_ACCOUNT,
    REGISTRY_ROLE_ARN,
)


def test_a_role_session_can_ask_for_a_registry_token(
    cloud_client: CloudClient, cloud: Cloud, function: CloudCredentials
) -> None:
    session = assume(cloud_client, function, REGISTRY_ROLE_ARN)

    token = asyncio.run(CrClient(cloud_client).token(session, THE_REGISTRY))

    issued = cloud.registry_tokens[token.password.get_secret_value()]
    assert token.username == "cr_temp_user"
    assert token.expires_at == issued.expires_at.replace(
        microsecond=issued.expires_at.microsecond // 1000 * 1000
    )
    assert token.expires_at.tzinfo is timezone.utc
    assert token.request_id == cloud.calls("GetAuthorizationToken")[0].request_id
    assert cloud.calls("GetAuthorizationToken")[0].host == f"cr.{REGION}.aliyuncs.com"


def test_assuming_a_role_asks_for_the_name_and_duration_given(
    cloud_client: CloudClient, cloud: Cloud, function: CloudCredentials
) -> None:
    assume(cloud_client, function, REGISTRY_ROLE_ARN, timedelta(minutes=15))

    [call] = cloud.calls("AssumeRole")
    assert call.host == f"sts.{REGION}.aliyuncs.com"
    assert call.parameters["RoleSessionName"] == "run-1"
    assert call.parameters["DurationSeconds"] == "900"


def test_a_session_knows_the_account_that_its_calls_are_counted_against(
    cloud_client: CloudClient, function: CloudCredentials
) -> None:
    assert assume(cloud_client, function, REGISTRY_ROLE_ARN).account_id == REGISTRY_ACCOUNT


def test_a_registrys_hosts_are_the_domains_of_all_enabled_endpoints(
    cloud_client: CloudClient, function: CloudCredentials
) -> None:
    session = assume(cloud_client, function, REGISTRY_ROLE_ARN)

    hosts = asyncio.run(CrClient(cloud_client).hosts(session, THE_REGISTRY))

    assert hosts == (
        f"acme-registry-vpc.{REGION}.cr.aliyuncs.com",
        f"acme-registry.{REGION}.cr.aliyuncs.com",
        "images.acme.example",
    )


def test_calls_run_beside_each_other(cloud_client: CloudClient, function: CloudCredentials) -> None:
    sts = StsClient(cloud_client, REGION)

    async def both() -> list[CloudCredentials]:
        calls = [
            sts.assume_role(function, Role(REGISTRY_ROLE_ARN), f"run-{n}", HOUR) for n in range(8)
        ]
        return await asyncio.gather(*calls)

    sessions = asyncio.run(both())

    assert len({session.access_key_id for session in sessions}) == 8
