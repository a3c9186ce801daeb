"""Who sent a request: verifies signature, security token, date and nonce.

Rests on the "Request syntax and signature method V3" page of the OpenAPI documentation; the order
of the checks is this cloud's own.
"""

from datetime import datetime, timedelta

from localcloud import signature
from localcloud.api import HttpRequest
from localcloud.cloud import Cloud
from localcloud.errors import CloudError
from localcloud.sessions import Session

_CLOCK_SKEW = timedelta(minutes=15)


def authenticate(cloud: Cloud, http: HttpRequest, now: datetime) -> Session:
    """The session that signed the request; CloudError if none provably did."""
    authorization = _authorization(http)
    session = cloud.sessions.get(authorization.access_key_id)
    if session is None:
        raise CloudError(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
    _check_security_token(cloud, session, http.headers.get("x-acs-security-token"), now)
    _check_date(http.headers.get("x-acs-date", ""), now)
    _check_signature(http, authorization, session)
    _check_nonce(cloud, http.headers["x-acs-signature-nonce"])
    return session


def _authorization(http: HttpRequest) -> signature.Authorization:
    header = http.headers.get("authorization")
    if header is None:
        raise CloudError(400, "MissingAccessKeyId", "AccessKeyId is mandatory for this action.")
    authorization = signature.parse_authorization(header)
    required = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce"}
    required |= {name for name in http.headers if name.startswith("x-acs-")}
    if authorization is None or not required <= set(authorization.signed_headers):
        message = "The request signature does not conform to Alibaba Cloud standards."
        raise CloudError(400, "IncompleteSignature", message)
    return authorization


def _check_security_token(cloud: Cloud, session: Session, token: str | None, now: datetime) -> None:
    if token is None:
        message = "SecurityToken is mandatory for this action."
        raise CloudError(400, "MissingSecurityToken", message)
    if token != session.security_token:
        known = any(token == other.security_token for other in cloud.sessions.copy().values())
        code = "MismatchWithAccessKey" if known else "Malformed"
        message = "Specified SecurityToken is not valid for the access key."
        raise CloudError(400, f"InvalidSecurityToken.{code}", message)
    if now >= session.expires_at:
        message = "Specified SecurityToken is expired."
        raise CloudError(400, "InvalidSecurityToken.Expired", message)


def _check_date(value: str, now: datetime) -> None:
    message = 'The input parameter "Timestamp" is not valid.'
    try:
        date = datetime.strptime(value, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError as error:
        raise CloudError(400, "IllegalTimestamp", message) from error
    if date > now + _CLOCK_SKEW:
        raise CloudError(400, "IllegalTimestamp", message)
    if date < now - _CLOCK_SKEW:
        message = "Specified time stamp or date value is expired."
        raise CloudError(400, "InvalidTimeStamp.Expired", message)


def _check_signature(
    http: HttpRequest, authorization: signature.Authorization, session: Session
) -> None:
    canonical = signature.canonical_request(
        http.method, http.path, http.query, http.headers, authorization.signed_headers, http.body
    )
    expected = signature.sign(session.access_key_secret, canonical)
    digest = signature.content_digest(http.body)
    if (authorization.signature, http.headers.get("x-acs-content-sha256")) != (expected, digest):
        message = "Specified signature is not matched with our calculation."
        raise CloudError(400, "SignatureDoesNotMatch", message)


def _check_nonce(cloud: Cloud, nonce: str) -> None:
    """Refuse a nonce seen before. Only the event loop's thread comes here, so nothing races."""
    if nonce in cloud.used_nonces:
        message = "Specified signature nonce was used already."
        raise CloudError(400, "SignatureNonceUsed", message)
    cloud.used_nonces.add(nonce)
