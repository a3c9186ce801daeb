"""Key Management Service, API version 2016-01-20: its secrets."""

import re

from localcloud.api import ApiRequest, Json, Operation, Product
from localcloud.authorization import DECRYPT_SECRET, GET_SECRET, Permission
from localcloud.cloud import Cloud
from localcloud.errors import AccessDenial, CloudError

_SECRET_ARN = re.compile(
    r"acs:kms:(?P<region>[^:]+):(?P<account>\d+):secret/(?P<name>.+)", re.ASCII
)


def get_secret_value(cloud: Cloud, request: ApiRequest) -> Json:
    """GetSecretValue: the data of a secret, in its current version or the one of VersionId.

    The caller needs kms:GetSecretValue on the secret and kms:Decrypt on the key that encrypts it.
    Secrets here have no policies of their own, so no account reads those of another.
    """
    account, region, name = _secret(request)
    _authorize(request, GET_SECRET, region=region, account=account, secret=name)
    if account != request.caller.role.account:
        raise _forbidden(None)
    version_id = request.parameters.get("VersionId")
    secret = cloud.world.find_secret(name, version_id, account=account, region=region)
    if secret is None or region != request.region:
        raise CloudError(404, "Forbidden.ResourceNotFound", "Resource not found.")
    _authorize(request, DECRYPT_SECRET, region=region, account=account, key=secret.key)
    return {
        "SecretName": secret.name,
        "SecretData": secret.data,
        "SecretDataType": secret.data_type,
        "VersionId": secret.version_id,
    }


def _secret(request: ApiRequest) -> tuple[str, str, str]:
    """Account, region and name of the secret, which is named by its ARN or by its name alone."""
    name = request.required("SecretName")
    match = _SECRET_ARN.fullmatch(name)
    if match is None:
        return request.caller.role.account, request.region, name
    return match["account"], match["region"], match["name"]


def _authorize(request: ApiRequest, permission: Permission, **place: str) -> None:
    if denial := request.caller.find_access_denial(permission, **place):
        raise _forbidden(denial)


def _forbidden(denial: AccessDenial | None) -> CloudError:
    message = "This operation is forbidden by permission system."
    return CloudError(403, "Forbidden.NoPermission", message, denial)


PRODUCT = Product(
    hosts=re.compile(r"kms\.(?P<region>[a-z0-9-]+)\.aliyuncs\.com"),
    version="2016-01-20",
    style="RPC",
    operations=(Operation("GetSecretValue", get_secret_value),),
)
