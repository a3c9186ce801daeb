"""Function Compute: invokes functions of 3.0 (API 2023-03-30) and of 2.0 (API 2016-08-15).

Requests of 3.0 are generic calls. Requests of 2.0 need aliyun-fc2, which nothing else uses.
https://www.alibabacloud.com/help/en/functioncompute/fc-3-0/developer-reference/api-fc-2023-03-30-invokefunction

A function learns from its context whether it has a service, that is, whether it is one of 2.0. The
context of python3.10 has a `service` in 3.0 too, and no document says that its name is empty there.
(The headers of web functions of 3.0, which are published in the documents of Higress, have an empty
x-fc-service-name.) So a function that seems to have a service is started by the API of 2.0 first,
and by that of 3.0 if 2.0 does not know it or does not allow it. In the other order a function of
2.0 could start another function, of 3.0, that merely has its name.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote

from acr_refresher.cloud.answers import AnswerLimits, limit_answers
from acr_refresher.cloud.client import CloudClient
from acr_refresher.cloud.errors import CODE_LENGTH, CloudCall, scrub
from acr_refresher.core.model import Function
from acr_refresher.core.outcome import milliseconds
from acr_refresher.errors import Denied, FunctionFailed, Gone, PortError
from acr_refresher.run.ports import CloudCredentials, Functions
from acr_refresher.settings import SETTINGS

VERSION_3 = "2023-03-30"
TASK_KNOWN = re.compile(r"(?i).*AlreadyExist.*")
"""Codes, with the status 409, for a task whose ID was used before. 2.0 answers with
StatefulAsyncInvocationAlreadyExists; for 3.0 no code is documented. 409 has other codes too, such
as ConcurrentUpdateError: then nothing was started.
https://www.alibabacloud.com/help/en/functioncompute/fc-3-0/developer-reference/error-codes"""
_INVOKE_LIMITS = AnswerLimits(SETTINGS.invoke_answer_bytes, SETTINGS.invoke_timeout)
TASK_ID_3, TASK_ID_2 = "x-fc-async-task-id", "x-fc-stateful-async-invocation-id"


class InvokeResponse(NamedTuple):
    """An answer. `error_type` is empty if the function did not fail."""

    status: int
    body: bytes
    error_type: str
    request_id: str


