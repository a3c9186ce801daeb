"""Function Compute 2.0 through aliyun-fc2; imported only where a function of 2.0 is invoked.

The SDK logs the headers of refused requests, which `logs` silences, and names what went wrong in
its own way, which becomes here what the cloud's other SDKs raise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import fc2.client
from fc2 import Client, FcError

from acr_refresher.core.model import Function
from acr_refresher.run.ports import CloudCredentials

fc2.client.retries = 0  # its own would repeat inside ours, for half a minute, and unsigned anew

OK = 200
UNKNOWN, FORBIDDEN = 401, 403


def fc2_client(endpoint: str, caller: CloudCredentials, timeouts: tuple[float, float]) -> Any:
    """A client; the time-outs are those of connecting and of reading, in seconds."""
    token = caller.security_token
    return Client(
        endpoint=endpoint,
        accessKeyID=caller.access_key_id,
        accessKeySecret=caller.access_key_secret.get_secret_value(),
        securityToken=token.get_secret_value() if token else "",
        Timeout=timeouts,
    )


def invoke_fc2(
    client: Any,
    function: Function,
    payload: bytes,
    headers: Mapping[str, str],
    *,
    known_before: int,
) -> tuple[int, Mapping[str, str], bytes]:
    """InvokeFunction: status, headers and body, also where the function failed.

    A status of `known_before` is an answer too. Raises ClientException for every other refusal.
    """
    qualifier = function.qualifier or None
    try:
        answer = client.invoke_function(
            function.service, function.name, payload, dict(headers), qualifier
        )
    except FcError as error:
        if error.status_code == known_before:
            return known_before, {}, b""
        if error.status_code == OK:
            return OK, _failure_headers(error), _failure(error)
        raise _refusal(error) from error
    return OK, answer.headers, answer.data


def _failure_headers(error: Any) -> dict[str, str]:
    """What the SDK keeps of an answer that says that the function failed."""
    kind = _document(error).get("ErrorType") or "InvocationError"
    return {"x-fc-error-type": str(kind), "x-fc-request-id": str(error.request_id)}


def _failure(error: Any) -> bytes:
    return str(error.message).encode()


def _refusal(error: Any) -> Exception:
    from alibabacloud_tea_openapi.exceptions import ClientException  # noqa: PLC0415  # see cloud.py

    refusal: Exception = ClientException(
        status_code=_status(str(error.err_code), error.status_code),
        code=error.err_code,
        request_id=error.request_id,
        data={"message": str(_document(error).get("ErrorMessage") or "")},
    )
    return refusal


def _status(code: str, answered: int) -> int:
    """The status that the other APIs would answer: 403 is also for keys and signatures here."""
    return UNKNOWN if answered == FORBIDDEN and code != "AccessDenied" else answered


def _document(error: Any) -> dict[str, Any]:
    """What the SDK makes of the answer's body."""
    document = json.loads(error.message)
    return document if isinstance(document, dict) else {}
