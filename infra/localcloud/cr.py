"""Container Registry Enterprise Edition, API version 2018-12-01."""

import re
import secrets
from datetime import datetime, timedelta

from localcloud.api import ApiRequest, Json, Operation, Product
from localcloud.authorization import GET_REGISTRY_TOKEN, LIST_REGISTRY_ENDPOINTS, Permission
from localcloud.cloud import Cloud, RegistryToken
from localcloud.errors import CloudError, no_permission
from localcloud.world import Endpoint, PersonalRegistry, RegistryInstance

TEMP_USERNAME = "cr_temp_user"

_TOKEN_LIFETIME = timedelta(hours=1)
_MOST_HOURS = 24


def get_authorization_token(cloud: Cloud, request: ApiRequest) -> Json:
    """GetAuthorizationToken: a token that may at the registry what its caller may.

    Whether the caller may pull is not looked at here but when the token is used.
    """
    instance = _authorized_instance(cloud, request, GET_REGISTRY_TOKEN)
    if instance is None:
        return _unsuccessful("INSTANCE_NOT_EXIST")
    token, expires_at = issue_token(cloud, request, instance)
    return _successful(
        {
            "TempUsername": TEMP_USERNAME,
            "AuthorizationToken": token,
            "ExpireTime": milliseconds(expires_at),
        }
    )


def list_instance_endpoint(cloud: Cloud, request: ApiRequest) -> Json:
    """ListInstanceEndpoint: the domains of the instance, by network."""
    instance = _authorized_instance(cloud, request, LIST_REGISTRY_ENDPOINTS)
    if instance is None:
        return _unsuccessful("INSTANCE_NOT_EXIST")
    return _successful({"Endpoints": [_endpoint(endpoint) for endpoint in instance.endpoints]})


def issue_token(
    cloud: Cloud, request: ApiRequest, registry: RegistryInstance | PersonalRegistry
) -> tuple[str, datetime]:
    """A new token with which the caller may log in to the registry, and when it expires."""
    token = secrets.token_urlsafe(48)
    expires_at = _token_expiry(cloud, request)
    cloud.registry_tokens[token] = RegistryToken(request.caller, registry, expires_at)
    return token, expires_at


def milliseconds(time: datetime) -> int:
    """Unix time in milliseconds."""
    return int(time.timestamp() * 1000)


def _authorized_instance(
    cloud: Cloud, request: ApiRequest, permission: Permission
) -> RegistryInstance | None:
    """The instance of the caller's account in the host's region, or None if it does not exist."""
    instance, region = request.required("InstanceId"), request.region
    account = request.caller.role.account
    place = {"region": region, "account": account, "instance": instance}
    if denial := request.caller.find_access_denial(permission, **place):
        raise no_permission(denial)
    return cloud.world.find_registry(instance, account=account, region=region)


def _token_expiry(cloud: Cloud, request: ApiRequest) -> datetime:
    """One hour from now; but a token from an assumed role lives as long as the role's session.

    With ExpiresInHours it is the shorter of both, as the SDK's models say (alibabacloud-cr20181201
    2.2.5, GetAuthorizationTokenRequest).
    """
    if cloud.token_lifetime is not None:
        return request.now + cloud.token_lifetime
    if hours := request.parameters.get("ExpiresInHours", ""):
        if not hours.isdecimal() or not 1 <= int(hours) <= _MOST_HOURS:
            raise CloudError(400, "InvalidParameter", "ExpiresInHours must be 1 to 24.")
        return min(request.now + timedelta(hours=int(hours)), request.caller.expires_at)
    if request.caller.origin == "service":
        return min(request.now + _TOKEN_LIFETIME, request.caller.expires_at)
    return request.caller.expires_at


def _endpoint(endpoint: Endpoint) -> Json:
    return {
        "EndpointType": endpoint.type,
        "Enable": endpoint.enabled,
        "AclEnable": endpoint.acl is not None,
        "AclEntries": [{"Entry": entry} for entry in endpoint.acl or ()],
        "Domains": [{"Domain": domain.name, "Type": domain.type} for domain in endpoint.domains],
        "LinkedVpcs": [{"VpcId": vpc} for vpc in endpoint.linked_vpcs],
        "Status": "RUNNING",
    }


def _successful(body: Json) -> Json:
    return {"IsSuccess": True, "Code": "success", **body}


def _unsuccessful(code: str) -> Json:
    """A refusal of the product itself, which comes as HTTP 200."""
    return {"IsSuccess": False, "Code": code}


PRODUCT = Product(
    hosts=re.compile(r"cr(-vpc)?\.(?P<region>[a-z0-9-]+)\.aliyuncs\.com"),
    version="2018-12-01",
    style="RPC",
    operations=(
        Operation("GetAuthorizationToken", get_authorization_token),
        Operation("ListInstanceEndpoint", list_instance_endpoint),
    ),
)
