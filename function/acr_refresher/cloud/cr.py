"""Container Registry: tokens and host names of Enterprise Edition instances (API 2018-12-01).

A registry without an instance belongs to Personal Edition, which has another API (2016-06-07).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import Any

from pydantic import SecretStr

from acr_refresher.cloud.client import CloudClient, Operation
from acr_refresher.cloud.errors import (
    CODE_LENGTH,
    CloudCall,
    Refusal,
    reading_answer,
    refused,
    text,
)
from acr_refresher.core.model import Registry
from acr_refresher.core.ram_actions import ALL_RESOURCES, RESOURCES, assumption
from acr_refresher.core.secret import FIRST_TIME, LAST_TIME
from acr_refresher.errors import Invalid
from acr_refresher.run.ports import CloudCredentials, ContainerRegistry, RegistryToken

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
PERSONAL_TOKEN = Operation("cr", "2016-06-07", "GetAuthorizationToken", "/tokens")


class CrClient(ContainerRegistry):
    """CR at the endpoint of each registry's own region."""

    def __init__(self, cloud: CloudClient) -> None:
        self._cloud = cloud

    async def token(self, caller: CloudCredentials, registry: Registry) -> RegistryToken:
        """GetAuthorizationToken. Raises Denied, Invalid, Gone, Throttled, Unreachable."""
        if not registry.instance_id:
            return await self._personal_token(caller, registry)
        from alibabacloud_cr20181201.models import GetAuthorizationTokenRequest

        call = _instance_call("GetAuthorizationToken", caller, registry)
        answer = await self._ask(
            call,
            self._client(caller, registry).get_authorization_token_with_options,
            GetAuthorizationTokenRequest(
                instance_id=registry.instance_id,
                expires_in_hours=_hours(registry.session_duration),
            ),
        )
        with reading_answer(call, answer["RequestId"]):
            return RegistryToken(
                text(answer["TempUsername"]),
                SecretStr(text(answer["AuthorizationToken"])),
                _time(answer["ExpireTime"]),
                answer["RequestId"],
            )

    async def hosts(self, caller: CloudCredentials, registry: Registry) -> tuple[str, ...]:
        """ListInstanceEndpoint: the default and custom domains, in alphabetical order.

        Raises Invalid also if no such endpoint is enabled, and the errors that `token` raises.
        """
        if not registry.instance_id:
            return _personal_hosts(registry.region_id)
        from alibabacloud_cr20181201.models import ListInstanceEndpointRequest

        call = _instance_call("ListInstanceEndpoint", caller, registry)
        answer = await self._ask(
            call,
            self._client(caller, registry).list_instance_endpoint_with_options,
            ListInstanceEndpointRequest(instance_id=registry.instance_id, module_name="Registry"),
        )
        with reading_answer(call, answer["RequestId"]):
            domains = _enabled_domains(answer, registry.endpoints)
        if not domains:
            types = f" of type {' or '.join(registry.endpoints)}" if registry.endpoints else ""
            raise Invalid(
                f"{call.target} has no enabled endpoint{types} with a domain. Enable its public"
                " or VPC access, or set `domains`.",
                service="cr",
                request_id=answer["RequestId"],
            )
        return domains

    async def _personal_token(self, caller: CloudCredentials, registry: Registry) -> RegistryToken:
        action = f"cr:{PERSONAL_TOKEN.action}"
        call = CloudCall(
            "cr",
            action,
            f"Personal Edition in {registry.region_id}",
            f"Allow {action} and cr:PullRepository on * in the policy of the last role of the"
            " registry's chain. Role sessions that begin with RRSA are not allowed here.",
            caller,
        )
        answer = await self._cloud.call_operation(call, PERSONAL_TOKEN, registry.region_id, {})
        request_id = str(answer.get("requestId", ""))[:CODE_LENGTH]
        with reading_answer(call, request_id):
            data = answer["data"]
            return RegistryToken(
                text(data["tempUserName"]),
                SecretStr(text(data["authorizationToken"])),
                _time(data["expireDate"]),
                request_id,
            )

    def _client(self, caller: CloudCredentials, registry: Registry) -> Any:
        from alibabacloud_cr20181201.client import Client

        host = f"cr.{registry.region_id}.aliyuncs.com"
        return Client(self._cloud.config(caller, host, registry.region_id))

    async def _ask(
        self, call: CloudCall, send: Callable[[Any, Any], Any], request: Any
    ) -> dict[str, Any]:
        """The answer with its request ID. HTTP 200 with IsSuccess=false is an error as well."""
        answer = await self._cloud.call(call, send, request)
        answer["RequestId"] = str(answer.get("RequestId") or "")[:CODE_LENGTH]
        if answer.get("IsSuccess") is False:
            code = str(answer.get("Code", ""))[:CODE_LENGTH]
            raise refused(Refusal(code, HTTPStatus.OK, request_id=answer["RequestId"]), call)
        return answer


def _hours(session_duration: timedelta) -> int | None:
    """ExpiresInHours (1 to 24), rounded up; None for an hour, the default.

    Documents differ in whether a token lives for an hour, for this time, or as long as the session
    that requests it, and the SDK says that the shorter of both counts. So the answer's ExpireTime
    counts, and this only keeps a longer session from being cut to an hour.
    """
    hour = timedelta(hours=1)
    return math.ceil(session_duration / hour) if session_duration > hour else None


def _instance_call(api: str, caller: CloudCredentials, registry: Registry) -> CloudCall:
    action = f"cr:{api}"
    resource = "*" if RESOURCES[action] == ALL_RESOURCES else "it"
    return CloudCall(
        "cr",
        action,
        f"registry instance {registry.instance_id} in {registry.region_id}",
        f"Allow {action} on {resource} (and cr:PullRepository on its repositories) in the policy of"
        f" the last role of the registry's chain.{assumption(action)}",
        caller,
    )


def _enabled_domains(answer: Mapping[str, Any], types: Container[str]) -> tuple[str, ...]:
    """The domains of the enabled endpoints of these types; without types, of all of them."""
    enabled = (
        endpoint
        for endpoint in answer["Endpoints"]
        if endpoint.get("Enable")
        and (not types or str(endpoint.get("EndpointType", "")).lower() in types)
    )
    return tuple(sorted({text(domain["Domain"]) for each in enabled for domain in each["Domains"]}))


def _personal_hosts(region_id: str) -> tuple[str, ...]:
    """The hosts that the Personal Edition registries of a region share. No API lists them.

    Registries created since September 2024 have hosts of their own: crpi-….personal.cr….
    """
    networks = ("registry-internal", "registry-vpc", "registry")
    return tuple(f"{network}.{region_id}.aliyuncs.com" for network in networks)


def _time(milliseconds: object) -> datetime:
    """A time since 1970. Raises ValueError outside the years that records can hold."""
    moment = EPOCH + timedelta(milliseconds=int(str(milliseconds)))
    if not FIRST_TIME <= moment < LAST_TIME:
        raise ValueError("out of range")
    return moment
