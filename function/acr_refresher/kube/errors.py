"""From an API server's answers, and from requests without one, to errors named by meaning.

Of an answer only what cannot hold secret data is carried on: field names, users, verbs, resources;
never its message as a whole, which may quote what was sent.
"""

from __future__ import annotations

import asyncio
import errno
import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

import aiohttp
from pydantic import BaseModel, ValidationError

from acr_refresher.errors import Conflict, Denied, Gone, Invalid, PortError, Throttled, Unreachable
from acr_refresher.settings import SETTINGS

TOKENS = "serviceaccounts/token"
NAMED = frozenset({"secrets", TOKENS})
"""Resources on which the function gets rights by name alone."""
SERVER_ERROR = 500


class RedirectedError(Exception):
    """The server sent us to another address."""


class _Cause(BaseModel):
    reason: str = ""
    field: str = ""
    message: str = ""


class _Details(BaseModel):
    kind: str = ""
    name: str = ""
    causes: tuple[_Cause, ...] = ()


class _Status(BaseModel):
    """The Kubernetes API's Status object, as much of it as is looked at."""

    message: str = ""
    details: _Details = _Details()


def answer_error(what: str, status: int, headers: Mapping[str, str], content: bytes) -> PortError:
    """The meaning of an HTTP status and the Status object that comes with it."""
    body = _read(content)
    meaning, words = _meaning(status, body)
    told = words.format(
        permission=_missing_permission(body), writers=_writers(body), fields=_fields(body)
    )
    return meaning(
        f"{what}: {told} ({status})",
        service="kube",
        code=str(status),
        request_id=headers.get("Audit-Id", ""),
        retry_after=_seconds(headers.get("Retry-After", "")),
    )


def refused_user(content: bytes) -> str:
    """Whom a refusal by RBAC is told to; empty where it names nobody."""
    denial = _RBAC_DENIAL.search(_read(content).message)
    return denial["user"] if denial else ""


def connection_error(what: str, error: Exception) -> PortError:
    """The meaning of a request that got no answer."""
    chain = tuple(_chain(error))
    if alert := next(filter(None, map(_certificate_alert, chain)), ""):
        words = f"the client certificate was refused in the TLS handshake ({alert})"
        return Denied(f"{what}: {words}: get a new kubeconfig", service="kube")
    if untrusted := next(filter(None, map(_untrusted, chain)), ""):
        words = (
            f"the server's certificate is not trusted ({untrusted}): check the kubeconfig's "
            "certificate-authority-data, server and tls-server-name"
        )
        return Unreachable(f"{what}: {words}", retryable=False, service="kube")
    words = next(words for kind, words in _NO_ANSWER if isinstance(error, kind))
    passes = not isinstance(error, (RedirectedError, aiohttp.ClientHttpProxyError))
    return Unreachable(f"{what}: {words}{_errno(error)}", retryable=passes, service="kube")


# ---- what an answer means ------------------------------------------------------------------------


_CREDENTIALS_REFUSED = (
    "the credentials are unknown to the API server or have expired: get a new kubeconfig"
)
_BY_STATUS: Mapping[int, tuple[type[PortError], str]] = {
    401: (Denied, _CREDENTIALS_REFUSED),
    403: (Denied, "{permission}"),
    404: (Gone, "it, or its namespace, is not there"),
    409: (Conflict, "it has changed, or is another's{writers}"),
    410: (Gone, "this page of the list is no longer kept"),
    429: (Throttled, "too many requests"),
}
_SERVER_FAILED = (Unreachable, "the API server, or something in front of it, failed")
_NOT_UNDERSTOOD = (Invalid, "the API server refuses the request as malformed{fields}")
_TERMINATING = (Gone, "the namespace is being deleted")


def _meaning(status: int, body: _Status) -> tuple[type[PortError], str]:
    if status == 403 and _is_terminating(body):  # noqa: PLR2004  # Forbidden
        return _TERMINATING
    if any(cause.field == "metadata.uid" for cause in body.details.causes):
        # An apply to a Secret that was deleted and created anew: some versions answer 422.
        return _BY_STATUS[409]
    return _BY_STATUS.get(status, _SERVER_FAILED if status >= SERVER_ERROR else _NOT_UNDERSTOOD)


