"""API operations of the cloud that are called without an SDK of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from acr_refresher.adapters.cloud import CloudSdk
from acr_refresher.adapters.cloud_errors import CloudCall


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a product at the endpoint of a region.

    With a path it is called by GET in ROA style, without one by POST in RPC style.
    """

    product: str
    version: str
    action: str
    path: str = ""


async def ask(
    sdk: CloudSdk,
    call: CloudCall,
    operation: Operation,
    region_id: str,
    query: Mapping[str, str],
) -> dict[str, Any]:
    """The body of the answer. Raises PortError."""
    from alibabacloud_tea_openapi.client import Client  # noqa: PLC0415  # see cloud.py
    from alibabacloud_tea_openapi.utils_models import OpenApiRequest  # noqa: PLC0415  # as above

    host = f"{operation.product}.{region_id}.aliyuncs.com"
    client = Client(sdk.config(call.caller, host, region_id))
    send = partial(client.call_api, _params(operation))
    return await sdk.ask(call, send, OpenApiRequest(query=dict(query)))


def _params(operation: Operation) -> Any:
    from alibabacloud_tea_openapi.utils_models import Params  # noqa: PLC0415  # see cloud.py

    return Params(
        action=operation.action,
        version=operation.version,
        protocol="HTTPS",
        pathname=operation.path or "/",
        method="GET" if operation.path else "POST",
        auth_type="AK",
        style="ROA" if operation.path else "RPC",
        req_body_type="json" if operation.path else "formData",
        body_type="json",
    )
