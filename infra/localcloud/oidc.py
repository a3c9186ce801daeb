"""OpenID Connect tokens: who a provider that RAM knows vouches for.

Error codes and messages are those of the "Error codes" page of the STS documentation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from localcloud.errors import CloudError
from localcloud.world import OidcProvider

_ALGORITHMS = ["ES256", "RS256"]
_LENGTHS = range(4, 20_001)
_CLOCK_SKEW = timedelta(minutes=1)  # issuers' clocks run ahead a little


@dataclass(frozen=True)
class Identity:
    """What a token says, verified.

    Attributes:
        audience: The one of its audiences that the provider knows.
    """

    issuer: str
    subject: str
    audience: str

    @property
    def context(self) -> dict[str, str]:
        """The values of the conditions in a role's trust policy."""
        return {"oidc:iss": self.issuer, "oidc:sub": self.subject, "oidc:aud": self.audience}


def verify(token: str, provider: OidcProvider, now: datetime) -> Identity:
    """The identity in the token. CloudError if it is not the provider's, or not valid now."""
    if len(token) not in _LENGTHS:
        raise refused("Invalid", "The OIDCToken has not the proper length.")
    header, claims = _parse(token)
    if claims["iss"] != provider.issuer:
        message = "The issuer in the OIDC Token doesn't match the OIDC Provider registered."
        raise refused("IssuerNotMatch", message)
    _check_signature(token, str(header.get("kid", "")), provider)
    _check_times(claims, now)
    return Identity(provider.issuer, str(claims["sub"]), _audience(claims, provider))


def refused(reason: str, message: str) -> CloudError:
    return CloudError(401, f"AuthenticationFail.OIDCToken.{reason}", message)


def _parse(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims, unverified."""
    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise refused("Invalid", "The Jwt content is invalid that cannot be recognized.") from None
    header, claims = parts["header"], parts["payload"]
    if header.get("alg") not in _ALGORITHMS:
        message = f"The algorithm {header.get('alg')} that be specified in Jwt header is unknown."
        raise refused("Invalid", message)
    if missing := {"iss", "sub", "aud", "exp", "iat"} - set(claims):
        raise refused("Invalid", f"The Jwt content is invalid: no {', '.join(sorted(missing))}.")
    return header, claims


def _check_signature(token: str, key_id: str, provider: OidcProvider) -> None:
    try:
        keys = jwt.PyJWKSet.from_dict(provider.jwks())
    except Exception as error:
        message = f"Get public keys from OIDC Provider failed, the issuer is {provider.issuer}."
        raise refused("IssuerConfigurationBroken", message) from error
    try:
        jwt.PyJWS().decode(token, keys[key_id], algorithms=_ALGORITHMS)
    except (KeyError, jwt.InvalidTokenError):
        message = "OIDC token validate failed: invalid signature."
        raise refused("InvalidSignature", message) from None


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    """By the cloud's clock, which is the issuer's too unless a test sets it."""
    if now.timestamp() >= claims["exp"]:
        raise refused("Expired", "This JsonWebToken is expired.")
    if (now + _CLOCK_SKEW).timestamp() < max(claims["iat"], claims.get("nbf", 0)):
        raise refused("Invalid", "This JsonWebToken is not valid yet.")


def _audience(claims: Mapping[str, Any], provider: OidcProvider) -> str:
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    for audience in audiences:
        if audience in provider.client_ids:
            return str(audience)
    raise refused("AudienceNotMatch", "Invalid audience.")
