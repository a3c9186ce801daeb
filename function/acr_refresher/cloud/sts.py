"""Security Token Service 2015-04-01: role sessions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from acr_refresher.cloud.client import CloudClient
from acr_refresher.cloud.errors import CloudCall, reading_answer
from acr_refresher.core.model import Role, Rrsa
from acr_refresher.run.ports import OIDC_AUDIENCE, CloudCredentials, Sts


class StsClient(Sts):
    """STS at the endpoint of one region, the function's own; roles are global."""

    def __init__(self, sdk: CloudClient, region_id: str) -> None:
        self._cloud = sdk
        self._region_id = region_id

    async def assume_role(
        self,
        caller: CloudCredentials,
        role: Role,
        session_name: str,
        duration: timedelta,
        policy: str = "",
    ) -> CloudCredentials:
        """AssumeRole. Raises Denied, Invalid (also: no such role), Throttled, Unreachable."""
        from alibabacloud_sts20150401.client import Client  # noqa: PLC0415  # see cloud.py
        from alibabacloud_sts20150401.models import AssumeRoleRequest  # noqa: PLC0415  # as above

        client = Client(self._cloud.config(caller, None, self._region_id))
        request = AssumeRoleRequest(
            role_arn=role.arn,
            role_session_name=session_name,
            duration_seconds=int(duration.total_seconds()),
            external_id=role.external_id or None,
            policy=policy or None,
        )
        call = _call(caller, role)
        answer = await self._cloud.call(call, client.assume_role_with_options, request)
        return _session(answer, call, role)

    async def assume_role_with_oidc(
        self, rrsa: Rrsa, token: SecretStr, session_name: str, duration: timedelta, policy: str = ""
    ) -> CloudCredentials:
        """AssumeRoleWithOIDC: nobody signs it, for the token says who asks.

        Raises Denied, Invalid (also: no such role), Throttled, Unreachable.
        """
        from alibabacloud_sts20150401.client import Client  # noqa: PLC0415  # see cloud.py
        from alibabacloud_sts20150401.models import AssumeRoleWithOIDCRequest  # noqa: PLC0415  # as above

        client = Client(self._cloud.config(None, None, self._region_id))
        request = AssumeRoleWithOIDCRequest(
            oidcprovider_arn=rrsa.oidc_provider_arn,
            oidctoken=token.get_secret_value(),
            role_arn=rrsa.role_arn,
            role_session_name=session_name,
            duration_seconds=int(duration.total_seconds()),
            policy=policy or None,
        )
        call = _oidc_call(rrsa, token)
        answer = await self._cloud.call(call, client.assume_role_with_oidcwith_options, request)
        return _session(answer, call, Role(rrsa.role_arn))

    async def caller_arn(self, caller: CloudCredentials) -> str:
        """GetCallerIdentity, which takes no permission: the ARN of whose credentials these are.

        Of a role session it names the session too. Raises Denied, Invalid, Throttled, Unreachable.
        https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-getcalleridentity
        """
        from alibabacloud_sts20150401.client import Client  # noqa: PLC0415  # see cloud.py

        client = Client(self._cloud.config(caller, None, self._region_id))
        grant = "it takes no permission: check the credentials"
        call = CloudCall("sts", "sts:GetCallerIdentity", "these credentials", grant, caller)
        answer = await self._cloud.call(
            call, lambda _, options: client.get_caller_identity_with_options(options), None
        )
        with reading_answer(call, str(answer.get("RequestId", ""))):
            return str(answer["Arn"])


def _session(answer: dict[str, Any], call: CloudCall, role: Role) -> CloudCredentials:
    with reading_answer(call, str(answer.get("RequestId", ""))):
        credentials = answer["Credentials"]
        return CloudCredentials(
            credentials["AccessKeyId"],
            SecretStr(credentials["AccessKeySecret"]),
            SecretStr(credentials["SecurityToken"]),
            role.account_id,
        )


def _oidc_call(rrsa: Rrsa, token: SecretStr) -> CloudCall:
    account = f"system:serviceaccount:{rrsa.namespace}:{rrsa.service_account}"
    return CloudCall(
        "sts",
        "sts:AssumeRoleWithOIDC",
        f"role {rrsa.role_arn}",
        f"its trust policy lacks {rrsa.oidc_provider_arn} with oidc:sub {account} and oidc:aud"
        f" {OIDC_AUDIENCE}, or there is no such provider; add what is missing in that account",
        # What must never be shown, and whom it is counted against.
        CloudCredentials("", token, account_id=Role(rrsa.role_arn).account_id),
    )


def _call(caller: CloudCredentials, role: Role) -> CloudCall:
    external_id = (
        "with the external ID that it asks for" if role.external_id else "or asks for an externalId"
    )
    return CloudCall(
        "sts",
        "sts:AssumeRole",
        f"role {role.arn}",
        f"either a policy of the caller lacks sts:AssumeRole on {role.arn}, or the role's trust "
        "policy lacks the caller; add what is missing in that account",
        caller,
        trust=f"the trust policy of {role.arn} lacks this caller, {external_id}",
    )
