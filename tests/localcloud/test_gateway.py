"""Unknown hosts, versions and actions; the journal; many callers at once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from alibabacloud_tea_openapi.client import Client as OpenApiClient
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.utils_models import OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions

from localcloud.cloud import Cloud
from localcloud.demo import REGISTRY_ROLE_ARN
from localcloud.sdk import assume_role, config
from localcloud.sessions import Session

NOWHERE = [
    ("another product's host", {"host": "cr.cn-hangzhou.aliyuncs.com"}, "InvalidVersion"),
    ("no product's host", {"host": "oss.cn-hangzhou.aliyuncs.com"}, "InvalidAction.NotFound"),
    ("a lookalike host", {"host": "sts.aliyuncs.com.example"}, "InvalidAction.NotFound"),
    ("another version", {"version": "2016-01-01"}, "InvalidVersion"),
    ("unknown action", {"action": "GetFederationToken"}, "InvalidAction.NotFound"),
    ("unknown path", {"pathname": "/roles"}, "InvalidAction.NotFound"),
]


@pytest.mark.parametrize(
    ("changes", "code"), [row[1:] for row in NOWHERE], ids=[row[0] for row in NOWHERE]
)
def test_unknown_hosts_versions_and_actions_are_refused(
    cloud: Cloud, url: str, function: Session, changes: dict[str, str], code: str
) -> None:
    changes = dict(changes)
    host = changes.pop("host", "sts.cn-hangzhou.aliyuncs.com")
    rpc = {"action": "AssumeRole", "version": "2015-04-01", "pathname": "/", "method": "POST"}
    encoding = {"style": "RPC", "req_body_type": "formData", "body_type": "json"}
    params = Params(protocol="HTTPS", auth_type="AK", **{**rpc, **encoding, **changes})
    with pytest.raises(ClientException) as caught:
        OpenApiClient(config(url, function, host)).call_api(
            params, OpenApiRequest(), RuntimeOptions()
        )
    assert caught.value.code == code
    assert [call.code for call in cloud.calls()] == [code]


def test_addressed_directly_there_is_only_the_token_service(url: str) -> None:
    with requests.get(f"{url}/", timeout=10) as response:
        assert response.status_code == 404
    with requests.get(f"{url}/registry/token", timeout=10) as response:
        assert response.status_code == 401


def test_the_journal_has_caller_and_action_of_each_call(
    cloud: Cloud, url: str, function: Session
) -> None:
    assume_role(url, function, REGISTRY_ROLE_ARN, external_id="tenant-7")
    [call] = cloud.calls("AssumeRole")
    assert cloud.calls() == [call]
    assert cloud.calls("GetAuthorizationToken") == []
    assert (call.host, call.version) == ("sts.cn-hangzhou.aliyuncs.com", "2015-04-01")
    assert call.caller_arn == function.arn
    assert call.parameters == {
        "RoleArn": REGISTRY_ROLE_ARN,
        "RoleSessionName": "acr-refresher",
        "ExternalId": "tenant-7",
    }
    assert len(call.request_id) == 36
    cloud.journal.clear()
    assert cloud.calls() == []


def test_hundreds_of_calls_at_once(cloud: Cloud, url: str, function: Session) -> None:
    def call(_: int) -> Any:
        return assume_role(url, function, REGISTRY_ROLE_ARN).access_key_id

    with ThreadPoolExecutor(max_workers=32) as pool:
        keys = set(pool.map(call, range(400)))
    assert len(keys) == len(cloud.calls("AssumeRole")) == 400


def test_nothing_is_logged(
    url: str, function: Session, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    assume_role(url, function, REGISTRY_ROLE_ARN)
    shown = caplog.text + "".join(capfd.readouterr())
    assert function.security_token not in shown
    assert REGISTRY_ROLE_ARN not in "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("aiohttp")
    )
