"""Turns the SDKs' exceptions and the cloud's error codes into errors named by meaning.

The codes are from the API references of STS, CR, CS, KMS, FC and SLS, and of the gateway before
them. A code says more than the HTTP status, which differs between the services.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from acr_refresher.cloud.answers import AnswerTooLargeError
from acr_refresher.errors import (
    Conflict,
    Denied,
    Gone,
    Invalid,
    NotRunning,
    PortError,
    Throttled,
    Unreachable,
)
from acr_refresher.run.ports import CloudCredentials
from acr_refresher.settings import SETTINGS

CODE_LENGTH = 100
"""Characters of an answer's code that are looked at."""
LONGEST_PAUSE = timedelta(days=1)
CHECK_THE_WAY = "Check the region and the network path (VPC, NAT gateway, proxy)."


@dataclass(frozen=True, slots=True)
class CloudCall:
    """What is called, on what, and by which caller. `grant` says which permission is needed where.

    `trust` replaces `grant` if it is known that the trust policy of the role denies the call.
    """

    service: str
    action: str
    target: str
    grant: str
    caller: CloudCredentials
    trust: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An API error as answered. `principal` is the identity that a policy does not allow."""

    code: str
    status: int
    message: str = ""
    request_id: str = ""
    principal: str = ""
    policy_type: str = ""
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class _Rule:
    """The meaning of codes, or of statuses without a telling code. `words` is a format string."""

    meaning: type[PortError]
    codes: str
    words: str
    statuses: Container[int] = ()

    def covers(self, refusal: Refusal) -> bool:
        return refusal.status in self.statuses or bool(re.fullmatch(self.codes, refusal.code))


_THROTTLING = _Rule(
    Throttled,
    r".*Throttl(ing|ed).*|ServiceUnavailable",  # ResourceThrottled (503) is of FC
    "too many requests: {message}",
    {HTTPStatus.TOO_MANY_REQUESTS},
)
TRUST_POLICY = "AssumeRolePolicy"
WRONG_CLOCK = r"IllegalTimestamp|InvalidTimeStamp\..*|RequestTimeExpired"
"""Codes of a request whose signature has a time that is not the cloud's."""

_RULES = (  # the first that covers a refusal counts
    _THROTTLING,
    _Rule(Invalid, WRONG_CLOCK, "the clock of this machine {clock}. Set the clock."),
    _Rule(Unreachable, r"SignatureNonceUsed", "the same request arrived twice"),
    _Rule(
        Denied,
        r"InvalidSecurityToken.*|SecurityTokenExpired|MissingSecurityToken",
        "the caller's security token is invalid or has expired: {renewal}",
    ),
    _Rule(
        Denied,
        r"InvalidAccessKeyI[dD].*",
        "the caller's access key is unknown, disabled or expired: {renewal}",
    ),
    _Rule(
        Denied,
        r"Signature(DoesNot|Not)Match|IncompleteSignature|InvalidSignature.*",
        "the signature does not match, as the secret does not belong to the caller's access key: "
        "{renewal}",
    ),
    _Rule(
        NotRunning,
        r"(?i).*Cluster.*(State|Status|NotRunning).*",
        "the cluster is not running: {message}",
    ),
    _Rule(Gone, r"Forbidden\.ResourceNotFound", "{target} does not exist"),  # of KMS
    _Rule(Gone, r"Forbidden\.KeyNotFound", "the key that encrypts {target} does not exist"),
    # Sources differ about this code: one calls it an operation that is not supported, others a
    # missing permission, and its name means a check of an access control list.
    _Rule(
        Denied,
        r"ErrorCheckAcl",
        "an access control list or a policy denies it{principal}: {message}. If the list of the"
        " instance (or cluster) lacks the address that the function calls from, add it. Otherwise:"
        " {grant}",
    ),
    _Rule(
        Invalid,
        r"EntityNotExist\.Role",
        "{target} does not exist. Check assumeRoleARN or rrsaRoleARN.",
    ),
    _Rule(
        Denied,
        r"(AuthenticationFail\.)?NoPermission|Forbidden.*|StatusForbidden",
        "denied{principal}. {grant}",
        {HTTPStatus.FORBIDDEN},
    ),
    _Rule(
        Denied,
        r"AuthenticationFail\.OIDCToken\..*",
        "STS does not accept the cluster's token ({message}). Check rrsaOIDCProviderRoleARN.",
    ),
    _Rule(
        Denied,
        r"Unauthorized",
        "the identity of the caller is not accepted: {message}",
        {HTTPStatus.UNAUTHORIZED},
    ),
    _Rule(
        Unreachable,
        r"InternalError|ServiceError|SystemError|UnknownError",
        "the service failed: {message}",
        range(500, 600),
    ),
    _Rule(
        Invalid,
        r"InvalidAction\..*|InvalidVersion",
        "this region does not have the API: {message}",
    ),
    _Rule(
        Conflict,
        r"ConcurrentUpdateError",
        "it is being changed at the same time, and nothing was done: {message}",
        {HTTPStatus.CONFLICT},
    ),
    _Rule(
        Gone,
        r"(?i).*(NotExist|NotFound|NOT_EXIST|NOT_FOUND).*",
        "{target} does not exist",
        {HTTPStatus.NOT_FOUND},
    ),
)
_REJECTED = _Rule(Invalid, "", "the request was rejected: {message}")


