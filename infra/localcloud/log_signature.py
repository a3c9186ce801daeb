"""Who sent a request to SLS: verifies its own signature, `Authorization: LOG <key ID>:<signature>`.

Rests on the "Request signatures" page of the SLS documentation and on what its SDK sends: version 1
with hmac-sha256. https://www.alibabacloud.com/help/en/sls/developer-reference/request-signatures
"""

import base64
import hashlib
import hmac
import re
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from localcloud.api import HttpRequest
from localcloud.cloud import Cloud
from localcloud.errors import CloudError
from localcloud.sessions import Session

_CLOCK_SKEW = timedelta(minutes=15)
_AUTHORIZATION = re.compile(r"LOG ([^:]+):([A-Za-z0-9+/=]+)")


def authenticate(cloud: Cloud, http: HttpRequest, now: datetime) -> Session:
    """The session that signed the request; CloudError if none provably did."""
    match = _AUTHORIZATION.fullmatch(http.headers.get("authorization", ""))
    if match is None:
        raise CloudError(400, "ParameterInvalid", "http extend authorization is invalid")
    access_key_id, signature = match.groups()
    session = cloud.sessions.get(access_key_id)
    if session is None:
        raise CloudError(401, "Unauthorized", "AccessKeyId not found")
    if http.headers.get("x-acs-security-token") != session.security_token:
        raise CloudError(401, "Unauthorized", "The security token you provided is invalid.")
    if now >= session.expires_at:
        raise CloudError(401, "Unauthorized", "The security token you provided has expired.")
    _check_date(http.headers.get("date", ""), now)
    if not hmac.compare_digest(signature, sign(session.access_key_secret, string_to_sign(http))):
        raise CloudError(401, "SignatureNotMatch", f"signature {signature} not match")
    return session


def string_to_sign(http: HttpRequest) -> str:
    """The text that is signed, with the digest of the body as it came."""
    extension = sorted(name for name in http.headers if name.startswith(("x-log-", "x-acs-")))
    query = "&".join(f"{name}={value}" for name, value in sorted(http.query))
    return "\n".join(
        [
            http.method,
            hashlib.md5(http.body, usedforsecurity=False).hexdigest().upper() if http.body else "",
            http.headers.get("content-type", ""),
            http.headers.get("date", ""),
            *(f"{name}:{http.headers[name]}" for name in extension),
            f"{http.path}?{query}" if query else http.path,
        ]
    )


def sign(access_key_secret: str, text: str) -> str:
    """The signature of a text, in base64."""
    digest = hmac.new(access_key_secret.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _check_date(value: str, now: datetime) -> None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError as error:
        raise CloudError(400, "InvalidDateFormat", f"Date {value} must follow RFC822") from error
    if abs(date - now) > _CLOCK_SKEW:
        message = f"Request time {value} has been expired while server time is {now}."
        raise CloudError(400, "RequestTimeExpired", message)
