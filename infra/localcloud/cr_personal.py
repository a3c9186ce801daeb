"""Container Registry Personal Edition, API version 2016-06-07.

Its error codes are not documented for what is refused here; OIDC_SESSION_NOT_SUPPORTED and
USER_NOT_EXIST are this cloud's own words.
"""

import re

from localcloud.api import ApiRequest, Json, Operation, Product
from localcloud.authorization import GET_REGISTRY_TOKEN
from localcloud.cloud import Cloud
from localcloud.cr import TEMP_USERNAME, issue_token, milliseconds
from localcloud.errors import CloudError, no_permission


def get_authorization_token(cloud: Cloud, request: ApiRequest) -> Json:
    """GetAuthorizationToken: a token that may at the registry what its caller may.

    Sessions that stem from an OpenID Connect token (RRSA) get none: the documentation of ACK's
    credential helper says that they cannot pull from this edition.
    """
    caller = request.caller
    if denial := caller.find_access_denial(GET_REGISTRY_TOKEN):
        raise no_permission(denial)
    if caller.origin == "oidc":
        message = "Personal Edition does not support sessions of AssumeRoleWithOIDC."
        raise CloudError(403, "OIDC_SESSION_NOT_SUPPORTED", message)
    account = caller.role.account
    registry = cloud.world.find_personal_registry(account=account, region=request.region)
    if registry is None:
        raise CloudError(404, "USER_NOT_EXIST", "The account has not activated Personal Edition.")
    token, expires_at = issue_token(cloud, request, registry)
    data = {
        "authorizationToken": token,
        "tempUserName": TEMP_USERNAME,
        "expireDate": milliseconds(expires_at),
    }
    return {"data": data, "requestId": request.id}


PRODUCT = Product(
    hosts=re.compile(r"cr\.(?P<region>[a-z0-9-]+)\.aliyuncs\.com"),
    version="2016-06-07",
    style="ROA",
    operations=(
        Operation("GetAuthorizationToken", get_authorization_token, method="GET", path="/tokens"),
    ),
)
