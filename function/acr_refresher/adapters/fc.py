"""What Function Compute tells an invocation about itself.

Runtimes up to python3.10 hand the role's credentials over in the context; python3.12 puts them
into the environment, and its context has no `credentials` and no `service`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from acr_refresher.core.model import Function
from acr_refresher.errors import Denied
from acr_refresher.ports import CloudCredentials

LATEST = "LATEST"
"""What Function Compute calls it that was invoked without a qualifier."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation. `timeout`, `function` None: it is not known.

    The credentials are those of the function's role and belong to this invocation alone.
    """

    request_id: str
    credentials: CloudCredentials
    region_id: str
    account_id: str
    timeout: timedelta | None
    function: Function | None = None


def read_invocation(context: Any, environ: Mapping[str, str]) -> Invocation:
    """From the context object and the environment. Raises Denied where the function has no role."""
    seconds = getattr(getattr(context, "function", None), "timeout", None)
    region_id = _text(context, "region") or environ.get("FC_REGION", "")
    account_id = _text(context, "account_id") or environ.get("FC_ACCOUNT_ID", "")
    return Invocation(
        request_id=_text(context, "request_id"),
        credentials=replace(_credentials(context, environ), account_id=account_id),
        region_id=region_id,
        account_id=account_id,
        timeout=timedelta(seconds=float(seconds)) if seconds else None,
        function=_function(context, environ, region_id, account_id),
    )


def environment_credentials(environ: Mapping[str, str]) -> CloudCredentials | None:
    """Those in the variables that Alibaba Cloud's own tools read too, if any."""
    return _keys(
        environ.get("ALIBABA_CLOUD_ACCESS_KEY_ID", ""),
        environ.get("ALIBABA_CLOUD_ACCESS_KEY_SECRET", ""),
        environ.get("ALIBABA_CLOUD_SECURITY_TOKEN", ""),
    )


def _function(
    context: Any, environ: Mapping[str, str], region_id: str, account_id: str
) -> Function | None:
    """Of Function Compute 2.0 where the context names a service, else of 3.0; None: no name.

    What starts itself again is to be what it is: the version or alias that was invoked.
    """
    function = getattr(context, "function", None)
    name = _text(function, "name") or environ.get("FC_FUNCTION_NAME", "")
    if not name or not region_id or not account_id:
        return None
    service = getattr(context, "service", None)
    qualifier = _text(service, "qualifier") or _text(function, "qualifier")
    if qualifier == LATEST:
        qualifier = ""
    return Function(name, region_id, account_id, _text(service, "name"), qualifier)


def _credentials(context: Any, environ: Mapping[str, str]) -> CloudCredentials:
    given = getattr(context, "credentials", None)
    names = ("access_key_id", "access_key_secret", "security_token")
    found = _keys(*(_text(given, name) for name in names)) or environment_credentials(environ)
    if found is None:
        raise Denied(
            "the function has no credentials: give it a RAM role (`role` in s.yaml) that trusts "
            "fc.aliyuncs.com",
            service="fc",
        )
    return found


def _keys(access_key_id: str, secret: str, token: str) -> CloudCredentials | None:
    if not access_key_id or not secret:
        return None
    return CloudCredentials(access_key_id, SecretStr(secret), SecretStr(token) if token else None)


def _text(source: Any, name: str) -> str:
    return str(getattr(source, name, None) or "")
