"""Container Registry Personal Edition 2016-06-07: tokens by the SDKs' generic call.

The SDK made for this API throws its answers away.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from pydantic import SecretStr

from acr_refresher.adapters.cloud import CloudSdk
from acr_refresher.adapters.cloud_errors import CloudCall, reading_answer
from acr_refresher.adapters.generic import Operation, ask
from acr_refresher.core.model import Registry
from acr_refresher.ports import CloudCredentials, RegistryToken

TOKENS = Operation("cr", "2016-06-07", "GetAuthorizationToken", "/tokens")
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


async def personal_token(
    sdk: CloudSdk, caller: CloudCredentials, registry: Registry
) -> RegistryToken:
    """GetAuthorizationToken. Raises Denied, Invalid, Gone, Throttled, Unreachable."""
    call = _call(caller, registry)
    answer = await ask(sdk, call, TOKENS, registry.region_id, {})
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


def _call(caller: CloudCredentials, registry: Registry) -> CloudCall:
    return CloudCall(
        "cr",
        f"cr:{TOKENS.action}",
        f"Personal Edition in {registry.region_id}",
        f"allow cr:{TOKENS.action} and cr:PullRepository on * in the policy of the last role of the"
        " registry's chain; sessions that stem from RRSA are refused here",
        caller,
    )
