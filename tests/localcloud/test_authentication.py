"""Wrongly signed requests, sent by the SDK or manually."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests
import time_machine
from alibabacloud_tea_openapi.exceptions import ClientException

from localcloud import signature
from localcloud.cloud import Cloud
from localcloud.demo import FUNCTION_ROLE_ARN, REGISTRY_ROLE_ARN
from localcloud.sdk import assume_role
from localcloud.server import serving
from localcloud.sessions import Session

STS = "sts.cn-hangzhou.aliyuncs.com"
BODY = b"RoleSessionName=by-hand&RoleArn=" + REGISTRY_ROLE_ARN.encode()

Change = Callable[[dict[str, str]], object]


def headers(session: Session, body: bytes = BODY, date: datetime | None = None) -> dict[str, str]:
    """The headers that a signed request has, without the signature."""
    date = date or datetime.now(timezone.utc)
    return {
        "host": STS,
        "content-type": "application/x-www-form-urlencoded",
        "x-acs-action": "AssumeRole",
        "x-acs-version": "2015-04-01",
        "x-acs-date": date.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": uuid.uuid4().hex,
        "x-acs-content-sha256": signature.content_digest(body),
        "x-acs-accesskey-id": session.access_key_id,
        "x-acs-security-token": session.security_token,
    }


def authorized(session: Session, unsigned: dict[str, str], body: bytes = BODY) -> dict[str, str]:
    canonical = signature.canonical_request("POST", "/", [], unsigned, list(unsigned), body)
    value = (
        f"{signature.ALGORITHM} Credential={session.access_key_id},"
        f"SignedHeaders={';'.join(sorted(unsigned))},"
        f"Signature={signature.sign(session.access_key_secret, canonical)}"
    )
    return {**unsigned, "authorization": value}


def send(url: str, signed: dict[str, str], body: bytes = BODY) -> tuple[int, str]:
    """POST a form. Returns HTTP status and error code."""
    proxies = {"http": url}
    response = requests.post(f"http://{STS}/", body, headers=signed, proxies=proxies, timeout=10)
    response.close()
    return response.status_code, response.json().get("Code", "")


def test_a_manually_signed_form_is_accepted(url: str, function: Session) -> None:
    assert send(url, authorized(function, headers(function))) == (200, "")


def test_a_request_sent_twice_is_refused(url: str, function: Session) -> None:
    signed = authorized(function, headers(function))
    send(url, signed)
    assert send(url, signed) == (400, "SignatureNonceUsed")


def test_a_wrongly_signed_request_does_not_use_up_its_nonce(url: str, function: Session) -> None:
    unsigned = headers(function)
    send(url, authorized(replace(function, access_key_secret="guessed"), unsigned))
    assert send(url, authorized(function, unsigned)) == (200, "")


def remove(name: str) -> Change:
    return lambda sent: sent.pop(name)


def put(name: str, value: str) -> Change:
    return lambda sent: sent.update({name: value})


UNSIGNED = [
    ("a header added", put("x-acs-credentials-provider", "static"), "IncompleteSignature"),
    ("a header changed", put("content-type", "text/plain"), "SignatureDoesNotMatch"),
    ("a header removed", remove("content-type"), "SignatureDoesNotMatch"),
    ("another algorithm", put("authorization", "ACS3-HMAC-SM3 x"), "IncompleteSignature"),
    ("no authorization", remove("authorization"), "MissingAccessKeyId"),
]


@pytest.mark.parametrize(
    ("change", "code"), [row[1:] for row in UNSIGNED], ids=[row[0] for row in UNSIGNED]
)
def test_changed_after_signing(url: str, function: Session, change: Change, code: str) -> None:
    signed = authorized(function, headers(function))
    change(signed)
    assert send(url, signed) == (400, code)


def test_the_body_is_signed(url: str, function: Session) -> None:
    signed = authorized(function, headers(function))
    assert send(url, signed, BODY + b"0") == (400, "SignatureDoesNotMatch")


def test_the_content_digest_must_be_the_bodys(url: str, function: Session) -> None:
    unsigned = {**headers(function), "x-acs-content-sha256": "0" * 64}
    assert send(url, authorized(function, unsigned)) == (400, "SignatureDoesNotMatch")


@pytest.mark.parametrize("name", ["x-acs-date", "x-acs-signature-nonce", "host"])
def test_what_must_be_signed(url: str, function: Session, name: str) -> None:
    unsigned = headers(function)
    left_out = {name: unsigned.pop(name)}
    signed = {**authorized(function, unsigned), **left_out}
    assert send(url, signed) == (400, "IncompleteSignature")


DATES = [
    ("14 minutes slow", timedelta(minutes=-14), (200, "")),
    ("14 minutes fast", timedelta(minutes=14), (200, "")),
    ("16 minutes slow", timedelta(minutes=-16), (400, "InvalidTimeStamp.Expired")),
    ("16 minutes fast", timedelta(minutes=16), (400, "IllegalTimestamp")),
]


@pytest.mark.parametrize(
    ("error", "expected"), [row[1:] for row in DATES], ids=[row[0] for row in DATES]
)
def test_the_clock_of_the_caller_is_checked(
    url: str, function: Session, error: timedelta, expected: tuple[int, str]
) -> None:
    unsigned = headers(function, date=datetime.now(timezone.utc) + error)
    assert send(url, authorized(function, unsigned)) == expected


def test_an_invalid_date_is_refused(url: str, function: Session) -> None:
    unsigned = {**headers(function), "x-acs-date": "today"}
    assert send(url, authorized(function, unsigned)) == (400, "IllegalTimestamp")


CREDENTIALS = [
    ("unknown key", {"access_key_id": "STS.unknown"}, 404, "InvalidAccessKeyId.NotFound"),
    ("wrong secret", {"access_key_secret": "guessed"}, 400, "SignatureDoesNotMatch"),
    ("no token", {"security_token": ""}, 400, "MissingSecurityToken"),
    ("unknown token", {"security_token": "made-up"}, 400, "InvalidSecurityToken.Malformed"),
]


@pytest.mark.parametrize(
    ("changes", "status", "code"), [row[1:] for row in CREDENTIALS], ids=[r[0] for r in CREDENTIALS]
)
def test_credentials(
    url: str, function: Session, changes: dict[str, Any], status: int, code: str
) -> None:
    with pytest.raises(ClientException) as caught:
        assume_role(url, replace(function, **changes), REGISTRY_ROLE_ARN)
    assert (caught.value.status_code, caught.value.code) == (status, code)


def test_a_token_goes_with_its_own_key(cloud: Cloud, url: str, function: Session) -> None:
    other = cloud.function_credentials(FUNCTION_ROLE_ARN)
    with pytest.raises(ClientException) as caught:
        assume_role(url, replace(function, security_token=other.security_token), REGISTRY_ROLE_ARN)
    assert caught.value.code == "InvalidSecurityToken.MismatchWithAccessKey"


def test_credentials_expire_at_their_expiration(cloud: Cloud, url: str) -> None:
    session = cloud.function_credentials(FUNCTION_ROLE_ARN, timedelta(minutes=30))
    with time_machine.travel(session.expires_at - timedelta(seconds=1), tick=False):
        assume_role(url, session, REGISTRY_ROLE_ARN)
    with (
        time_machine.travel(session.expires_at, tick=False),
        pytest.raises(ClientException) as caught,
    ):
        assume_role(url, session, REGISTRY_ROLE_ARN)
    assert caught.value.code == "InvalidSecurityToken.Expired"


def test_the_clouds_clock_decides(function: Session, cloud: Cloud) -> None:
    """A caller with the right time is refused by a cloud that is a day ahead."""
    ahead = replace(cloud, clock=lambda: datetime.now(timezone.utc) + timedelta(days=1))
    with serving(ahead) as url, pytest.raises(ClientException) as caught:
        assume_role(url, function, REGISTRY_ROLE_ARN)
    assert caught.value.code == "InvalidTimeStamp.Expired"


def test_refusals_and_calls_leave_no_secret_in_any_repr(
    cloud: Cloud, url: str, function: Session
) -> None:
    assume_role(url, function, REGISTRY_ROLE_ARN)
    shown = repr(cloud) + repr(cloud.calls()) + repr(cloud.sessions)
    for session in cloud.sessions.values():
        assert session.access_key_secret not in shown
        assert session.security_token not in shown
    assert cloud.registry_admin.password not in shown
