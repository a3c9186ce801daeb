"""Function Compute: invoking functions of 3.0 (API 2023-03-30) and of 2.0 (API 2016-08-15).

3.0 by the SDKs' generic call, 2.0 through aliyun-fc2, which nothing else here needs.
https://www.alibabacloud.com/help/en/functioncompute/fc-3-0/developer-reference/api-fc-2023-03-30-invokefunction
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

from acr_refresher.cloud.client import CloudClient
from acr_refresher.cloud.errors import CloudCall, scrub
from acr_refresher.core.model import Function
from acr_refresher.errors import FunctionFailed
from acr_refresher.run.ports import CloudCredentials, Functions
from acr_refresher.settings import SETTINGS

VERSION_3 = "2023-03-30"
ALREADY_KNOWN = 409
TASK_ID_3, TASK_ID_2 = "x-fc-async-task-id", "x-fc-stateful-async-invocation-id"


class InvokeResponse(NamedTuple):
    """What came back; `error_type` is empty where the function did not fail."""

    status: int
    body: bytes
    error_type: str
    request_id: str


class InvokeRequest(NamedTuple):
    """What is sent. With a task ID it is to run on its own."""

    function: Function
    payload: bytes
    task_id: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Those that say how to invoke."""
        if not self.task_id:
            return {}
        name = TASK_ID_2 if self.function.service else TASK_ID_3
        return {"x-fc-invocation-type": "Async", name: self.task_id}

    @property
    def read_timeout(self) -> timedelta:
        """For how long the service may be silent."""
        return SETTINGS.cloud_read_timeout if self.task_id else SETTINGS.invoke_timeout


class FunctionClient(Functions):
    """Invokes functions as `caller`."""

    def __init__(self, sdk: CloudClient, caller: CloudCredentials) -> None:
        self._cloud = sdk
        self._caller = caller

    async def invoke(self, function: Function, payload: bytes) -> bytes:
        """InvokeFunction, and the wait for what it returns: an hour at most.

        Raises FunctionFailed, Denied, Gone, Invalid, Throttled, Unreachable.
        """
        answer = await self._ask(InvokeRequest(function, payload))
        if answer.error_type:
            raise self._failed(function, answer)
        return answer.body

    async def start(self, function: Function, payload: bytes, task_id: str) -> bool:
        """InvokeFunction, asynchronously. False: a task of this ID has been started before.

        Raises Denied, Gone, Invalid, Throttled, Unreachable.
        """
        answer = await self._ask(InvokeRequest(function, payload, task_id))
        return answer.status != ALREADY_KNOWN

    async def _ask(self, invocation: InvokeRequest) -> InvokeResponse:
        send = self._send_2 if invocation.function.service else self._send_3
        call = _call(self._caller, invocation.function)
        answer: InvokeResponse = (await self._cloud.call(call, send, invocation))["answer"]
        return answer

    def _send_3(self, invocation: InvokeRequest, options: Any) -> dict[str, Any]:
        from alibabacloud_tea_openapi.client import Client  # noqa: PLC0415  # see cloud.py
        from alibabacloud_tea_openapi.exceptions import ClientException  # noqa: PLC0415  # as above
        from alibabacloud_tea_openapi.utils_models import OpenApiRequest  # noqa: PLC0415  # as above

        function = invocation.function
        client = Client(self._cloud.config(self._caller, _host(function), function.region_id))
        options.read_timeout = invocation.read_timeout // timedelta(milliseconds=1)
        request = OpenApiRequest(
            query={"qualifier": function.qualifier} if function.qualifier else {},
            headers=invocation.headers,
            body=invocation.payload,
        )
        try:
            told = client.call_api(_params_3(function), request, options)
        except ClientException as error:
            if error.status_code != ALREADY_KNOWN:
                raise
            told = {"statusCode": ALREADY_KNOWN, "headers": {}, "body": b""}
        return _told(told["statusCode"], told["headers"], told["body"])

    def _send_2(self, invocation: InvokeRequest, options: Any) -> dict[str, Any]:
        del options  # this SDK has its own
        from acr_refresher.cloud.fc_v2 import fc2_client, invoke_fc2  # noqa: PLC0415  # imports aliyun-fc2

        function, local_cloud = invocation.function, self._cloud.transport.local_cloud
        timeouts = (
            SETTINGS.cloud_connect_timeout.total_seconds(),
            invocation.read_timeout.total_seconds(),
        )
        endpoint = local_cloud or f"https://{_host(function)}"
        client = fc2_client(endpoint, self._caller, timeouts)
        send = partial(invoke_fc2, client, function)
        return _told(*send(invocation.payload, invocation.headers, known_before=ALREADY_KNOWN))

    def _failed(self, function: Function, answer: InvokeResponse) -> FunctionFailed:
        """With the words of the function's own error, and its type where that says something."""
        told = _json_object(answer.body)
        words = told.get("errorMessage") or told.get("ErrorMessage")
        message = scrub(str(words or ""), self._caller)
        kind = str(told.get("errorType") or answer.error_type)
        return FunctionFailed(
            f"{_named(function)} failed: {kind}: {message or 'it did not say why'}",
            service="fc",
            code=answer.error_type,
            request_id=answer.request_id,
        )


def _call(caller: CloudCredentials, function: Function) -> CloudCall:
    arn = _arn(function)
    return CloudCall(
        "fc",
        "fc:InvokeFunction",
        f"{_named(function)} in {function.region_id}",
        f"allow fc:InvokeFunction on {arn} in a policy of the caller (fan-out.policy)",
        caller,
    )


def _named(function: Function) -> str:
    path = f"{function.service}/{function.name}" if function.service else function.name
    return f"function {path}" + (f" ({function.qualifier})" if function.qualifier else "")


def _arn(function: Function) -> str:
    """Its resource in RAM policies. In 2.0 the qualifier is part of the service."""
    qualified = function.service + (f".{function.qualifier}" if function.qualifier else "")
    service = f"services/{qualified}/" if function.service else ""
    return f"acs:fc:{function.region_id}:{function.account_id}:{service}functions/{function.name}"


def _host(function: Function) -> str:
    return f"{function.account_id}.{function.region_id}.fc.aliyuncs.com"


def _params_3(function: Function) -> Any:
    from alibabacloud_tea_openapi.utils_models import Params  # noqa: PLC0415  # see cloud.py

    return Params(
        action="InvokeFunction",
        version=VERSION_3,
        protocol="HTTPS",
        pathname=f"/{VERSION_3}/functions/{quote(function.name, safe='')}/invocations",
        method="POST",
        auth_type="AK",
        style="ROA",
        req_body_type="byte",
        body_type="byte",
    )


def _told(status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """As CloudSdk.ask takes answers."""
    named = {name.lower(): value for name, value in headers.items()}
    failed, request_id = named.get("x-fc-error-type", ""), named.get("x-fc-request-id", "")
    return {"headers": named, "body": {"answer": InvokeResponse(status, body, failed, request_id)}}


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
