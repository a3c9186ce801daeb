"""Key Management Service 2016-01-20: kubeconfigs kept as secrets."""

from __future__ import annotations

from pydantic import SecretStr

from acr_refresher.cloud.client import CloudClient, Operation, call_operation
from acr_refresher.cloud.errors import CloudCall, reading_answer
from acr_refresher.core.model import KmsAccess
from acr_refresher.errors import Invalid
from acr_refresher.run.ports import CloudCredentials, KeyManagement, Kubeconfig

GET_SECRET_VALUE = Operation("kms", "2016-01-20", "GetSecretValue")


class KmsClient(KeyManagement):
    """KMS at the endpoint of each secret's own region."""

    def __init__(self, sdk: CloudClient) -> None:
        self._cloud = sdk

    async def kubeconfig(self, caller: CloudCredentials, access: KmsAccess) -> Kubeconfig:
        """GetSecretValue: the secret's current version, which is to be text.

        Raises Denied, Invalid, Gone, Throttled, Unreachable.
        """
        call = _call(caller, access)
        query = {"SecretName": access.secret_name}
        answer = await call_operation(self._cloud, call, GET_SECRET_VALUE, access.region_id, query)
        request_id = str(answer.get("RequestId", ""))
        with reading_answer(call, request_id):
            data, data_type = answer["SecretData"], answer.get("SecretDataType", "text")
        if data_type != "text":
            raise Invalid(
                f"{call.target} is {data_type}: keep the kubeconfig as text",
                service="kms",
                request_id=request_id,
            )
        return Kubeconfig(SecretStr(data))


def _call(caller: CloudCredentials, access: KmsAccess) -> CloudCall:
    return CloudCall(
        "kms",
        "kms:GetSecretValue",
        f"secret {access.secret_name} in {access.region_id}",
        "allow kms:GetSecretValue on it, and kms:Decrypt on the key that encrypts it, in the "
        "policy of the last role of the secret's chain",
        caller,
    )