def port_error(error: Exception, call: CloudCall, skew: timedelta | None = None) -> PortError:
    """The meaning of an SDK's exception. `skew`: how far our clock is ahead of the cloud's."""
    from alibabacloud_tea_openapi.exceptions import AlibabaCloudException

    if isinstance(error, AlibabaCloudException):
        return refused(_refusal(error), call, skew)
    return _unanswered(error, call)


def refused(refusal: Refusal, call: CloudCall, skew: timedelta | None = None) -> PortError:
    """The meaning of an API error."""
    # If the answer asks for a pause, it is throttling, whatever the code says.
    covering = (rule for rule in _RULES if rule.covers(refusal))
    rule = _THROTTLING if refusal.retry_after else next(covering, _REJECTED)
    distrusted = call.trust and refusal.policy_type == TRUST_POLICY
    words = rule.words.format(
        target=call.target,
        grant=call.trust if distrusted else call.grant,
        renewal=call.caller.renewal,
        clock=_clock_words(skew),
        principal=f" to {refusal.principal}" if refusal.principal else "",
        message=scrub(refusal.message, call.caller) or "no message",
    )
    return rule.meaning(
        f"{call.action} for {call.target}: {words} ({refusal.code or refusal.status})",
        service=call.service,
        code=refusal.code,
        request_id=refusal.request_id,
        retry_after=refusal.retry_after,
    )


def _clock_words(skew: timedelta | None) -> str:
    """How this machine's clock differs from the cloud's, if that can explain a refusal."""
    if skew is None or abs(skew) < SETTINGS.clock_tolerance:
        return "differs from the cloud's"
    seconds = round(abs(skew).total_seconds())
    return f"is {seconds} s {'ahead of' if skew > timedelta(0) else 'behind'} the cloud's"


@contextmanager
def reading_answer(call: CloudCall, request_id: object = "") -> Iterator[None]:
    """Raise Invalid if an answer does not have the fields that the block reads."""
    try:
        yield
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise Invalid(
            f"{call.action} for {call.target}: the answer is incomplete or malformed",
            service=call.service,
            request_id=str(request_id)[:CODE_LENGTH],
        ) from error


def text(value: object) -> str:
    """A text of an answer. Raises TypeError if it is anything else, or empty."""
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value


_UNPRINTABLE = re.compile(
    r"""
    (?is:string\W*to\W*sign.*)                   # signature errors end with what was signed
    | (?i:(?:security[_-]?token|access[_-]?key[_-]?secret|signature|authorization|bearer|password)
        (?:"?\s*[=:]\s*"?|\s+))[^\s&,;"]{8,}     # name=value, name: value
    | \b(?:STS\.|LTAI)[A-Za-z0-9]{8,}            # access key IDs
    | [A-Za-z0-9+/=]{40,}                        # hashes, keys and tokens in hex or base64
    """,
    re.VERBOSE,
)


def scrub(message: str, caller: CloudCredentials) -> str:
    """A service's message, shortened, with keys, tokens and signatures masked."""
    for secret in (caller.access_key_secret, caller.security_token):
        if secret and (value := secret.get_secret_value()):
            message = message.replace(value, "***").replace(quote(value, safe="~"), "***")
    message = " ".join(_UNPRINTABLE.sub("***", message[: SETTINGS.answer_text]).split())
    limit = SETTINGS.quoted_text
    return message if len(message) <= limit else message[: limit - 1] + "…"


