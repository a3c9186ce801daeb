"""Who sent a request to Function Compute 2.0: verifies `Authorization: FC <key ID>:<signature>`.

Rests on the "Request signatures" page of its documentation and on what its SDK, aliyun-fc2, sends.
"""

import hmac
import re
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

from localcloud.api import HttpRequest
from localcloud.cloud import Cloud
from localcloud.errors import CloudError
from localcloud.log_signature import sign  # made of another text, in the same way
from localcloud.sessions import Session

_CLOCK_SKEW = timedelta(minutes=15)
_AUTHORIZATION = re.compile(r"FC ([^:]+):([A-Za-z0-9+/=]+)")


def authenticate(cloud: Cloud, http: HttpRequest, now: datetime) -> Session:
    """The session that signed the request; CloudError if none provably did."""
    match = _AUTHORIZATION.fullmatch(http.headers.get("authorization", ""))
    if match is None:
        raise CloudError(400, "InvalidArgument", "authorization header is missing or malformed")
    access_key_id, signature = match.groups()
    session = cloud.sessions.get(access_key_id)
    if session is None:
        raise CloudError(403, "InvalidAccessKeyID", "the access key is not found")
    if http.headers.get("x-fc-security-token") != session.security_token:
        raise CloudError(403, "InvalidSecurityToken", "the security token is invalid")
    if now >= session.expires_at:
        raise CloudError(403, "InvalidSecurityToken", "the security token has expired")
    _check_date(http.headers.get("date", ""), now)
    if not hmac.compare_digest(signature, sign(session.access_key_secret, string_to_sign(http))):
        raise CloudError(403, "SignatureNotMatch", "the signature does not match")
    return session


def string_to_sign(http: HttpRequest) -> str:
    """The text that is signed."""
    own = sorted(name for name in http.headers if name.startswith("x-fc-"))
    return "\n".join(
        [
            http.method,
            *(http.headers.get(name, "") for name in ("content-md5", "content-type", "date")),
            *(f"{name}:{http.headers[name]}" for name in own),
            unquote(http.path),
        ]
    )


def _check_date(value: str, now: datetime) -> None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError as error:
        raise CloudError(400, "InvalidArgument", "date header must follow RFC 1123") from error
    if abs(date - now) > _CLOCK_SKEW:
        raise CloudError(403, "RequestTimeTooSkewed", "the request's time differs too much")
