"""Who calls, as STS tells it."""

from __future__ import annotations

import asyncio
import json

import pytest
from pydantic import SecretStr

from acr_refresher.cli.check_rights import CheckResult, Verdict
from acr_refresher.cli.check_roles import check_caller
from acr_refresher.cloud.client import CloudClient, CloudTransport
from acr_refresher.cloud.sts import StsClient
from acr_refresher.run.ports import CloudCredentials
from adapters.loopback import answering, http, tcp_server

KEYS = CloudCredentials("LTAIhunter2", SecretStr("hunter2"))


def shown(body: object) -> tuple[str, CheckResult]:
    answer = http("200 OK", json.dumps(body).encode(), "Content-Type: application/json")
    with tcp_server(answering(answer)) as port:
        cloud_client = CloudClient(CloudTransport(f"http://127.0.0.1:{port}"), threads=1)
        found = asyncio.run(check_caller(StsClient(cloud_client, "cn-hangzhou"), KEYS))
        cloud_client.close()
    return found


@pytest.mark.parametrize(
    ("arn", "caller", "verdict"),
    [
        ("acs:ram::1:user/ann", "acs:ram::1:user/ann", Verdict.OK),
        ("acs:ram::1:assumed-role/fn/run-1", "acs:ram::1:role/fn", Verdict.OK),
        ("acs:ram::1:root", "acs:ram::1:root", Verdict.WARNING),
    ],
)
def test_an_account_itself_is_warned_of(arn: str, caller: str, verdict: Verdict) -> None:
    named, finding = shown({"RequestId": "4711", "Arn": arn})
    assert (named, finding.what, finding.verdict) == (caller, caller, verdict)
    assert bool(finding.why) is (verdict is Verdict.WARNING)


def test_who_calls_is_not_known_where_the_answer_does_not_say() -> None:
    named, finding = shown({"RequestId": "4711"})
    assert (named, finding.verdict) == ("", Verdict.MISSING)
    assert "the answer is incomplete or malformed" in finding.why