def _refusal(error: Any) -> Refusal:
    answer = error.data if isinstance(error.data, Mapping) else {}
    detail = answer.get("AccessDeniedDetail") or answer.get("accessDeniedDetail")
    detail = detail if isinstance(detail, Mapping) else {}
    return Refusal(
        code=_present(error.code)[:CODE_LENGTH],
        status=error.status_code or 0,
        message=str(answer.get("Message") or answer.get("message") or ""),
        request_id=_present(error.request_id)[:CODE_LENGTH],
        principal=_principal(detail),
        policy_type=str(detail.get("PolicyType", ""))[:CODE_LENGTH],
        retry_after=_pause(error.retry_after) if error.retry_after else None,
    )


def _present(value: Any) -> str:
    """The value as text. The SDK writes an absent field as the word None, which becomes empty."""
    return "" if value in (None, "None") else str(value)


def _principal(detail: Mapping[str, Any]) -> str:
    """The denied identity: `role:session` or a user's ID, and the account."""
    if not detail.get("AuthPrincipalDisplayName"):
        return ""
    owner = detail.get("AuthPrincipalOwnerId")
    name = f"{detail['AuthPrincipalDisplayName']}"[:CODE_LENGTH]
    return name + (f" of account {owner}"[:CODE_LENGTH] if owner else "")


def _pause(milliseconds: int) -> timedelta:
    return timedelta(milliseconds=min(milliseconds, LONGEST_PAUSE // timedelta(milliseconds=1)))


def endless(call: CloudCall) -> Unreachable:
    """The error for an answer that did not end in time."""
    return Unreachable(
        f"{call.action} for {call.target}: the service did not end its answer in time."
        f" {CHECK_THE_WAY}",
        service=call.service,
    )


def _unanswered(error: Exception, call: CloudCall) -> PortError:
    from requests import exceptions as http

    inner = getattr(error, "inner_exception", error)
    cause = inner.__context__ if isinstance(inner.__context__, OSError) else inner
    host = _host(error, cause)
    if isinstance(cause, AnswerTooLargeError):
        return Invalid(
            f"{call.action} for {call.target}: the answer is too large: {cause}. Does a proxy"
            " answer in the service's place?",
            service=call.service,
        )
    untrusted = isinstance(cause, http.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(cause)
    if untrusted:
        words = f"the TLS certificate of {host} is not trusted. Does a proxy replace it?"
    elif isinstance(cause, http.ConnectTimeout):
        words = f"cannot connect to {host}: no connection in time. {CHECK_THE_WAY}"
    elif isinstance(cause, http.ReadTimeout):
        words = f"{host} did not answer in time. {CHECK_THE_WAY}"
    elif isinstance(cause, http.ProxyError):
        words = f"the proxy on the way to {host} cannot be reached or breaks the connection"
    elif isinstance(cause, OSError) and "Failed to resolve" in str(cause):
        words = f"cannot connect to {host}: its name cannot be resolved. {CHECK_THE_WAY}"
    elif isinstance(cause, OSError) and not isinstance(cause, http.InvalidJSONError):
        words = f"the connection to {host} failed. {CHECK_THE_WAY}"
    else:
        return not_of_the_api(call, host)
    message = f"{call.action} for {call.target}: {words}"
    return Unreachable(message, retryable=not untrusted, service=call.service)


def not_of_the_api(call: CloudCall, host: str = "the service") -> Unreachable:
    """The error for an answer that the API never gives, such as a proxy's page."""
    return Unreachable(
        f"{call.action} for {call.target}: {host} gave an answer that is not the API's. "
        "Does a proxy answer in its place?",
        service=call.service,
    )


def _host(error: Exception, cause: BaseException) -> str:
    """The host that the request was sent to, if the exceptions have it."""
    url = getattr(getattr(cause, "request", None), "url", None)
    sent = getattr(error, "last_request", None)  # by the SDK, if it cannot read the answer
    host = urlsplit(url).hostname if url else getattr(sent, "headers", {}).get("host")
    return host or "the service"
