"""From the SDKs' exceptions, and the cloud's error codes, to errors named by meaning.

The codes are those that the API references of STS, CR and CS list, and the common ones of the
gateway before them. A code says more than the HTTP status, which differs between the services.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from acr_refresher.cloud.clock import clock_words
from acr_refresher.errors import (
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


@dataclass(frozen=True, slots=True)
class CloudCall:
    """What is called, on what, by whom; `grant` says where the right to it is given.

    `trust`, of a role to be assumed, goes before it where the role's trust policy is known to deny.
    """

    service: str
    action: str
    target: str
    grant: str
    caller: CloudCredentials
    trust: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An API error as answered; `principal` is whom it names as not allowed, by what policy."""

    code: str
    status: int
    message: str = ""
    request_id: str = ""
    principal: str = ""
    policy_type: str = ""
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a code, or where no code says it a status, means. `words` are a format string."""

    meaning: type[PortError]
    codes: str
    words: str
    statuses: Container[int] = ()

    def covers(self, refusal: Refusal) -> bool:
        return refusal.status in self.statuses or bool(re.fullmatch(self.codes, refusal.code))


_THROTTLING = _Rule(
    Throttled, r".*Throttling.*|ServiceUnavailable", "too many requests: {message}", {429}
)
TRUST_POLICY = "AssumeRolePolicy"
WRONG_CLOCK = r"IllegalTimestamp|InvalidTimeStamp\..*|RequestTimeExpired"
"""Codes of a request signed at a time that is not the cloud's."""

_RULES = (  # the first that covers a refusal counts
    _THROTTLING,
    _Rule(
        Invalid,
        WRONG_CLOCK,
        "the clock here {clock}: set it right",
    ),
    _Rule(Unreachable, r"SignatureNonceUsed", "the same request arrived twice"),
    _Rule(
        Denied,
        r"InvalidSecurityToken.*|SecurityTokenExpired|MissingSecurityToken",
        "the caller's security token is not valid or has expired: {renewal}",
    ),
    _Rule(
        Denied,
        r"InvalidAccessKeyI[dD].*",
        "the caller's access key is unknown, disabled or expired: {renewal}",
    ),
    _Rule(
        Denied,
        r"Signature(DoesNot|Not)Match|IncompleteSignature|InvalidSignature.*",
        "the signature does not match, as the secret is not that of the caller's access key: "
        "{renewal}",
    ),
    _Rule(NotRunning, r"(?i).*Cluster.*(State|Status|NotRunning).*", "not running: {message}"),
    _Rule(Gone, r"Forbidden\.ResourceNotFound", "{target} is not there"),  # as KMS says it
    _Rule(
        Invalid,
        r"EntityNotExist\.Role",
        "{target} does not exist; check assumeRoleARN, or rrsaRoleARN",
    ),
    _Rule(
        Denied,
        r"(AuthenticationFail\.)?NoPermission|Forbidden.*|StatusForbidden",
        "denied{principal}: {grant}",
        {403},
    ),
    _Rule(
        Denied,
        r"AuthenticationFail\.OIDCToken\..*",
        "the cluster's token was not accepted: {message}; check rrsaOIDCProviderRoleARN",
    ),
    _Rule(Denied, r"Unauthorized", "the caller's identity was not accepted: {message}", {401}),
    _Rule(
        Unreachable,
        r"InternalError|ServiceError|SystemError|UnknownError",
        "the service failed: {message}",
        range(500, 600),
    ),
    _Rule(Invalid, r"InvalidAction\..*|InvalidVersion", "this API is not known there: {message}"),
    _Rule(Gone, r"(?i).*(NotExist|NotFound|NOT_EXIST|NOT_FOUND).*", "{target} is not there", {404}),
    _Rule(Invalid, r".*", "not understood: {message}"),
)


def port_error(error: Exception, call: CloudCall, skew: timedelta | None = None) -> PortError:
    """The meaning of whatever an SDK raised. `skew`: how far our clock is ahead of the cloud's."""
    from alibabacloud_tea_openapi.exceptions import (  # noqa: PLC0415  # loaded by whoever called it
        AlibabaCloudException,
    )

    if isinstance(error, AlibabaCloudException):
        return refused(_refusal(error), call, skew)
    return _unanswered(error, call)


