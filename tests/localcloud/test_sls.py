"""PutLogs with the SDK."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from Tea.exceptions import TeaException

from localcloud import log_signature, sls
from localcloud.api import HttpRequest
from localcloud.cloud import Cloud, utc_now
from localcloud.demo import FUNCTION_ACCOUNT, FUNCTION_ROLE_ARN, REGION, function_role
from localcloud.faults import ConnectionReset, throttled
from localcloud.log_group import parse_log_group
from localcloud.ram_files import load_policy
from localcloud.sdk import put_logs
from localcloud.server import serving
from localcloud.sessions import Session
from localcloud.world import LogProject, World

PROJECT = LogProject(FUNCTION_ACCOUNT, REGION, "acr-refresher", ("outcomes", "function"))
OTHERS = replace(PROJECT, name="others", account="1000000000000001")
POLICY = load_policy(
    "outcomes-log.policy",
    region=REGION,
    account=FUNCTION_ACCOUNT,
    project=PROJECT.name,
    logstore="outcomes",
)
ANYTHING = {
    "Version": "1",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


@contextmanager
def logging_under(policy: dict[str, Any]) -> Iterator[tuple[Cloud, str, Session]]:
    """A cloud with log projects, its URL, and a function with this policy."""
    role = replace(function_role(), policies=(policy,))
    cloud = Cloud(World(roles=(role,), log_projects=(PROJECT, OTHERS)))
    with serving(cloud) as url:
        yield cloud, url, cloud.function_credentials(FUNCTION_ROLE_ARN)


def now() -> int:
    return int(utc_now().timestamp())


@pytest.mark.parametrize("compression", [None, "zstd", "lz4", "deflate"])
def test_logs_arrive_with_their_fields(compression: str | None) -> None:
    with logging_under(POLICY) as (cloud, url, function):
        time = now()
        logs = [(time, {"cluster": "prod", "message": "größer ✓"}), (time - 60, {"cluster": ""})]
        put_logs(url, function, PROJECT.name, "outcomes", logs, compression=compression)
        marks = {"__topic__": "demo", "__source__": ""}
        assert cloud.logs.records(PROJECT.name, "outcomes") == [
            {"__time__": time, **marks, "cluster": "prod", "message": "größer ✓"},
            {"__time__": time - 60, **marks, "cluster": ""},
        ]
        [call] = cloud.calls("PutLogs")
        assert call.host == f"acr-refresher.{REGION}.log.aliyuncs.com"
        assert call.caller_arn == function.arn
        assert cloud.logs.records(PROJECT.name, "function") == []


def test_the_intranet_endpoint_leads_to_the_same_place() -> None:
    with logging_under(POLICY) as (cloud, url, function):
        host = f"{REGION}-intranet.log.aliyuncs.com"
        put_logs(url, function, PROJECT.name, "outcomes", [(now(), {"a": "b"})], host=host)
        assert len(cloud.logs.records(PROJECT.name, "outcomes")) == 1


MANY = [(0, {"n": "1"})] * (sls.MOST_LOGS + 1)
REFUSALS: list[tuple[str, Any, str, str, Sequence[tuple[int, dict[str, str]]], tuple[int, str]]] = [
    ("another logstore", POLICY, "acr-refresher", "function", [], (401, "Unauthorized")),
    ("another account's", ANYTHING, "others", "outcomes", [], (401, "Unauthorized")),
    ("no such project", ANYTHING, "none", "outcomes", [], (404, "ProjectNotExist")),
    ("no such logstore", ANYTHING, "acr-refresher", "none", [], (404, "LogStoreNotExist")),
    ("too many", POLICY, "acr-refresher", "outcomes", MANY, (400, "PostBodyTooLarge")),
    (
        "too large a value",
        POLICY,
        "acr-refresher",
        "outcomes",
        [(0, {"n": "x" * (sls.MOST_VALUE_BYTES + 1)})],
        (400, "PostBodyInvalid"),
    ),
    (
        "too much",
        POLICY,
        "acr-refresher",
        "outcomes",
        [(0, {"n": "x" * 1_000_000})] * 4,
        (400, "PostBodyTooLarge"),
    ),
    (
        "too old",
        POLICY,
        "acr-refresher",
        "outcomes",
        [(-169 * 3600, {"a": "b"})],
        (400, "InvalidTimestamp"),
    ),
    (
        "of the future",
        POLICY,
        "acr-refresher",
        "outcomes",
        [(16 * 60, {"a": "b"})],
        (400, "InvalidTimestamp"),
    ),
    (
        "an unknown compression",
        POLICY,
        "acr-refresher",
        "outcomes",
        [],
        (400, "InvalidCompressType"),
    ),
]


@pytest.mark.parametrize(
    ("policy", "project", "logstore", "logs", "expected"),
    [row[1:] for row in REFUSALS],
    ids=[row[0] for row in REFUSALS],
)
def test_refusals(
    policy: Any,
    project: str,
    logstore: str,
    logs: Sequence[tuple[int, dict[str, str]]],
    expected: tuple[int, str],
) -> None:
    """Times are relative to now."""
    compression = "gzip" if expected[1] == "InvalidCompressType" else None
    with logging_under(policy) as (cloud, url, function):
        timed = [(now() + time, contents) for time, contents in logs]
        with pytest.raises(TeaException) as caught:
            put_logs(url, function, project, logstore, timed, compression=compression)
        assert (caught.value.data["statusCode"], caught.value.code) == expected
        assert caught.value.data["requestId"] == cloud.calls("PutLogs")[0].request_id
        assert cloud.logs.records(project, logstore) == []


def test_a_denial_names_the_action_and_the_logstore() -> None:
    with logging_under(POLICY) as (_, url, function):
        with pytest.raises(TeaException) as caught:
            put_logs(url, function, PROJECT.name, "function", [])
        assert caught.value.message == (
            "denied by sts or ram, action: log:PostLogStoreLogs, resource:"
            f" acs:log:{REGION}:{FUNCTION_ACCOUNT}:project/acr-refresher/logstore/function"
        )


FORGERIES = {
    "an unknown key": ({"access_key_id": "STS.unknown"}, "Unauthorized"),
    "a wrong secret": ({"access_key_secret": "wrong"}, "SignatureNotMatch"),
    "a wrong token": ({"security_token": "wrong"}, "Unauthorized"),
}


@pytest.mark.parametrize(("forged", "code"), FORGERIES.values(), ids=FORGERIES.keys())
def test_an_unauthenticated_caller_is_refused(forged: dict[str, str], code: str) -> None:
    with logging_under(POLICY) as (_, url, function):
        with pytest.raises(TeaException) as caught:
            put_logs(url, replace(function, **forged), PROJECT.name, "outcomes", [])  # type: ignore[arg-type]  # the fields named are text
        assert (caught.value.data["statusCode"], caught.value.code) == (401, code)


def test_the_signature_covers_method_headers_body_path_and_query() -> None:
    headers = {
        "content-type": "application/x-protobuf",
        "date": "Mon, 09 Nov 2026 06:03:03 GMT",
        "host": "not.signed",
        "x-log-apiversion": "0.6.0",
        "x-acs-security-token": "token",
    }
    query = (("b", "2"), ("a", "1"))
    http = HttpRequest("POST", "h", "/logstores/outcomes/shards/lb", query, headers, b"body")
    assert log_signature.string_to_sign(http) == (
        "POST\n841A2D689AD86BD1611447453C22C6FC\napplication/x-protobuf\n"
        "Mon, 09 Nov 2026 06:03:03 GMT\n"
        "x-acs-security-token:token\nx-log-apiversion:0.6.0\n"
        "/logstores/outcomes/shards/lb?a=1&b=2"
    )


def test_faults_can_be_ordered() -> None:
    with logging_under(POLICY) as (cloud, url, function):
        for fault in (throttled(), ConnectionReset()):
            cloud.faults.inject("PutLogs", fault)
            with pytest.raises(TeaException):
                put_logs(url, function, PROJECT.name, "outcomes", [])
        put_logs(url, function, PROJECT.name, "outcomes", [(now(), {"a": "b"})])
        assert len(cloud.logs.records(PROJECT.name, "outcomes")) == 1


@pytest.mark.parametrize(
    "message",
    [
        b"\x0a",
        b"\x0a\x05\x08",
        b"\x0a\x02\x10\x01",
        b"\x0b",
        b"\x18\x01",
        b"\xff" * 12,
        b"\x0a\x00",
    ],
    ids=["no length", "cut off", "a number", "wire type", "topic", "endless", "no time"],
)
def test_what_is_not_a_log_group_is_recognised(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_log_group(message)


def test_fields_of_later_versions_are_ignored() -> None:
    fixed = b"\x25" + bytes(4) + b"\x21" + bytes(8)
    group = parse_log_group(b"\x0a\x07\x08\x07\x25" + bytes(4) + fixed)
    assert [log.time for log in group.logs] == [7]
