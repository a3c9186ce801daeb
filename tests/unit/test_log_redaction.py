"""What is recognised as a secret, and what must stay readable."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from acr_refresher.core.outcome import ClusterOutcome, Failure, SecretOutcome
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.report import Report, report_from_json, report_to_json
from acr_refresher.core.request import Request
from acr_refresher.errors import Denied
from acr_refresher.log import MASK, is_secret_name, mask_text, safe_document, safe_text
from acr_refresher.settings import SETTINGS

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhY3IifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"got {JWT}, thanks", f"got {MASK}, thanks", id="JSON Web Token"),
        pytest.param("Bearer k8s-aabbccdd", f"Bearer {MASK}", id="bearer"),
        pytest.param("authorization: Basic Y3I6dG9r", f"authorization: Basic {MASK}", id="basic"),
        pytest.param("https://cr:p4ss@a.example", f"https://cr:{MASK}@a.example", id="URL"),
        pytest.param(
            "?SignatureNonce=1&Signature=a%2Fb&SecurityToken=CAIS",
            f"?SignatureNonce=1&Signature={MASK}&SecurityToken={MASK}",
            id="query",
        ),
        pytest.param(
            "{'x-acs-security-token': 'CAIS', 'accept': '*/*'}",
            f"{{'x-acs-security-token': '{MASK}', 'accept': '*/*'}}",
            id="headers as a dict",
        ),
        pytest.param(
            '{"AccessKeySecret":"abc","Code":"x"}',
            f'{{"AccessKeySecret":"{MASK}","Code":"x"}}',
            id="JSON",
        ),
        pytest.param("key q7Gd0TzWcL4xVb92NsKeRf5YhAuJmP", f"key {MASK}", id="access key secret"),
        pytest.param("got bearer k8s-aabbccdd", f"got bearer {MASK}", id="all in small letters"),
        pytest.param("YWxhZGRpbjpvcGVuU2VzYW1lMTIzNA==.", f"{MASK}.", id="base64"),
    ],
)
def test_secrets_in_text_are_masked(text: str, expected: str) -> None:
    assert mask_text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "acr-pull",
        "secret-missing",
        "secret=acr-pull in team-a",
        "token.failed",
        "prod/shop/acr-pull renewed near-expiry 2026-01-31T13:00:00Z",
        "3C9F3B2E-7B1A-5D2C-9E1F-0A1B2C3D4E5F",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "c1d00000000000000000000000000001",
        "acs:ram::1000000000000001:role/AliyunServiceRoleForRefresher2",
        "acr-refresher-20260131T120000Z-1a2b3c",
        "InvalidSecurityToken.Expired: the token has expired",
        "https://cs.cn-hangzhou.aliyuncs.com/k8s/c1d/user_config?PrivateIpAddress=false",
    ],
)
def test_names_stay_readable(text: str) -> None:
    assert mask_text(text) == text


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("password", True),
        ("security_token", True),
        ("x-acs-security-token", True),
        ("access_key_secret", True),
        ("secretKey", True),
        ("Authorization", True),
        ("kubeconfig", True),
        (".dockerconfigjson", True),
        ("client-key-data", True),
        ("credentials", True),
        ("secret", False),
        ("secrets_created", False),
        ("reason", False),
        ("access_key_id", False),
        ("request_id", False),
    ],
)
def test_names_of_secrets(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


def test_an_errors_texts_are_masked_where_it_becomes_data() -> None:
    """Records and reports get what log lines get."""
    text = "Bearer k8s-aabbccdd"
    failure = Denied(f"no {text}", service="kube", code=text, request_id=text).failure()
    masked = f"Bearer {MASK}"
    assert (failure.message, failure.code, failure.request_id) == (f"no {masked}", masked, masked)


# ---- texts that others wrote ---------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a\u202eb", "a\nb", "a\x1b[2Jb", "a\x00b", "a\ud800b"])
def test_a_text_cannot_reverse_a_line_or_move_the_cursor(text: str) -> None:
    assert safe_text(text).isprintable()
    assert safe_text(text).startswith("a ")


def test_a_text_that_is_too_long_is_cut_and_no_part_of_a_secret_is_left() -> None:
    secret = "eyJ" + "hbGciOiJSUzI1NiIsImtpZCI6" * 100
    for length in (9_000, 9_990, 9_998, 20_000):
        text = safe_text("x" * length + " " + secret)
        assert len(text) <= SETTINGS.record_text
        assert "hbGci" not in text
    assert len(safe_text("y " * 2_500_000)) == SETTINGS.record_text


def test_every_text_of_a_report_is_safe() -> None:
    """An API server may echo anything into its messages."""
    failure = Failure("denied", 'User "Bearer abcdefgh12345678"\u202e cannot list', "x\ny")
    secret = SecretOutcome(
        namespace="shop",
        secret="acr-pull",  # the name of an object
        result=Result.FAILED,
        reason=Reason.NEAR_EXPIRY,
        failures=(failure,),
        warnings=("password=hunter2hunter2", "z" * 5_000_000),
    )
    cluster = ClusterOutcome(cluster="prod", secrets=(secret,), skipped="token=hunter2hunter2")
    report = Report("run-1", Request("manual"), datetime.now(timezone.utc), (cluster,))
    document = safe_document(report_to_json(report))
    text = json.dumps(document, ensure_ascii=False)
    assert "abcdefgh12345678" not in text
    assert "hunter2" not in text
    assert text.isprintable()
    assert len(text) < 20_000
    assert report_from_json(text.encode()).clusters[0].secrets[0].namespace == "shop"
    assert document["clusters"][0]["secrets"][0]["secret"] == "acr-pull"
    assert document["ok"] is False