def refused(refusal: Refusal, call: CloudCall, skew: timedelta | None = None) -> PortError:
    """The meaning of an API error."""
    # A pause asked for by header counts, whatever the code says.
    covering = (rule for rule in _RULES if rule.covers(refusal))
    rule = _THROTTLING if refusal.retry_after else next(covering)
    distrusted = call.trust and refusal.policy_type == TRUST_POLICY
    words = rule.words.format(
        target=call.target,
        grant=call.trust if distrusted else call.grant,
        renewal=call.caller.renewal,
        clock=clock_words(skew),
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


@contextmanager
def reading_answer(call: CloudCall, request_id: str = "") -> Iterator[None]:
    """Raises Invalid where an answer lacks what it should hold."""
    try:
        yield
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise Invalid(
            f"{call.action} for {call.target}: the answer lacks something or is malformed",
            service=call.service,
            request_id=request_id,
        ) from error


_UNPRINTABLE = re.compile(
    r"""
    (?is:string\W*to\W*sign.*)                   # signature errors echo what was signed, to the end
    | (?i:(?:security[_-]?token|access[_-]?key[_-]?secret|signature|authorization|bearer|password)
        (?:"?\s*[=:]\s*"?|\s+))[^\s&,;"]{8,}     # name=value, name: value
    | \b(?:STS\.|LTAI)[A-Za-z0-9]{8,}            # access key IDs
    | [A-Za-z0-9+/=]{40,}                        # hashes, keys and tokens in hex or base64
    """,
    re.VERBOSE,
)


def scrub(message: str, caller: CloudCredentials) -> str:
    """A message of the service without keys, tokens and signatures, and not too long."""
    for secret in (caller.access_key_secret, caller.security_token):
        if secret and (value := secret.get_secret_value()):
            message = message.replace(value, "***").replace(quote(value, safe="~"), "***")
    message = " ".join(_UNPRINTABLE.sub("***", message).split())
    most = SETTINGS.quoted_text
    return message if len(message) <= most else message[: most - 1] + "…"


def _refusal(error: Any) -> Refusal:
    answer = error.data if isinstance(error.data, Mapping) else {}
    detail = answer.get("AccessDeniedDetail") or answer.get("accessDeniedDetail")
    return Refusal(
        code=_present(error.code),
        status=error.status_code or 0,
        message=str(answer.get("Message") or answer.get("message") or ""),
        request_id=_present(error.request_id),
        principal=_principal(detail),
        policy_type=str(detail.get("PolicyType", "")) if isinstance(detail, Mapping) else "",
        retry_after=timedelta(milliseconds=error.retry_after) if error.retry_after else None,
    )


def _present(value: Any) -> str:
    """The SDK writes an absent field as the word None."""
    return "" if value in (None, "None") else str(value)


def _principal(detail: Any) -> str:
    """Whom AccessDeniedDetail names: `role:session`, or a user's ID, and the account."""
    if not isinstance(detail, Mapping) or not detail.get("AuthPrincipalDisplayName"):
        return ""
    owner = detail.get("AuthPrincipalOwnerId")
    return str(detail["AuthPrincipalDisplayName"]) + (f" of account {owner}" if owner else "")


def _unanswered(error: Exception, call: CloudCall) -> Unreachable:
    from requests import exceptions as http  # noqa: PLC0415  # loaded by the SDK that raised this

    inner = getattr(error, "inner_exception", error)
    cause = inner.__context__ if isinstance(inner.__context__, OSError) else inner
    untrusted = isinstance(cause, http.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(cause)
    if untrusted:
        words = "its TLS certificate is not trusted: does something in between replace it?"
    elif isinstance(cause, http.ConnectTimeout):
        words = "no connection in time"
    elif isinstance(cause, http.ReadTimeout):
        words = "no answer in time"
    elif isinstance(cause, http.ProxyError):
        words = "the proxy cannot be reached, or breaks the connection"
    elif isinstance(cause, OSError) and not isinstance(cause, http.InvalidJSONError):
        words = "the connection failed"
    else:
        words = "the answer is not one of the API's"
    remedy = "" if untrusted else ": check the region, and the way there"
    message = f"{call.action} for {call.target}: {words}{_asked(error, cause)}{remedy}"
    return Unreachable(message, retryable=not untrusted, service=call.service)


def _asked(error: Exception, cause: BaseException) -> str:
    """The host, in brackets, as far as the exceptions tell whom the request was for."""
    url = getattr(getattr(cause, "request", None), "url", None)
    sent = getattr(error, "last_request", None)  # what the SDK sent, where an answer made no sense
    host = urlsplit(url).hostname if url else getattr(sent, "headers", {}).get("host")
    return f" ({host})" if host else ""