class InvokeRequest(NamedTuple):
    """A request. With a task ID the invocation is asynchronous."""

    function: Function
    payload: bytes
    task_id: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The headers that say how to invoke."""
        if not self.task_id:
            return {}
        name = TASK_ID_2 if self.function.service else TASK_ID_3
        return {"x-fc-invocation-type": "Async", name: self.task_id}

    @property
    def read_timeout(self) -> timedelta:
        """The longest silence of the service that is accepted."""
        return SETTINGS.cloud_read_timeout if self.task_id else SETTINGS.invoke_timeout


class FunctionClient(Functions):
    """Invokes functions as `caller`."""

    def __init__(self, cloud: CloudClient, caller: CloudCredentials) -> None:
        self._cloud = cloud
        self._caller = caller

    async def invoke(self, function: Function, payload: bytes) -> bytes:
        """InvokeFunction: waits up to an hour for what the function returns.

        Raises FunctionFailed, Denied, Gone, Invalid, Throttled, Unreachable.
        """
        answer = await self._send(InvokeRequest(function, payload))
        if answer.error_type:
            raise self._failed(function, answer)
        return answer.body

    async def start(self, function: Function, payload: bytes, task_id: str) -> bool:
        """InvokeFunction, asynchronously. False if a task of this ID was started before.

        Raises Conflict, Denied, Gone, Invalid, Throttled, Unreachable.
        """
        request = InvokeRequest(function, payload, task_id)
        try:
            answer = await self._send(request)
        except (Denied, Gone) as refused:
            if not function.service:
                raise
            answer = await self._send_without_service(request, refused)
        return answer.status != HTTPStatus.CONFLICT

    async def _send_without_service(
        self, request: InvokeRequest, refused: PortError
    ) -> InvokeResponse:
        """The answer of 3.0 to a request that 2.0 refused. Raises that refusal if it fails."""
        try:
            return await self._send(
                request._replace(function=replace(request.function, service=""))
            )
        except PortError:
            raise refused from None

    async def _send(self, request: InvokeRequest) -> InvokeResponse:
        function = request.function
        call = CloudCall(
            "fc",
            "fc:InvokeFunction",
            f"{_name(function)} in {function.region_id}",
            f"Allow fc:InvokeFunction on {_arn(function)} in a policy of the caller"
            " (fan-out.policy).",
            self._caller,
        )
        send = self._send_2 if function.service else self._send_3
        limits = None if request.task_id else _INVOKE_LIMITS
        answer = await self._cloud.call(call, send, request, limits)
        response: InvokeResponse = answer["response"]
        return response

    def _send_3(self, request: InvokeRequest, options: Any) -> dict[str, Any]:
        from alibabacloud_tea_openapi.client import Client
        from alibabacloud_tea_openapi.exceptions import ClientException
        from alibabacloud_tea_openapi.utils_models import OpenApiRequest

        function = request.function
        client = Client(self._cloud.config(self._caller, _host(function), function.region_id))
        options.read_timeout = milliseconds(request.read_timeout)
        openapi_request = OpenApiRequest(
            query={"qualifier": function.qualifier} if function.qualifier else {},
            headers=request.headers,
            body=request.payload,
        )
        try:
            answer = client.call_api(_params_3(function), openapi_request, options)
        except ClientException as error:
            if not _task_known(error.status_code, error.code):
                raise
            return _response(HTTPStatus.CONFLICT)
        return _response(answer["statusCode"], answer["headers"], answer["body"])

    def _send_2(self, request: InvokeRequest, options: Any) -> dict[str, Any]:
        del options  # this SDK has its own
        from fc2 import FcError

        function = request.function
        try:
            answer = self._client_2(request).invoke_function(
                function.service,
                function.name,
                request.payload,
                request.headers,
                function.qualifier or None,
            )
        except FcError as error:
            if _task_known(error.status_code, error.err_code):
                return _response(HTTPStatus.CONFLICT)
            if error.status_code == HTTPStatus.OK:
                return _failure_2(error)
            raise _refusal_2(error) from error
        return _response(HTTPStatus.OK, answer.headers, answer.data)

    def _client_2(self, request: InvokeRequest) -> Any:
        import fc2.client

        limit_answers(sys.modules)
        # The SDK would repeat the request for half a minute, with the same signature.
        fc2.client.retries = 0
        token = self._caller.security_token
        timeouts = (SETTINGS.cloud_connect_timeout, request.read_timeout)
        return fc2.Client(
            endpoint=self._cloud.transport.local_cloud or f"https://{_host(request.function)}",
            accessKeyID=self._caller.access_key_id,
            accessKeySecret=self._caller.access_key_secret.get_secret_value(),
            securityToken=token.get_secret_value() if token else "",
            Timeout=tuple(each.total_seconds() for each in timeouts),
        )

    def _failed(self, function: Function, answer: InvokeResponse) -> FunctionFailed:
        """The error for a function that failed, with the message and type of its own error."""
        failure = _json_object(answer.body)
        reason = failure.get("errorMessage") or failure.get("ErrorMessage")
        message = scrub(str(reason or ""), self._caller)
        kind = str(failure.get("errorType") or answer.error_type)[:CODE_LENGTH]
        return FunctionFailed(
            f"{_name(function)} failed: {kind}: {message or 'it gave no reason'}",
            service="fc",
            code=answer.error_type,
            request_id=answer.request_id,
        )


def _task_known(status: object, code: object) -> bool:
    known = TASK_KNOWN.fullmatch(str(code)[:CODE_LENGTH])
    return status == HTTPStatus.CONFLICT and bool(known)


def _name(function: Function) -> str:
    path = f"{function.service}/{function.name}" if function.service else function.name
    return f"function {path}" + (f" ({function.qualifier})" if function.qualifier else "")


def _arn(function: Function) -> str:
    """The function as a resource of RAM policies. In 2.0 the qualifier is part of the service."""
    qualified = function.service + (f".{function.qualifier}" if function.qualifier else "")
    service = f"services/{qualified}/" if function.service else ""
    return f"acs:fc:{function.region_id}:{function.account_id}:{service}functions/{function.name}"


def _host(function: Function) -> str:
    return f"{function.account_id}.{function.region_id}.fc.aliyuncs.com"


def _params_3(function: Function) -> Any:
    from alibabacloud_tea_openapi.utils_models import Params

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


def _response(
    status: int, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> dict[str, Any]:
    """An answer as CloudClient.call takes it."""
    named = {name.lower(): value for name, value in (headers or {}).items()}
    failed, request_id = named.get("x-fc-error-type", ""), named.get("x-fc-request-id", "")
    response = InvokeResponse(status, body, failed, request_id)
    return {"headers": named, "body": {"response": response}}


def _failure_2(error: Any) -> dict[str, Any]:
    """The answer for a function that failed, from what the SDK of 2.0 keeps of it."""
    kind = str(_json_object(error.message).get("ErrorType") or "InvocationError")
    headers = {"x-fc-error-type": kind, "x-fc-request-id": str(error.request_id)}
    return _response(HTTPStatus.OK, headers, str(error.message).encode())


def _refusal_2(error: Any) -> Exception:
    """A refusal as the cloud's other SDKs raise it."""
    from alibabacloud_tea_openapi.exceptions import ClientException

    status, code = error.status_code, str(error.err_code)
    if status == HTTPStatus.FORBIDDEN and code != "AccessDenied":
        status = HTTPStatus.UNAUTHORIZED  # here 403 is also for keys and signatures
    refusal: Exception = ClientException(
        status_code=status,
        code=error.err_code,
        request_id=error.request_id,
        data={"message": str(json.loads(error.message).get("ErrorMessage") or "")},
    )
    return refusal


def _json_object(document: str | bytes) -> dict[str, Any]:
    """The JSON object in a text; empty if there is none."""
    try:
        found = json.loads(document)
    except (TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
