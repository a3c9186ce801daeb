"""What an API error means, by its code. The services' own answers: test_cloud.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from darabonba.exceptions import RetryError, UnretryableException
from darabonba.policy.retry import RetryPolicyContext
from darabonba.request import DaraRequest
from pydantic import SecretStr
from requests import Request
from requests import exceptions as http

from acr_refresher.cloud.errors import CloudCall, Refusal, port_error, refused, scrub
from acr_refresher.errors import Conflict, Denied, Gone, Invalid, PortError, Throttled, Unreachable
from acr_refresher.run.ports import CloudCredentials
from acr_refresher.settings import SETTINGS

CALLER = CloudCredentials("STS.NUxxxxxxxxxxxx", SecretStr("kEy/with+signs"), SecretStr("CAIS=tok"))
CALL = CloudCall("sts", "sts:AssumeRole", "role acs:ram::1:role/pull", "grant it there", CALLER)


@pytest.mark.parametrize(
    ("code", "status", "meaning", "words"),
    [
        ("Throttling", 400, Throttled, "too many requests"),
        ("Throttling.User", 400, Throttled, "too many requests"),
        ("Rejected.Throttling", 403, Throttled, "too many requests"),
        ("ServiceUnavailable", 503, Throttled, "too many requests"),
        ("", 429, Throttled, "too many requests"),
        ("IllegalTimestamp", 400, Invalid, "the clock of this machine differs"),
        ("InvalidTimeStamp.Expired", 400, Invalid, "the clock of this machine differs"),
        ("SignatureNonceUsed", 400, Unreachable, "the same request arrived twice"),
        ("InvalidSecurityToken.Expired", 403, Denied, "a new run gets a new one"),
        ("InvalidAccessKeyId.NotFound", 404, Denied, "check the function's role"),
        ("InvalidAccessKeyId.Inactive", 403, Denied, "check the function's role"),
        ("SignatureDoesNotMatch", 400, Denied, "the signature does not match"),
        ("EntityNotExist.Role", 404, Invalid, "role/pull does not exist. Check assumeRoleARN"),
        ("NoPermission", 403, Denied, "denied. grant it there"),
        ("Forbidden.RAM", 403, Denied, "denied. grant it there"),
        ("StatusForbidden", 403, Denied, "denied. grant it there"),
        ("Whatever", 403, Denied, "denied. grant it there"),
        ("Whatever", 401, Denied, "is not accepted: Because."),
        ("InternalError", 500, Unreachable, "the service failed: Because."),
        ("InternalError", 200, Unreachable, "the service failed: Because."),
        ("Whatever", 502, Unreachable, "the service failed: Because."),
        ("InvalidAction.NotFound", 404, Invalid, "this region does not have the API"),
        ("ResourceThrottled", 503, Throttled, "too many requests"),
        ("Forbidden.ResourceNotFound", 404, Gone, "role/pull does not exist"),
        ("Forbidden.KeyNotFound", 404, Gone, "the key that encrypts role acs:ram::1:role/pull"),
        ("ErrorCheckAcl", 400, Denied, "an access control list or a policy denies it: Because."),
        ("ConcurrentUpdateError", 409, Conflict, "nothing was done: Because."),
        ("Whatever", 409, Conflict, "nothing was done: Because."),
        ("INSTANCE_NOT_EXIST", 200, Gone, "does not exist"),
        ("ErrorClusterNotFound", 404, Gone, "does not exist"),
        ("Whatever", 404, Gone, "does not exist"),
        ("InvalidParameter.DurationSeconds", 400, Invalid, "the request was rejected: Because."),
        ("MissingRoleArn", 400, Invalid, "the request was rejected: Because."),
        ("", 418, Invalid, "the request was rejected: Because. (418)"),
    ],
)
def test_a_code_has_a_meaning(code: str, status: int, meaning: type[PortError], words: str) -> None:
    error = refused(Refusal(code, status, "Because.", request_id="4711"), CALL)

    assert type(error) is meaning
    assert str(error).startswith("sts:AssumeRole for role acs:ram::1:role/pull: ")
    assert words in str(error)
    assert (error.service, error.code, error.request_id) == ("sts", code, "4711")
    assert error.retryable is (meaning in {Throttled, Unreachable})


@pytest.mark.parametrize(
    "code",
    [
        "InvalidSecurityToken.Expired",
        "InvalidAccessKeyId.NotFound",
        "InvalidAccessKeyID",  # of Function Compute
        "SignatureDoesNotMatch",
        "SignatureNotMatch",  # of Function Compute and SLS
    ],
)
def test_what_to_do_about_credentials_is_for_whoever_gave_them(code: str) -> None:
    caller = replace(CALLER, renewal="ask the office")
    error = refused(Refusal(code, 403), replace(CALL, caller=caller))

    assert str(error).endswith(f": ask the office ({code})")
    assert "run" not in str(error)


def test_a_pause_asked_for_is_throttling_whatever_the_code() -> None:
    error = refused(Refusal("InternalError", 500, retry_after=timedelta(seconds=2)), CALL)

    assert isinstance(error, Throttled)
    assert error.retry_after == timedelta(seconds=2)
    assert "no message" in str(error)


def test_a_denial_names_who_was_denied() -> None:
    error = refused(Refusal("NoPermission", 403, principal="fn:run of account 1"), CALL)

    assert "denied to fn:run of account 1. grant it there (NoPermission)" in str(error)


def unanswered(cause: Exception, sent: DaraRequest | None = None) -> Exception:
    """What the SDK makes of a connection that failed, or of an answer that is no JSON."""
    try:
        try:
            raise cause
        except OSError as error:
            raise RetryError(str(error))  # noqa: B904  # as the SDK does
    except Exception as error:  # noqa: BLE001  # as the SDK does
        sdk_error: Exception = UnretryableException(
            RetryPolicyContext(retries_attempted=1, http_request=sent, exception=error)
        )
        return sdk_error


@pytest.mark.parametrize(
    ("cause", "words", "retryable"),
    [
        (http.ConnectTimeout(), "cannot connect to the service: no connection in time", True),
        (http.ReadTimeout(), "the service did not answer in time", True),
        (http.ProxyError(), "the proxy on the way to the service cannot be reached", True),
        (http.ConnectionError("Failed to resolve"), "its name cannot be resolved", True),
        (http.ConnectionError("reset"), "the connection to the service failed", True),
        (
            http.SSLError("EOF occurred in violation of protocol"),
            "the connection to the service failed",
            True,
        ),
        (
            http.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED]"),
            "the TLS certificate of the service is not trusted",
            False,
        ),
        (ValueError("Expecting value"), "the service gave an answer that is not the API's", True),
    ],
)
def test_no_answer_has_a_meaning(cause: Exception, words: str, retryable: bool) -> None:
    error = port_error(unanswered(cause), CALL)

    assert isinstance(error, Unreachable)
    assert words in str(error)
    assert error.retryable is retryable


@pytest.mark.parametrize("known_by", ["requests", "the SDK"])
def test_no_answer_names_the_host_and_what_to_check(known_by: str) -> None:
    cause = http.ConnectionError("Failed to resolve")
    sent = None
    if known_by == "requests":
        cause.request = Request("POST", "https://sts.cn-hangzou.aliyuncs.com/?RoleArn=x").prepare()
    else:
        sent = DaraRequest()
        sent.headers = {"host": "sts.cn-hangzou.aliyuncs.com"}

    error = port_error(unanswered(cause, sent), CALL)

    assert str(error) == (
        "sts:AssumeRole for role acs:ram::1:role/pull: cannot connect to"
        " sts.cn-hangzou.aliyuncs.com: its name cannot be resolved. Check the region and the"
        " network path (VPC, NAT gateway, proxy)."
    )


@pytest.mark.parametrize(
    ("message", "scrubbed"),
    [
        ("role acs:ram::1230047551289034:role/acr-refresher-registry-reader-of-everything stays",)
        * 2,
        ("request 1A2B3C4D-0000-4000-8000-0123456789AB stays",) * 2,
        ("the secret kEy/with+signs", "the secret ***"),
        ("the secret kEy%2Fwith%2Bsigns", "the secret ***"),
        ("token CAIS=tok and CAIS%3Dtok", "token *** and ***"),
        ("key STS.NUgYrLnoC37mZZCNnAbez", "key ***"),
        ("key LTAI5tAbCdEfGhIjKlMnOpQr.", "key ***."),
        ("SecurityToken=short-token&x=1", "***&x=1"),
        ('{"AccessKeySecret": "not-ours-at-all"}', '{"***"}'),
        ("authorization: ACS3-HMAC-SHA256 Credential=x", "*** Credential=x"),
        ("hash " + "0f" * 32, "hash ***"),
        (
            "No match, server StringToSign is:[GET&%2F&Access] and",
            "No match, server ***",
        ),
        ("server string to sign is: POST\n/\nabc", "server ***"),
        ("two\nlines", "two lines"),
        ("word " * 100, ("word " * 100)[: SETTINGS.quoted_text - 1] + "…"),
    ],
)
def test_a_message_carries_no_secret_and_is_not_too_long(message: str, scrubbed: str) -> None:
    assert scrub(message, CALLER) == scrubbed


def test_a_caller_without_token_or_with_an_empty_secret_changes_nothing() -> None:
    assert scrub("as it was", CloudCredentials("LTAI", SecretStr(""))) == "as it was"
