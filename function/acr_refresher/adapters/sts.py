"""Security Token Service 2015-04-01: role sessions."""

from __future__ import annotations

from datetime import timedelta

from pydantic import SecretStr

from acr_refresher.adapters.cloud import CloudSdk
from acr_refresher.adapters.cloud_errors import CloudCall, reading_answer
from acr_refresher.ports import CloudCredentials, Sts


class StsClient(Sts):
    """STS at the endpoint of one region, the function's own; roles are global."""

    def __init__(self, sdk: CloudSdk, region_id: str) -> None:
        self._sdk = sdk
        self._region_id = region_id

    async def assume_role(
        self, caller: CloudCredentials, role_arn: str, session_name: str, duration: timedelta
    ) -> CloudCredentials:
        """AssumeRole. Raises Denied, Invalid (also: no such role), Throttled, Unreachable."""
        from alibabacloud_sts20150401.client import Client  # noqa: PLC0415 - see cloud.py
        from alibabacloud_sts20150401.models import AssumeRoleRequest  # noqa: PLC0415

        client = Client(self._sdk.config(caller, None, self._region_id))
        request = AssumeRoleRequest(
            role_arn=role_arn,
            role_session_name=session_name,
            duration_seconds=int(duration.total_seconds()),
        )
        call = _call(caller, role_arn)
        answer = await self._sdk.ask(call, client.assume_role_with_options, request)
        with reading_answer(call, str(answer.get("RequestId", ""))):
            credentials = answer["Credentials"]
            return CloudCredentials(
                credentials["AccessKeyId"],
                SecretStr(credentials["AccessKeySecret"]),
                SecretStr(credentials["SecurityToken"]),
            )


def _call(caller: CloudCredentials, role_arn: str) -> CloudCall:
    return CloudCall(
        "sts",
        "sts:AssumeRole",
        f"role {role_arn}",
        f"either a policy of the caller lacks sts:AssumeRole on {role_arn}, or the role's trust "
        "policy lacks the caller; add what is missing in that account",
        caller,
    )
