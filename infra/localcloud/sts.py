"""Security Token Service, API version 2015-04-01."""

import re
from datetime import timedelta

from localcloud import oidc, ram
from localcloud.api import ApiRequest, Json, Operation, Product
from localcloud.authorization import ASSUME_ROLE
from localcloud.cloud import Cloud
from localcloud.errors import CloudError, no_permission
from localcloud.sessions import Session, open_session
from localcloud.world import OidcProvider, Role

_MIN_DURATION = timedelta(seconds=900)
_MAX_POLICY_LENGTH = 2048
_ROLE_ARN = re.compile(r"acs:ram::\d+:role/[\w.-]{1,64}", re.ASCII)
_ROLE_SESSION_NAME = re.compile(r"[A-Za-z0-9.@_-]{2,64}")
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)


def assume_role(cloud: Cloud, request: ApiRequest) -> Json:
    """AssumeRole: the caller needs the permission, and the role must trust the caller."""
    role_arn = _role_arn(request)
    session_name = _session_name(request)
    policy = _session_policy(request)
    role = _trusting_role(cloud, request, role_arn)
    session = open_session(
        role,
        session_name,
        request.now,
        _duration(request, role),
        policy=policy,
        origin="oidc" if request.caller.origin == "oidc" else "role",
    )
    cloud.sessions[session.access_key_id] = session
    return _assumed(session)


def assume_role_with_oidc(cloud: Cloud, request: ApiRequest) -> Json:
    """AssumeRoleWithOIDC: the token is proof enough, so the request is not signed."""
    role_arn = _role_arn(request)
    session_name = _session_name(request)
    policy = _session_policy(request)
    provider = _oidc_provider(cloud, request)
    identity = oidc.verify(request.parameters.get("OIDCToken", ""), provider, request.now)
    role = _existing_role(cloud, role_arn)
    principal = ram.federated_principal(provider.arn)
    if ram.find_trust_denial(role.trust_policy, principal, identity.context):
        raise CloudError(401, "AuthenticationFail.NoPermission", "There is no permission")
    duration = _duration(request, role)
    session = open_session(role, session_name, request.now, duration, policy=policy, origin="oidc")
    cloud.sessions[session.access_key_id] = session
    token_info = {
        "Issuer": identity.issuer,
        "Subject": identity.subject,
        "ClientIds": identity.audience,
    }
    return {**_assumed(session), "OIDCTokenInfo": token_info}


def get_caller_identity(_cloud: Cloud, request: ApiRequest) -> Json:
    """GetCallerIdentity: the signer, who needs no permission. Only role sessions sign it here."""
    caller = request.caller
    return {
        "IdentityType": "AssumedRoleUser",
        "AccountId": caller.role.account,
        "Arn": caller.arn,
        "PrincipalId": f"{caller.role.name}:{caller.name}",
        "RoleId": caller.role.name,
    }


def _assumed(session: Session) -> Json:
    return {
        "AssumedRoleUser": {
            "Arn": session.arn,
            "AssumedRoleId": f"{session.role.name}:{session.name}",
        },
        "Credentials": {
            "AccessKeyId": session.access_key_id,
            "AccessKeySecret": session.access_key_secret,
            "SecurityToken": session.security_token,
            "Expiration": session.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    }


def _role_arn(request: ApiRequest) -> str:
    role_arn = request.required("RoleArn")
    if not _ROLE_ARN.fullmatch(role_arn):
        raise _invalid("RoleArn", "The parameter RoleArn is wrongly formed.")
    return role_arn


def _session_name(request: ApiRequest) -> str:
    name = request.required("RoleSessionName")
    if not _ROLE_SESSION_NAME.fullmatch(name):
        raise _invalid("RoleSessionName", "The parameter RoleSessionName is wrongly formed.")
    return name


def _session_policy(request: ApiRequest) -> ram.Document | None:
    text = request.parameters.get("Policy")
    if text is None:
        return None
    if len(text) > _MAX_POLICY_LENGTH:
        raise _invalid("PolicySize", "The size of the parameter Policy exceeds the limit.")
    try:
        return ram.parse_policy(text)
    except ram.PolicyError as error:
        message = "The parameter Policy has not passed grammar check."
        raise _invalid("PolicyGrammar", message) from error


def _trusting_role(cloud: Cloud, request: ApiRequest, role_arn: str) -> Role:
    """The role, if the caller may assume roles of this ARN and the role trusts the caller."""
    caller = request.caller
    place = {"account": role_arn.split(":")[3], "role": role_arn.partition("/")[2]}
    if denial := caller.find_access_denial(ASSUME_ROLE, **place):
        raise no_permission(denial)
    role = _existing_role(cloud, role_arn)
    principal = ram.role_principal(caller.role.arn)
    if distrust := ram.find_trust_denial(role.trust_policy, principal, _context(request)):
        raise no_permission(caller.access_denial("sts:AssumeRole", distrust))
    return role


def _existing_role(cloud: Cloud, role_arn: str) -> Role:
    role = cloud.world.find_role(role_arn)
    if role is None:
        raise CloudError(404, "EntityNotExist.Role", f"The role not exists: {role_arn}.")
    return role


def _oidc_provider(cloud: Cloud, request: ApiRequest) -> OidcProvider:
    provider = cloud.world.find_oidc_provider(request.required("OIDCProviderArn"))
    if provider is None:
        message = "No such OIDC Provider registered."
        raise CloudError(401, "AuthenticationFail.NoPermission", message)
    return provider


def _context(request: ApiRequest) -> ram.Context:
    external_id = request.parameters.get("ExternalId")
    if external_id is None:
        return {}
    if not _EXTERNAL_ID.fullmatch(external_id):
        raise _invalid("ExternalId", "The parameter ExternalId is wrongly formed.")
    return {"sts:ExternalId": external_id}


def _duration(request: ApiRequest, role: Role) -> timedelta:
    duration = timedelta(seconds=request.whole_number("DurationSeconds", default=3600))
    if not _MIN_DURATION <= duration <= role.max_session_duration:
        message = (
            f"The Min/Max value of DurationSeconds is {_MIN_DURATION}/{role.max_session_duration}."
        )
        raise _invalid("DurationSeconds", message)
    return duration


def _invalid(parameter: str, message: str) -> CloudError:
    return CloudError(400, f"InvalidParameter.{parameter}", message)


PRODUCT = Product(
    hosts=re.compile(r"sts\.aliyuncs\.com|sts(-vpc)?\.(?P<region>[a-z0-9-]+)\.aliyuncs\.com"),
    version="2015-04-01",
    style="RPC",
    operations=(
        Operation("AssumeRole", assume_role),
        Operation("AssumeRoleWithOIDC", assume_role_with_oidc, anonymous=True),
        Operation("GetCallerIdentity", get_caller_identity),
    ),
)
