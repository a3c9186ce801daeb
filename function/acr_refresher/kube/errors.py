"""Turns an API server's answers, or the lack of an answer, into errors named by meaning.

A message has only those parts of an answer that cannot be secret: names of fields, policies and
field managers. The answer's own message may quote what was sent, so it is never repeated.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from http import HTTPStatus

import aiohttp

from acr_refresher.errors import Conflict, Denied, Gone, Invalid, PortError, Throttled, Unreachable
from acr_refresher.kube.refusals import (
    Refusal,
    Status,
    missing_rule,
    read_status,
    refused_by_rbac,
    spoken_refusal,
)
from acr_refresher.settings import SETTINGS

CAN_REACH = "Is the cluster up, and can the function's VPC reach it?"


MAY_HANG = "An admission webhook may hang."


class RedirectedError(Exception):
    """The server redirects to another address."""


def request_name(method: str, path: str) -> str:
    """A request as messages show it, without its query."""
    return f"{method} {path.partition('?')[0]}"


def answer_error(
    method: str, path: str, status: int, headers: Mapping[str, str], content: bytes
) -> PortError:
    """The meaning of an answer: of its message first, then of its HTTP status.

    Admission refuses with any status, and a webhook's 404 must not pass as a missing namespace.
    """
    body = read_status(content)
    refusal = spoken_refusal(body) or _by_status(method, path, status, body)
    meaning: Callable[..., PortError] = refusal.meaning
    if issubclass(refusal.meaning, Unreachable):
        meaning = partial(refusal.meaning, retryable=refusal.passes)
    audit_id = headers.get("Audit-Id", "")
    return meaning(
        f"{request_name(method, path)}: {refusal.words} ({status})",
        service="kube",
        code=str(status),
        request_id=audit_id if _AUDIT_ID.fullmatch(audit_id) else "",
        retry_after=_seconds(headers.get("Retry-After", "")),
    )


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
        hint="" if method == "GET" else f" {MAY_HANG}",
    )
    passes = not isinstance(error, (RedirectedError, aiohttp.ClientHttpProxyError))
    return Unreachable(message, retryable=passes, service="kube")


# ---- what an answer means ------------------------------------------------------------------------


_AUDIT_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
_UNKNOWN_USER = Refusal(
    Denied,
    "the API server does not know the credentials, or they have expired. Get a new kubeconfig.",
)
_THROTTLED = Refusal(Throttled, "too many requests")
_FAILED = Refusal(Unreachable, "the API server, or a proxy in front of it, failed", passes=True)
_GONE = Refusal(Gone, "the object or its namespace does not exist")
_TERMINATING = Refusal(Gone, "the namespace is being deleted")
_PAGE_EXPIRED = Refusal(Gone, "this page of the list has expired")
_NO_API = Refusal(Unreachable, "the server does not know this address. Is it an API server?")


def _by_status(method: str, path: str, status: int, body: Status) -> Refusal:
    """The meaning of a status. Only an API server's own words make an object Gone."""
    if any(cause.field == "metadata.uid" for cause in body.details.causes):
        # An apply to a Secret that was deleted and created again. Some versions answer 422.
        status = HTTPStatus.CONFLICT
    known: Mapping[int, Refusal] = {
        HTTPStatus.UNAUTHORIZED: _UNKNOWN_USER,
        HTTPStatus.NOT_FOUND: _GONE if body.reason == "NotFound" else _NO_API,
        HTTPStatus.CONFLICT: Refusal(
            Conflict, f"the object has changed, or belongs to another writer{_writers(body)}"
        ),
        HTTPStatus.TOO_MANY_REQUESTS: _THROTTLED,
    }
    if status == HTTPStatus.FORBIDDEN:
        return _forbidden(method, path, body)
    if status == HTTPStatus.GONE and method == "GET":
        return _PAGE_EXPIRED
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _FAILED
    malformed = f"the API server rejects the request as malformed{_fields(body)}"
    return known.get(status, Refusal(Invalid, malformed))


def _is_terminating(body: Status) -> bool:
    """Whether the namespace is being deleted, by the cause. Old servers say it in the message."""
    named = any(cause.reason == "NamespaceTerminating" for cause in body.details.causes)
    return named or "because it is being terminated" in body.message


def _forbidden(method: str, path: str, body: Status) -> Refusal:
    if _is_terminating(body):
        return _TERMINATING
    if refused_by_rbac(body):
        return Refusal(Denied, missing_rule(method, path, body))
    return Refusal(Denied, "forbidden, but not by RBAC. Look for an admission policy.")


def _writers(body: Status) -> str:
    """The field managers that an apply conflicts with."""
    causes = body.details.causes
    found = (re.search(r'conflict with "([^"]{1,128})"', cause.message) for cause in causes)
    return _listed(": written by", (writer[1] for writer in found if writer))


def _fields(body: Status) -> str:
    return _listed(": see", (cause.field for cause in body.details.causes))


def _listed(introduction: str, words: Iterable[str]) -> str:
    """The words, if they are printable: a mark that reverses a line is not."""
    listed = ", ".join(sorted({each for each in words if each and each.isprintable()}))
    return f"{introduction} {listed[: SETTINGS.quoted_text]}" if listed else ""


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
    "API server {server} gave no answer to {request} in time.{hint}": (
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
