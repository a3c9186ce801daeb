"""Function Compute's InvokeFunction, of its API versions 2023-03-30 (3.0) and 2016-08-15 (2.0)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from localcloud.api import ApiRequest, Operation, Product, Raw
from localcloud.authorization import (
    INVOKE_FUNCTION_2,
    INVOKE_FUNCTION_3,
    INVOKE_FUNCTION_3_BY_QUALIFIER,
    Permission,
)
from localcloud.cloud import Cloud
from localcloud.errors import CloudError
from localcloud.fc.deployed import Address, DeployedFunction
from localcloud.fc.description import function_arn
from localcloud.fc.instances import BusyError

MOST_BYTES = 32 * 1024 * 1024
MOST_BYTES_ASYNC = 128 * 1024
_TASK_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")
_HOST = r"(?P<account>\d+)\.(?P<region>[a-z0-9-]+?)(?:-internal)?\.fc\.aliyuncs\.com"
PATH_2 = "/2016-08-15/services/{service}/functions/{function}/invocations"
PATH_3 = "/2023-03-30/functions/{function}/invocations"


@dataclass(frozen=True)
class _Target:
    """Which function is meant, and by which version or alias."""

    address: Address
    qualifier: str

    @property
    def arn(self) -> str:
        at = self.address
        return function_arn(at.account, at.region, at.name, at.service, self.qualifier)

    @property
    def permission(self) -> Permission:
        """The permission to invoke it. In 2.0 the qualifier is part of the service."""
        if self.address.service:
            return INVOKE_FUNCTION_2
        return INVOKE_FUNCTION_3_BY_QUALIFIER if self.qualifier else INVOKE_FUNCTION_3

    @property
    def place(self) -> dict[str, str]:
        """What fills in the permission's resources."""
        at = self.address
        service = f"{at.service}.{self.qualifier}" if self.qualifier else at.service
        place = {"region": at.region, "account": at.account, "function": at.name}
        return {**place, "service": service, "qualifier": self.qualifier}


def invoke_3(cloud: Cloud, request: ApiRequest) -> Raw:
    """InvokeFunction of 3.0."""
    address = Address(request.required("account"), request.region, "", request.required("function"))
    target = _Target(address, request.parameters.get("qualifier", ""))
    return _invoke(cloud, request, target, "x-fc-async-task-id")


def invoke_2(cloud: Cloud, request: ApiRequest) -> Raw:
    """InvokeFunction of 2.0.

    Sent to an address instead of a host name it says neither account nor region: then they are the
    caller's account, and the region of whatever is deployed there under these names.
    """
    service, _, qualifier = request.required("service").partition(".")
    name, account = request.required("function"), request.parameters.get("account", "")
    address = Address(account or request.caller.role.account, request.region, service, name)
    if not account:
        address = _wherever_it_is(cloud, address)
    target = _Target(address, qualifier)
    return _invoke(cloud, request, target, "x-fc-stateful-async-invocation-id")


def _wherever_it_is(cloud: Cloud, wanted: Address) -> Address:
    names = (wanted.account, wanted.service, wanted.name)
    there = (a for a in cloud.functions.copy() if (a.account, a.service, a.name) == names)
    return next(there, wanted)


def _invoke(cloud: Cloud, request: ApiRequest, target: _Target, task_header: str) -> Raw:
    _authorize(request, target)
    function = _find(cloud, target)
    asked, event = request.http.headers, request.http.body
    asynchronous = asked.get("x-fc-invocation-type", "Sync") == "Async"
    _check_size(event, MOST_BYTES_ASYNC if asynchronous else MOST_BYTES)
    headers = {"x-fc-request-id": request.id}
    if asynchronous:
        task_id = _task_id(function, asked, task_header) or request.id
        if not function.start(event, request.id, task_id, target.qualifier):
            # The code of 2.0. No document has that of 3.0.
            message = f"stateful async invocation {task_id} already exists"
            raise CloudError(409, "StatefulAsyncInvocationAlreadyExists", message)
        return Raw(b"", 202, {**headers, task_header: task_id})
    try:
        result = function.invoke(event, request.id, target.qualifier)
    except BusyError:
        message = "all instances of the function are serving"
        raise CloudError(429, "ResourceExhausted", message) from None
    failure = {"x-fc-error-type": result.error_type} if result.failed else {}
    return Raw(result.body, 200, {**headers, **failure})


def _authorize(request: ApiRequest, target: _Target) -> None:
    foreign = request.caller.role.account != target.address.account
    denial = request.caller.find_access_denial(target.permission, **target.place)
    if foreign or denial:
        message = f"the caller is not authorized to perform 'fc:InvokeFunction' on '{target.arn}'"
        raise CloudError(403, "AccessDenied", message, denial)


def _find(cloud: Cloud, target: _Target) -> DeployedFunction:
    function = cloud.functions.get(target.address)
    if function is None:
        message = f"function '{target.address.name}' does not exist"
        raise CloudError(404, "FunctionNotFound", message)
    if target.qualifier not in {"", *function.description.qualifiers}:
        message = f"version or alias '{target.qualifier}' does not exist"
        raise CloudError(404, "AliasNotFound", message)
    return function


def _check_size(event: bytes, most: int) -> None:
    if len(event) > most:
        message = f"payload size {len(event)} exceeds the limit of {most} bytes"
        raise CloudError(413, "EntityTooLarge", message)


def _task_id(function: DeployedFunction, asked: Mapping[str, str], header: str) -> str:
    """Empty if none is given. A function without asyncTask refuses IDs: this cloud's own choice."""
    task_id = asked.get(header, "")
    if not task_id:
        return ""
    if not _TASK_ID.fullmatch(task_id):
        raise CloudError(400, "InvalidArgument", f"{header} is not valid")
    if not function.description.asynchronous.task_ids:
        raise CloudError(400, "InvalidArgument", "the function does not take task IDs: asyncTask")
    return task_id


PRODUCT_3 = Product(
    hosts=re.compile(_HOST),
    version="2023-03-30",
    style="ROA",
    operations=(Operation("InvokeFunction", invoke_3, path=PATH_3),),
)
PRODUCT_2 = Product(
    hosts=re.compile(rf"{_HOST}|127\.0\.0\.1:\d+"),
    version="2016-08-15",
    style="FC",
    operations=(Operation("InvokeFunction", invoke_2, path=PATH_2, named=False),),
)
