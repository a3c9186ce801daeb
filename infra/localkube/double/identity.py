"""Who makes a request: by client certificate or bearer token, as the real server decides."""

import ssl
import time
from collections.abc import Mapping
from typing import Any

from localkube.double.rbac import User

AUTHENTICATED = "system:authenticated"
ANONYMOUS = User("system:anonymous", frozenset({"system:unauthenticated"}))


def authenticate(
    certificate: Mapping[str, Any] | None, authorization: str, tokens: Mapping[str, str]
) -> User | None:
    """The user of a request, or None when its credentials are no good.

    Args:
        certificate: as ``SSLSocket.getpeercert`` gives it, verified but for its expiry.
        authorization: the header of that name.
        tokens: bearer tokens by user.
    """
    if certificate:
        return _user_of(certificate)
    scheme, _, token = authorization.partition(" ")
    if scheme != "Bearer" or not token.strip():
        return ANONYMOUS
    names = [name for name, known in tokens.items() if known == token.strip()]
    return User(names[0], frozenset({AUTHENTICATED})) if names else None


def _user_of(certificate: Mapping[str, Any]) -> User | None:
    if ssl.cert_time_to_seconds(certificate["notAfter"]) < time.time():
        return None
    subject = [pair for names in certificate["subject"] for pair in names]
    groups = {value for key, value in subject if key == "organizationName"}
    [name] = [value for key, value in subject if key == "commonName"]
    return User(name, frozenset({AUTHENTICATED, *groups}))
