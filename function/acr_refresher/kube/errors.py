"""Turns an API server's answers, or the lack of an answer, into errors named by meaning.

A message has only those parts of an answer that cannot be secret: field names, users, verbs and
resources. The answer's own message may quote what was sent, so it is never repeated.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus

import aiohttp
from pydantic import BaseModel, ValidationError

from acr_refresher.errors import Conflict, Denied, Gone, Invalid, PortError, Throttled, Unreachable
from acr_refresher.settings import SETTINGS

TOKENS = "serviceaccounts/token"
NAMED = frozenset({"secrets", TOKENS})
"""Resources on which the function has rights for single names only."""
CAN_REACH = "Is the cluster up, and can the function's VPC reach it?"


class RedirectedError(Exception):
    """The server redirects to another address."""


class _Cause(BaseModel):
    reason: str = ""
    field: str = ""
    message: str = ""


class _Details(BaseModel):
    kind: str = ""
    name: str = ""
    causes: tuple[_Cause, ...] = ()


class _Status(BaseModel):
    """The parts of the Kubernetes API's Status object that are looked at."""

    message: str = ""
    details: _Details = _Details()


def request_name(method: str, path: str) -> str:
    """A request as messages show it, without its query."""
    return f"{method} {path.partition('?')[0]}"


def answer_error(
    request: str, status: int, headers: Mapping[str, str], content: bytes
) -> PortError:
    """The meaning of an HTTP status and the Status object that comes with it."""
    body = _read(content)
    meaning, words = _meaning(status, body)
    message = words.format(
        permission=_missing_permission(body), writers=_writers(body), fields=_fields(body)
    )
    return meaning(
        f"{request}: {message} ({status})",
        service="kube",
        code=str(status),
        request_id=headers.get("Audit-Id", ""),
        retry_after=_seconds(headers.get("Retry-After", "")),
    )


def refused_user(content: bytes) -> str:
    """The user that a refusal by RBAC names; empty if it names none."""
    denial = _RBAC_DENIAL.search(_read(content).message)
    return denial["user"] if denial else ""


def connection_error(
    server: str, method: str, path: str, error: Exception, proxy: str = ""
) -> PortError:
    """The meaning of a request that got no answer, from the server or from a proxy before it."""
    chain = tuple(_chain(error))
    if alert := next(filter(None, map(_certificate_alert, chain)), ""):
        return Denied(
            f"API server {server} refuses the client certificate in the TLS handshake ({alert})."
            " Get a new kubeconfig.",
            service="kube",
        )
    if untrusted := _untrusted(chain):
        return Unreachable(
            f"the certificate of API server {_via(server, proxy)} is not trusted ({untrusted})."
            " Check certificate-authority-data, server and tls-server-name in the kubeconfig.",
            retryable=False,
            service="kube",
        )
    words = next(words for words, kinds in _NO_ANSWER.items() if isinstance(error, kinds))
    message = words.format(
        server=server if "{proxy}" in words else _via(server, proxy),
        proxy=proxy,
        request=request_name(method, path),
        why=_why(error),
        host=_host(error),
        status=getattr(error, "status", ""),
    )
    passes = not isinstance(error, (RedirectedError, aiohttp.ClientHttpProxyError))
    return Unreachable(message, retryable=passes, service="kube")


# ---- what an answer means ------------------------------------------------------------------------


_BY_STATUS: Mapping[int, tuple[type[PortError], str]] = {
    HTTPStatus.UNAUTHORIZED: (
        Denied,
        "the API server does not know the credentials, or they have expired. Get a new kubeconfig.",
    ),
    HTTPStatus.FORBIDDEN: (Denied, "{permission}"),
    HTTPStatus.NOT_FOUND: (Gone, "the object or its namespace does not exist"),
    HTTPStatus.CONFLICT: (
        Conflict,
        "the object has changed, or belongs to another writer{writers}",
    ),
    HTTPStatus.GONE: (Gone, "this page of the list has expired"),
    HTTPStatus.TOO_MANY_REQUESTS: (Throttled, "too many requests"),
}
_SERVER_FAILED = (Unreachable, "the API server, or a proxy in front of it, failed")
_MALFORMED = (Invalid, "the API server rejects the request as malformed{fields}")
_TERMINATING = (Gone, "the namespace is being deleted")


def _meaning(status: int, body: _Status) -> tuple[type[PortError], str]:
    if status == HTTPStatus.FORBIDDEN and _is_terminating(body):
        return _TERMINATING
    if any(cause.field == "metadata.uid" for cause in body.details.causes):
        # An apply to a Secret that was deleted and created again. Some versions answer 422.
        return _BY_STATUS[HTTPStatus.CONFLICT]
    failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return _BY_STATUS.get(status, _SERVER_FAILED if failed else _MALFORMED)


def _is_terminating(body: _Status) -> bool:
    """Whether the namespace is being deleted, by the cause. Old servers say it in the message."""
    named = any(cause.reason == "NamespaceTerminating" for cause in body.details.causes)
    return named or "because it is being terminated" in body.message


_RBAC_DENIAL = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]*)" '
    r'in API group "(?P<group>[^"]*)"(?: in the namespace "(?P<namespace>[^"]*)")?'
)
_ADMISSION_DENIAL = re.compile(r'admission webhook "([^"]+)" denied|exceeded quota: ([^,]+),')


