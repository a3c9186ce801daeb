"""Writing outcomes to SLS through its SDK, against the local cloud."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from pydantic import SecretStr

from acr_refresher.cloud.client import CloudClient, CloudTransport
from acr_refresher.cloud.sls import SlsLog
from acr_refresher.core.model import Logstore
from acr_refresher.core.outcome_records import (
    Record,
    batches,
)
from acr_refresher.errors import Denied, Gone, Invalid, PortError, Throttled, Unreachable
from acr_refresher.run.ports import CloudCredentials
from acr_refresher.settings import SETTINGS
from adapters.cloudapi import assert_no_secret
from localcloud.cloud import Cloud
from localcloud.demo import FUNCTION_ACCOUNT, FUNCTION_ROLE_ARN, REGION, function_role
from localcloud.faults import ApiError, BadGateway, ConnectionReset, Fault
from localcloud.ram_files import load_policy
from localcloud.server import serving
from localcloud.world import LogProject, World

PROJECT = LogProject(FUNCTION_ACCOUNT, REGION, "acr-refresher", ("outcomes",))
OUTCOMES = Logstore("acr-refresher", "outcomes")
RECORD: Record = {"kind": "secret", "cluster": "prod", "seconds_left": "3600"}


@pytest.fixture
def cloud() -> Cloud:
    policy = load_policy(
        "outcomes-log.policy",
        region=REGION,
        account=FUNCTION_ACCOUNT,
        project=PROJECT.name,
        logstore="outcomes",
    )
    role = replace(function_role(), policies=(policy,))
    return Cloud(World(roles=(role,), log_projects=(PROJECT,)))


@pytest.fixture
def cloud_client(cloud: Cloud) -> Iterator[CloudClient]:
    with serving(cloud) as url:
        cloud_client = CloudClient(CloudTransport(url), threads=2)
        yield cloud_client
        cloud_client.close()


@pytest.fixture
def function(cloud: Cloud) -> CloudCredentials:
    session = cloud.function_credentials(FUNCTION_ROLE_ARN)
    secret, token = SecretStr(session.access_key_secret), SecretStr(session.security_token)
    return CloudCredentials(session.access_key_id, secret, token)


def write(
    cloud_client: CloudClient,
    caller: CloudCredentials,
    logstore: Logstore = OUTCOMES,
    *records: Record,
    at: datetime | None = None,
) -> None:
    log = SlsLog(cloud_client, caller, logstore, REGION)
    asyncio.run(log.write(records or (RECORD,), at or datetime.now(timezone.utc)))


def test_records_arrive_as_of_the_time_given(
    cloud_client: CloudClient, cloud: Cloud, function: CloudCredentials
) -> None:
    at = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(minutes=1)
    write(cloud_client, function, at=at)
    [record] = cloud.logs.records("acr-refresher", "outcomes")
    assert record == {
        "__time__": int(at.timestamp()),
        "__topic__": "acr-refresher",
        "__source__": "",
        "kind": "secret",
        "cluster": "prod",
        "seconds_left": "3600",
    }


HOSTS = {
    "the function's region": (OUTCOMES, f"acr-refresher.{REGION}.log.aliyuncs.com"),
    "another region": (
        replace(OUTCOMES, region_id="cn-beijing"),
        "acr-refresher.cn-beijing.log.aliyuncs.com",
    ),
    "an endpoint": (
        replace(OUTCOMES, endpoint=f"{REGION}-intranet.log.aliyuncs.com"),
        f"acr-refresher.{REGION}-intranet.log.aliyuncs.com",
    ),
}


@pytest.mark.parametrize(("logstore", "host"), HOSTS.values(), ids=HOSTS)
def test_requests_go_to_the_projects_host(
    cloud_client: CloudClient,
    cloud: Cloud,
    function: CloudCredentials,
    logstore: Logstore,
    host: str,
) -> None:
    cloud.faults.inject("PutLogs", ApiError(404, "ProjectNotExist"), host="cn-beijing")
    try:
        write(cloud_client, function, logstore)
    except Gone:
        assert "cn-beijing" in host
    assert cloud.calls("PutLogs")[0].host == host


def test_the_largest_batches_are_taken(
    cloud_client: CloudClient, cloud: Cloud, function: CloudCredentials
) -> None:
    wide: Record = {f"field{n}": "字" * SETTINGS.record_text for n in range(8)}
    batch = next(batches([wide] * 100))
    write(cloud_client, function, OUTCOMES, *batch)
    write(cloud_client, function, OUTCOMES, *([RECORD] * SETTINGS.batch_records))
    assert (
        len(cloud.logs.records("acr-refresher", "outcomes")) == len(batch) + SETTINGS.batch_records
    )


REFUSED: dict[str, tuple[Fault, type[PortError], str]] = {
    "no such logstore": (
        ApiError(404, "LogStoreNotExist", "logstore outcomes does not exist"),
        Gone,
        "logstore outcomes of project acr-refresher in cn-hangzhou does not exist",
    ),
    "a quota": (ApiError(403, "ShardWriteQuotaExceed", "exceed"), Throttled, "too many requests"),
    "busy": (ApiError(503, "ServerBusy", "the server is busy"), Throttled, "too many requests"),
    "the clock": (ApiError(400, "RequestTimeExpired", "expired"), Invalid, "clock"),
    "too large": (ApiError(400, "PostBodyTooLarge", "too large"), Invalid, "too large"),
    "a wrong signature": (
        ApiError(401, "SignatureNotMatch", "signature not match"),
        Denied,
        "the secret does not belong to the caller's access key",
    ),
    "broken": (ApiError(500, "InternalServerError", "try again"), Unreachable, "try again"),
    "not JSON": (BadGateway(), Unreachable, "not the API's"),
    "reset": (ConnectionReset(), Unreachable, ""),
}


@pytest.mark.parametrize(("fault", "meaning", "words"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_has_a_meaning(
    cloud_client: CloudClient,
    cloud: Cloud,
    function: CloudCredentials,
    fault: Fault,
    meaning: type[PortError],
    words: str,
) -> None:
    cloud.faults.inject("PutLogs", fault)
    with pytest.raises(meaning) as caught:
        write(cloud_client, function)
    error = caught.value
    assert type(error) is meaning
    assert error.service == "sls"
    assert words in str(error)
    assert_no_secret(error, function)
    if isinstance(fault, ApiError):
        assert (error.code, error.request_id) == (fault.code, cloud.calls("PutLogs")[0].request_id)


def test_a_denial_says_what_to_allow(
    cloud_client: CloudClient, cloud: Cloud, function: CloudCredentials
) -> None:
    with pytest.raises(Denied, match="Allow log:PostLogStoreLogs on project/acr-refresher/logsto"):
        write(cloud_client, function, replace(OUTCOMES, name="function"))
    assert cloud.calls("PutLogs")[0].code == "Unauthorized"


def test_an_expired_token_is_not_taken_for_a_missing_permission(
    cloud_client: CloudClient, function: CloudCredentials
) -> None:
    foreign = replace(function, security_token=SecretStr("x" * 40))
    with pytest.raises(Denied, match="identity of the caller is not accepted"):
        write(cloud_client, foreign)
