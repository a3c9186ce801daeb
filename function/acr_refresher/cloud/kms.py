"""Key Management Service 2016-01-20: kubeconfigs that are kept as secrets."""

from __future__ import annotations

from pydantic import SecretStr

from acr_refresher.cloud.client import CloudClient, Operation
from acr_refresher.cloud.errors import CODE_LENGTH, CloudCall, reading_answer, text
from acr_refresher.core.model import KmsAccess
from acr_refresher.core.ram_actions import assumption
from acr_refresher.errors import Invalid
from acr_refresher.run.ports import CloudCredentials, KeyManagement, Kubeconfig

GET_SECRET_VALUE = Operation("kms", "2016-01-20", "GetSecretValue")


class KmsClient(KeyManagement):
    """KMS at the endpoint of each secret's own region."""

    def __init__(self, cloud: CloudClient) -> None:
        self._cloud = cloud

    async def kubeconfig(self, caller: CloudCredentials, access: KmsAccess) -> Kubeconfig:
        """GetSecretValue: the secret's current version, which must be text.

        Raises Denied, Invalid, Gone, Throttled, Unreachable.
        """
        call = CloudCall(
            "kms",
            "kms:GetSecretValue",
            f"secret {access.secret_name} in {access.region_id}",
            "Allow kms:GetSecretValue on it, and kms:Decrypt on the key that encrypts it, in the "
            f"policy of the last role of the secret's chain.{assumption('kms:Decrypt')}",
            caller,
        )
        answer = await self._cloud.call_operation(
            call, GET_SECRET_VALUE, access.region_id, {"SecretName": access.secret_name}
        )
        request_id = str(answer.get("RequestId", ""))[:CODE_LENGTH]
        with reading_answer(call, request_id):
            data, data_type = text(answer["SecretData"]), answer.get("SecretDataType", "text")
        if data_type != "text":
            raise Invalid(
                f"{call.target} is {data_type!s:.20}. Store the kubeconfig as text.",
                service="kms",
                request_id=request_id,
            )
        return Kubeconfig(SecretStr(data))
