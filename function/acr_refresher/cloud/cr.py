"""Container Registry Enterprise Edition 2018-12-01: tokens and domains of an instance.

A registry without an instance is of Personal Edition, which is another API.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from pydantic import SecretStr

from acr_refresher.cloud.client import CloudClient, Operation, call_operation
from acr_refresher.cloud.errors import CloudCall, Refusal, reading_answer, refused
from acr_refresher.core.model import Registry
from acr_refresher.errors import Invalid
from acr_refresher.run.ports import CloudCredentials, ContainerRegistry, RegistryToken


class CrClient(ContainerRegistry):
    """CR at the endpoint of each registry's own region."""

    def __init__(self, sdk: CloudClient) -> None:
        self._cloud = sdk

    async def token(self, caller: CloudCredentials, registry: Registry) -> RegistryToken:
        """GetAuthorizationToken. Raises Denied, Invalid, Gone, Throttled, Unreachable."""
        if not registry.instance_id:
            return await personal_token(self._cloud, caller, registry)
        from alibabacloud_cr20181201.models import (  # noqa: PLC0415  # not where no token is due
            GetAuthorizationTokenRequest,
        )

        request = GetAuthorizationTokenRequest(instance_id=registry.instance_id)
        call = _call("GetAuthorizationToken", caller, registry)
        client = self._client(caller, registry)
        answer = await self._ask(call, client.get_authorization_token_with_options, request)
        with reading_answer(call, answer["RequestId"]):
            return RegistryToken(
                answer["TempUsername"],
                SecretStr(answer["AuthorizationToken"]),
                EPOCH + timedelta(milliseconds=int(answer["ExpireTime"])),
                answer["RequestId"],
            )

    async def hosts(self, caller: CloudCredentials, registry: Registry) -> tuple[str, ...]:
        """ListInstanceEndpoint: the domains, the system's and custom ones, in alphabetical order.

        Raises Invalid also where no such endpoint is enabled, and otherwise as `token` does.
        """
        if not registry.instance_id:
            return personal_hosts(registry.region_id)
        from alibabacloud_cr20181201.models import (  # noqa: PLC0415  # as above
            ListInstanceEndpointRequest,
        )

        request = ListInstanceEndpointRequest(
            instance_id=registry.instance_id, module_name="Registry"
        )
        call = _call("ListInstanceEndpoint", caller, registry)
        client = self._client(caller, registry)
        answer = await self._ask(call, client.list_instance_endpoint_with_options, request)
        with reading_answer(call, answer["RequestId"]):
            domains = _enabled_domains(answer, registry.endpoints)
        if not domains:
            asked_for = f" of type {' or '.join(registry.endpoints)}" if registry.endpoints else ""
            raise Invalid(
                f"{call.target} has no enabled endpoint{asked_for} with a domain: enable its public"
                " or VPC access, or set `domains`",
                service="cr",
                request_id=answer["RequestId"],
            )
        return domains

    def _client(self, caller: CloudCredentials, registry: Registry) -> Any:
        from alibabacloud_cr20181201.client import Client  # noqa: PLC0415  # as above

        host = f"cr.{registry.region_id}.aliyuncs.com"
        return Client(self._cloud.config(caller, host, registry.region_id))

    async def _ask(
        self, call: CloudCall, send: Callable[[Any, Any], Any], request: Any
    ) -> dict[str, Any]:
        """The answer. An HTTP 200 may say IsSuccess=false: that is an error like any other."""
        answer = await self._cloud.call(call, send, request)
        answer.setdefault("RequestId", "")
        if answer.get("IsSuccess") is False:
            code = str(answer.get("Code", ""))
            raise refused(Refusal(code, 200, request_id=answer["RequestId"]), call)
        return answer


def _enabled_domains(answer: Mapping[str, Any], types: Container[str]) -> tuple[str, ...]:
    """Of the endpoints of these types, in whatever case they are written; of all without any."""
    enabled = (
        endpoint
        for endpoint in answer["Endpoints"]
        if endpoint.get("Enable")
        and (not types or str(endpoint.get("EndpointType", "")).lower() in types)
    )
    return tuple(sorted({domain["Domain"] for each in enabled for domain in each["Domains"]}))


def _call(action: str, caller: CloudCredentials, registry: Registry) -> CloudCall:
    instance = f"{registry.instance_id} in {registry.region_id}"
    return CloudCall(
        "cr",
        f"cr:{action}",
        f"registry instance {instance}",
        f"allow cr:{action} on it (and cr:PullRepository on its repositories) in the policy of the "
        "last role of the registry's chain",
        caller,
    )


TOKENS = Operation("cr", "2016-06-07", "GetAuthorizationToken", "/tokens")
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


async def personal_token(
    sdk: CloudClient, caller: CloudCredentials, registry: Registry
) -> RegistryToken:
    """GetAuthorizationToken. Raises Denied, Invalid, Gone, Throttled, Unreachable."""
    call = _personal_call(caller, registry)
    answer = await call_operation(sdk, call, TOKENS, registry.region_id, {})
    request_id = str(answer.get("requestId", ""))
    with reading_answer(call, request_id):
        data = answer["data"]
        return RegistryToken(
            data["tempUserName"],
            SecretStr(data["authorizationToken"]),
            EPOCH + timedelta(milliseconds=int(data["expireDate"])),
            request_id,
        )


def personal_hosts(region_id: str) -> tuple[str, ...]:
    """The hosts that the Personal Edition registries of a region share; no API lists them.

    Registries made since September 2024 have hosts of their own instead, crpi-….personal.cr….
    """
    networks = ("registry-internal", "registry-vpc", "registry")
    return tuple(f"{network}.{region_id}.aliyuncs.com" for network in networks)


def _personal_call(caller: CloudCredentials, registry: Registry) -> CloudCall:
    return CloudCall(
        "cr",
        f"cr:{TOKENS.action}",
        f"Personal Edition in {registry.region_id}",
        f"allow cr:{TOKENS.action} and cr:PullRepository on * in the policy of the last role of the"
        " registry's chain; sessions that stem from RRSA are refused here",
        caller,
    )
