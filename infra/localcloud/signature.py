"""The signature ACS3-HMAC-SHA256, as the cloud computes it to compare."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

ALGORITHM = "ACS3-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} +Credential=([^,]+), *SignedHeaders=([^,]+), *Signature=([0-9a-f]+)"
)


@dataclass(frozen=True)
class Authorization:
    access_key_id: str
    signed_headers: tuple[str, ...]
    signature: str


def parse_authorization(value: str) -> Authorization | None:
    """The parts of an Authorization header, or None if it is not one of this algorithm."""
    match = _AUTHORIZATION.fullmatch(value)
    if match is None:
        return None
    access_key_id, signed_headers, signature = match.groups()
    return Authorization(access_key_id, tuple(signed_headers.split(";")), signature)


def content_digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def canonical_request(
    method: str,
    path: str,
    query: Iterable[tuple[str, str]],
    headers: Mapping[str, str],
    signed_headers: Iterable[str],
    body: bytes,
) -> str:
    """The text that is signed.

    Args:
        method: HTTP method.
        path: Path as it stands in the request line.
        query: Decoded names and values.
        headers: By lower-case name; a signed one that is absent counts as empty.
        signed_headers: Lower-case names.
        body: What x-acs-content-sha256 is the digest of.
    """
    names = sorted(signed_headers)
    parameters = sorted((_encode(name), _encode(value)) for name, value in query)
    return "\n".join(
        [
            method,
            path,
            "&".join(f"{name}={value}" for name, value in parameters),
            *(f"{name}:{headers.get(name, '').strip()}" for name in names),
            "",
            ";".join(names),
            content_digest(body),
        ]
    )


def sign(access_key_secret: str, canonical: str) -> str:
    """The hexadecimal signature of a canonical request."""
    to_sign = f"{ALGORITHM}\n{content_digest(canonical.encode())}"
    return hmac.new(access_key_secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()


def _encode(text: str) -> str:
    return quote(text, safe="")