def _is_terminating(body: _Status) -> bool:
    """By its cause (NamespaceTerminating), which old servers say in words alone."""
    named = any(cause.reason == "NamespaceTerminating" for cause in body.details.causes)
    return named or "because it is being terminated" in body.message


_RBAC_DENIAL = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]*)" '
    r'in API group "(?P<group>[^"]*)"(?: in the namespace "(?P<namespace>[^"]*)")?'
)
_ADMISSION_DENIAL = re.compile(r'admission webhook "([^"]+)" denied|exceeded quota: ([^,]+),')


def _missing_permission(body: _Status) -> str:
    """The RBAC rule that is not there or not bound, as YAML; or who else forbids it."""
    name = body.details.name
    if denial := _RBAC_DENIAL.search(body.message):
        rule = _rule(denial["group"], denial["resource"], name, denial["verb"])
        role = _role_of(denial["user"], denial["resource"], denial["namespace"])
        return f"{role} lacks this rule, or its binding is missing: {rule}"
    if body.message.endswith("is forbidden: "):
        # An apply that would have to create is refused without a reason.
        rule = _rule("", body.details.kind, name, "create")
        return f"the user's ClusterRole lacks this rule: {rule}"
    if denial := _ADMISSION_DENIAL.search(body.message):
        webhook, quota = denial.groups()
        return f"denied by {f'admission webhook {webhook}' if webhook else f'quota {quota}'}"
    return "forbidden, though not by RBAC: look for an admission policy"


def _role_of(user: str, resource: str, namespace: str | None) -> str:
    """Of one account's token alone: a ClusterRole would give those of its name in any namespace."""
    if resource == TOKENS and namespace:
        return f'the Role of user "{user}" in {namespace}'
    return f'the ClusterRole of user "{user}"'


def _rule(group: str, resource: str, name: str, verb: str) -> str:
    names = f'resourceNames: ["{name}"], ' if name and resource in NAMED else ""
    return f'{{apiGroups: ["{group}"], resources: ["{resource}"], {names}verbs: ["{verb}"]}}'


def _writers(body: _Status) -> str:
    """The field managers that an apply is in conflict with."""
    causes = body.details.causes
    told = (re.search(r'conflict with "([^"]+)"', cause.message) for cause in causes)
    return _listed(": written by", (writer[1] for writer in told if writer))


def _fields(body: _Status) -> str:
    return _listed(": see", (cause.field for cause in body.details.causes))


def _listed(introduction: str, words: Iterable[str]) -> str:
    listed = ", ".join(sorted(set(filter(None, words))))[: SETTINGS.quoted_text]
    return f"{introduction} {listed}" if listed else ""


def _read(content: bytes) -> _Status:
    try:
        return _Status.model_validate_json(content)
    except ValidationError:
        return _Status()


def _seconds(retry_after: str) -> timedelta | None:
    given = re.fullmatch(r"[0-9]{1,6}", retry_after)  # or a date, which API servers do not send
    return timedelta(seconds=int(retry_after)) if given else None


# ---- what no answer means ------------------------------------------------------------------------


_NO_ANSWER: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (RedirectedError, "the server redirects elsewhere, which is not followed"),
    (aiohttp.ClientHttpProxyError, "the proxy refuses"),
    (aiohttp.ClientProxyConnectionError, "the proxy cannot be reached"),
    (aiohttp.ClientConnectorDNSError, "the server's host name cannot be resolved"),
    ((asyncio.TimeoutError, TimeoutError), "no answer in time"),
    (aiohttp.ClientConnectorError, "no connection"),
    (Exception, "the connection broke"),
)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _certificate_alert(error: BaseException) -> str:
    """The TLS alert by which a server refuses our certificate, as OpenSSL names it."""
    reason = getattr(error, "reason", None) or "" if isinstance(error, ssl.SSLError) else ""
    concerns_us = re.search(r"ALERT_(.*CERTIFICATE.*|UNKNOWN_CA|ACCESS_DENIED)", reason)
    return concerns_us[1].replace("_", " ").lower() if concerns_us else ""


def _untrusted(error: BaseException) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return ""
    return getattr(error, "verify_message", "") or "not verified"


def _errno(error: Exception) -> str:
    number = (isinstance(error, OSError) and error.errno) or 0
    return f" ({errno.errorcode[number]})" if number in errno.errorcode else ""
