"""The registry's token service: registry logins in, bearer tokens of the Docker registry out.

Follows the "Token Authentication Specification" of the Distribution project. Expiry of a login is
judged by the cloud's clock, but the registry is a process of its own with a clock of its own, so
bearer tokens do not expire; their validity of a minute makes clients request new ones.
"""

import base64
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import jwt

from localcloud.api import Json
from localcloud.authorization import PULL, PULL_FROM_PERSONAL_EDITION
from localcloud.certificates import BEGINNING_OF_TIME, END_OF_TIME, KeyPair
from localcloud.cloud import Cloud, Login, RegistryToken
from localcloud.cr import TEMP_USERNAME
from localcloud.world import RegistryInstance

ISSUER = "localcloud"
PATH = "/registry/token"

_CLIENT_CACHE_SECONDS = 60


class LoginRefusedError(Exception):
    """Unknown username or password, or a registry token expired or made for another registry."""


@dataclass(frozen=True)
class Access:
    """What a bearer token grants on one repository."""

    type: str
    name: str
    actions: tuple[str, ...]


def bearer_token(
    cloud: Cloud, authorization: str, service: str, scopes: Sequence[str], now: datetime
) -> Json:
    """The token service's answer.

    Args:
        cloud: Whose registry tokens count.
        authorization: The request's Authorization header, Basic.
        service: Of the registry that asks, as its configuration names it.
        scopes: Of the form `repository:namespace/name:pull,push`. What of it the login may not do
            is left out of the bearer token, as the specification has it.
        now: The cloud's time.

    Raises:
        LoginRefusedError: the login is not valid here and now.
    """
    login = _parse_basic(authorization)
    asked = [_parse_scope(scope) for scope in scopes]
    if login == cloud.registry_admin:
        return _signed(cloud.bearer_signer, login.username, service, asked)
    token = _valid_token(cloud, login, service, now)
    granted = [replace(access, actions=_allowed(token, access)) for access in asked]
    return _signed(cloud.bearer_signer, token.session.arn, service, granted)


def _parse_basic(authorization: str) -> Login:
    scheme, _, encoded = authorization.partition(" ")
    try:
        username, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        raise LoginRefusedError from None
    if scheme.lower() != "basic":
        raise LoginRefusedError
    return Login(username, password)


def _parse_scope(scope: str) -> Access:
    type_, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    return Access(type_, name, tuple(actions.split(",")))


def _valid_token(cloud: Cloud, login: Login, service: str, now: datetime) -> RegistryToken:
    token = cloud.registry_tokens.get(login.password)
    if token is None or login.username != TEMP_USERNAME or token.registry.service != service:
        raise LoginRefusedError
    if now >= token.expires_at:
        raise LoginRefusedError
    return token


def _allowed(token: RegistryToken, access: Access) -> tuple[str, ...]:
    """Pull, if it is asked for and the token's session may; registry tokens here never push."""
    asked = access.type == "repository" and "pull" in access.actions
    return ("pull",) if asked and _may_pull(token, access.name) else ()


def _may_pull(token: RegistryToken, repository: str) -> bool:
    """Whether the token's session may pull from the repository named `namespace/name`."""
    registry = token.registry
    place = {"region": registry.region, "account": registry.account, "repository": repository}
    if isinstance(registry, RegistryInstance):
        return not token.session.find_access_denial(PULL, instance=registry.id, **place)
    return not token.session.find_access_denial(PULL_FROM_PERSONAL_EDITION, **place)


def _signed(signer: KeyPair, subject: str, service: str, accesses: Sequence[Access]) -> Json:
    claims = {
        "iss": ISSUER,
        "sub": subject,
        "aud": service,
        "iat": int(BEGINNING_OF_TIME.timestamp()),
        "nbf": int(BEGINNING_OF_TIME.timestamp()),
        "exp": int(END_OF_TIME.timestamp()),
        "jti": str(uuid.uuid4()),
        "access": [asdict(access) for access in accesses],
    }
    certificate = base64.b64encode(signer.certificate_der).decode()
    token = jwt.encode(claims, signer.key, algorithm="RS256", headers={"x5c": [certificate]})
    return {"token": token, "access_token": token, "expires_in": _CLIENT_CACHE_SECONDS}
