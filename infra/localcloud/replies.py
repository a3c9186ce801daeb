"""How answers and refusals are written, in the JSON of the product's style."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from localcloud.api import Json, Raw, Style
from localcloud.errors import AccessDenial, CloudError


@dataclass(frozen=True)
class Reply:
    """An HTTP response; `code` is its API error code, empty for a success."""

    status: int
    body: bytes = field(repr=False)
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = ""


def success(body: Json | Raw, style: Style, request_id: str) -> Reply:
    """HTTP 200, which a product may still use to say that it did not succeed."""
    if isinstance(body, Raw):
        code = body.headers.get("x-fc-error-type", "")
        return Reply(body.status, body.body, headers=body.headers, code=code)
    code = body.get("Code", "") if body.get("IsSuccess") is False else ""
    if style == "LOG":
        return Reply(200, b"", headers={"x-log-requestid": request_id})
    named = {"RequestId": request_id, **body} if style == "RPC" else body
    return Reply(200, _encode(named), headers={"x-acs-request-id": request_id}, code=code)


def refusal(error: CloudError, style: Style, request_id: str, host: str) -> Reply:
    if style == "LOG":
        log_body = {"errorCode": error.code, "errorMessage": error.message}
        headers = {"x-log-requestid": request_id}
        return Reply(error.status, _encode(log_body), headers=headers, code=error.code)
    if style == "FC":
        fc_body = {"ErrorCode": error.code, "ErrorMessage": error.message}
        headers = {"x-fc-request-id": request_id}
        return Reply(error.status, _encode(fc_body), headers=headers, code=error.code)
    body: Json = {
        "RequestId": request_id,
        "HostId": host,
        "Code": error.code,
        "Message": error.message,
        "Recommend": f"https://api.aliyun.com/troubleshoot?q={error.code}",
    }
    if error.access_denial is not None:
        body["AccessDeniedDetail"] = _access_denied_detail(error.access_denial)
    if style == "ROA":
        body = {name[0].lower() + name[1:]: value for name, value in body.items()}
    headers = {"x-acs-request-id": request_id}
    if error.retry_after is not None:
        headers["x-acs-retry-after"] = str(int(error.retry_after.total_seconds() * 1000))
    return Reply(error.status, _encode(body), headers=headers, code=error.code)


def bad_gateway() -> Reply:
    """The page of a proxy whose upstream does not answer."""
    page = b"<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>"
    return Reply(502, page, "text/html")


def _access_denied_detail(denied: AccessDenial) -> Json:
    return {
        "AuthAction": denied.action,
        "AuthPrincipalType": "AssumedRoleUser",
        "AuthPrincipalOwnerId": denied.account,
        "AuthPrincipalDisplayName": denied.display_name,
        "NoPermissionType": "ExplicitDeny" if denied.denial.explicit else "ImplicitDeny",
        "PolicyType": denied.denial.policy_type,
    }


def _encode(body: Json) -> bytes:
    return json.dumps(body).encode()