def _missing_permission(body: _Status) -> str:
    """The missing RBAC rule as YAML, or what else forbids the request."""
    name = body.details.name
    if denial := _RBAC_DENIAL.search(body.message):
        rule = _rule(denial["group"], denial["resource"], name, denial["verb"])
        role = _role_of(denial["user"], denial["resource"], denial["namespace"])
        return f"{role} lacks this rule, or its binding is missing: {rule}"
    if body.message.endswith("is forbidden: "):
        # An apply that would create the object is refused without a reason.
        rule = _rule("", body.details.kind, name, "create")
        return f"the user's ClusterRole lacks this rule: {rule}"
    if denial := _ADMISSION_DENIAL.search(body.message):
        webhook, quota = denial.groups()
        return f"denied by {f'admission webhook {webhook}' if webhook else f'quota {quota}'}"
    return "forbidden, but not by RBAC. Look for an admission policy."


def _role_of(user: str, resource: str, namespace: str | None) -> str:
    """The role that lacks the right. Only the right to one account's token is in a Role."""
    if resource == TOKENS and namespace:
        return f'the Role of user "{user}" in {namespace}'
    return f'the ClusterRole of user "{user}"'


def _rule(group: str, resource: str, name: str, verb: str) -> str:
    names = f'resourceNames: ["{name}"], ' if name and resource in NAMED else ""
    return f'{{apiGroups: ["{group}"], resources: ["{resource}"], {names}verbs: ["{verb}"]}}'


def _writers(body: _Status) -> str:
    """The field managers that an apply conflicts with."""
    causes = body.details.causes
    writers = (
        re.search(r'conflict with "([^"]+)"', cause.message[: SETTINGS.answer_text])
        for cause in causes
    )
    return _listed(": written by", (writer[1] for writer in writers if writer))


def _fields(body: _Status) -> str:
    return _listed(": see", (cause.field for cause in body.details.causes))


def _listed(introduction: str, words: Iterable[str]) -> str:
    listed = ", ".join(sorted(set(filter(None, words))))[: SETTINGS.quoted_text]
    return f"{introduction} {listed}" if listed else ""


def _read(content: bytes) -> _Status:
    try:
        status = _Status.model_validate_json(content)
    except ValidationError:
        return _Status()
    return status.model_copy(update={"message": status.message[: SETTINGS.answer_text]})


def _seconds(retry_after: str) -> timedelta | None:
    given = re.fullmatch(r"[0-9]{1,6}", retry_after)  # API servers never send a date
    return timedelta(seconds=int(retry_after)) if given else None


# ---- what no answer means ------------------------------------------------------------------------


_NO_CONNECTION = "cannot connect to API server {server}"
_NO_ANSWER: Mapping[str, tuple[type[Exception], ...]] = {  # the first that fits counts
    "API server {server} redirects {request}, which is not followed. Is it an API server?": (
        RedirectedError,
    ),
    "proxy {proxy} refuses to connect to API server {server} ({status}). Check the proxy and its"
    " login.": (aiohttp.ClientHttpProxyError,),
    "cannot connect to proxy {proxy} of API server {server}: {why}. Check the proxy's address.": (
        aiohttp.ClientProxyConnectionError,
    ),
    f"{_NO_CONNECTION}: host name {{host}} cannot be resolved. Check the kubeconfig and DNS.": (
        aiohttp.ClientConnectorDNSError,
    ),
    f"{_NO_CONNECTION}: no answer in time. {CAN_REACH}": (aiohttp.ConnectionTimeoutError,),
    "API server {server} gave no answer to {request} in time": (
        asyncio.TimeoutError,
        TimeoutError,
    ),
    f"{_NO_CONNECTION}: the TLS handshake failed ({{why}}). Check server in the kubeconfig.": (
        aiohttp.ClientSSLError,
    ),
    f"{_NO_CONNECTION}: {{why}}. {CAN_REACH}": (aiohttp.ClientConnectorError,),
    "the connection to API server {server} broke during {request}": (Exception,),
}


def _via(server: str, proxy: str) -> str:
    return f"{server} through proxy {proxy}" if proxy else server


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _certificate_alert(error: BaseException) -> str:
    """The TLS alert by which a server refuses our certificate, as OpenSSL names it."""
    reason = getattr(error, "reason", None) or "" if isinstance(error, ssl.SSLError) else ""
    concerns_us = re.search(r"ALERT_(.*CERTIFICATE.*|UNKNOWN_CA|ACCESS_DENIED)", reason)
    return concerns_us[1].replace("_", " ").lower() if concerns_us else ""


def _untrusted(chain: Sequence[BaseException]) -> str:
    """OpenSSL's reason not to trust a certificate; empty if it is trusted.

    aiohttp's error is of the same class as Python's own, but lacks the reason.
    """
    untrusted = [error for error in chain if isinstance(error, ssl.SSLCertVerificationError)]
    reasons = (getattr(error, "verify_message", "") for error in untrusted)
    return next(filter(None, reasons), "not verified") if untrusted else ""


def _why(error: Exception) -> str:
    chain = (each for each in _chain(error) if isinstance(each, ssl.SSLError))
    if reason := next(filter(None, (getattr(each, "reason", "") for each in chain)), ""):
        return reason.replace("_", " ").lower()
    number = (isinstance(error, OSError) and error.errno) or 0
    return os.strerror(number).lower() if number in errno.errorcode else "no connection"


def _host(error: Exception) -> str:
    return error.host if isinstance(error, aiohttp.ClientConnectorError) else ""
