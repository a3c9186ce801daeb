"""Security Token Service 2015-04-01: role sessions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from acr_refresher.cloud.client import CloudClient
from acr_refresher.cloud.errors import CloudCall, reading_answer, text
from acr_refresher.core.model import Role, Rrsa
from acr_refresher.run.ports import OIDC_AUDIENCE, CloudCredentials, Sts


class StsClient(Sts):
    """STS at the endpoint of one region, the function's own. Roles are global."""

    def __init__(self, cloud: CloudClient, region_id: str) -> None:
        self._cloud = cloud
        self._region_id = region_id

    async def assume_role(
        self,
        caller: CloudCredentials,
        role: Role,
        session_name: str,
        duration: timedelta,
        policy: str = "",
    ) -> CloudCredentials:
        """AssumeRole.

        Raises Denied, Invalid (also if there is no such role), Throttled, Unreachable.
        """
        from alibabacloud_sts20150401.models import AssumeRoleRequest

        request = AssumeRoleRequest(
            role_arn=role.arn,
            role_session_name=session_name,
            duration_seconds=int(duration.total_seconds()),
            external_id=role.external_id or None,
            policy=policy or None,
        )
        call = _assume_role_call(caller, role)
        send = self._client(caller).assume_role_with_options
        return _session(await self._cloud.call(call, send, request), call, role)

    async def assume_role_with_oidc(
        self, rrsa: Rrsa, token: SecretStr, session_name: str, duration: timedelta, policy: str = ""
    ) -> CloudCredentials:
        """AssumeRoleWithOIDC. The request is not signed: the token identifies the caller.

        Raises Denied, Invalid (also if there is no such role), Throttled, Unreachable.
        """
        from alibabacloud_sts20150401.models import AssumeRoleWithOIDCRequest

        request = AssumeRoleWithOIDCRequest(
            oidcprovider_arn=rrsa.oidc_provider_arn,
            oidctoken=token.get_secret_value(),
            role_arn=rrsa.role_arn,
            role_session_name=session_name,
            duration_seconds=int(duration.total_seconds()),
            policy=policy or None,
        )
        call = _oidc_call(rrsa, token)
        send = self._client(None).assume_role_with_oidcwith_options
        return _session(await self._cloud.call(call, send, request), call, Role(rrsa.role_arn))

    async def caller_arn(self, caller: CloudCredentials) -> str:
        """GetCallerIdentity: the ARN of the identity that the credentials belong to.

        The ARN of a role session includes the session's name. It needs no permission.
        Raises Denied, Invalid, Throttled, Unreachable.
        https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-getcalleridentity
        """
        client = self._client(caller)
        grant = "This call needs no permission: check the credentials."
        call = CloudCall("sts", "sts:GetCallerIdentity", "these credentials", grant, caller)
        answer = await self._cloud.call(
            call, lambda _, options: client.get_caller_identity_with_options(options), None
        )
        with reading_answer(call, answer.get("RequestId", "")):
            return text(answer["Arn"])

    def _client(self, caller: CloudCredentials | None) -> Any:
        from alibabacloud_sts20150401.client import Client

        return Client(self._cloud.config(caller, None, self._region_id))


def _session(answer: dict[str, Any], call: CloudCall, role: Role) -> CloudCredentials:
    with reading_answer(call, answer.get("RequestId", "")):
        credentials = answer["Credentials"]
        return CloudCredentials(
            text(credentials["AccessKeyId"]),
            SecretStr(text(credentials["AccessKeySecret"])),
            SecretStr(text(credentials["SecurityToken"])),
            role.account_id,
        )


def _assume_role_call(caller: CloudCredentials, role: Role) -> CloudCall:
    missing = (
        "with the external ID that it asks for" if role.external_id else "or asks for an externalId"
    )
    return CloudCall(
        "sts",
        "sts:AssumeRole",
        f"role {role.arn}",
        f"Either a policy of the caller lacks sts:AssumeRole on {role.arn}, or the role's trust "
        "policy lacks the caller. Add what is missing in that account.",
        caller,
        trust=f"The trust policy of {role.arn} lacks this caller, {missing}.",
    )


def _oidc_call(rrsa: Rrsa, token: SecretStr) -> CloudCall:
    account = f"system:serviceaccount:{rrsa.namespace}:{rrsa.service_account}"
    # The token stands for the caller: it must never be shown, and its account's limits apply.
    caller = CloudCredentials("", token, account_id=Role(rrsa.role_arn).account_id)
    return CloudCall(
        "sts",
        "sts:AssumeRoleWithOIDC",
        f"role {rrsa.role_arn}",
        f"Either the role's trust policy lacks {rrsa.oidc_provider_arn} with oidc:sub {account} and"
        f" oidc:aud {OIDC_AUDIENCE}, or there is no such provider. Add what is missing in that "
        "account.",
        caller,
    )
