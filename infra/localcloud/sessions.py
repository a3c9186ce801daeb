"""Role sessions: temporary credentials and what they may do."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from localcloud import ram
from localcloud.authorization import Permission
from localcloud.errors import AccessDenial
from localcloud.world import Role

Origin = Literal["service", "role", "oidc"]


@dataclass(frozen=True)
class Session:
    """A role session. Its secret parts do not show in its repr.

    Attributes:
        origin: What it stems from: a service on the role's behalf, a session of another role, or
            an OpenID Connect token, by way of however many roles.
    """

    role: Role
    name: str
    expires_at: datetime
    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str = field(repr=False)
    policy: ram.Document | None = None
    origin: Origin = "role"

    @property
    def arn(self) -> str:
        return f"acs:ram::{self.role.account}:assumed-role/{self.role.name}/{self.name}"

    def find_access_denial(self, permission: Permission, **place: str) -> AccessDenial | None:
        """Why the session does not have the permission, or None if it does.

        `place` fills in the permission's resources.
        """
        for action, resource in permission.questions(**place):
            denial = ram.find_denial(self.role.policies, self.policy, action, resource)
            if denial:
                return self.access_denial(action, denial)
        return None

    def access_denial(self, action: str, denial: ram.Denial) -> AccessDenial:
        return AccessDenial(action, self.role.account, f"{self.role.name}:{self.name}", denial)


def open_session(
    role: Role,
    name: str,
    now: datetime,
    lifetime: timedelta,
    *,
    policy: ram.Document | None = None,
    origin: Origin = "role",
) -> Session:
    """Fresh credentials for the role; they end on a full second, as the APIs write it."""
    return Session(
        role=role,
        name=name,
        expires_at=(now + lifetime).replace(microsecond=0),
        access_key_id=f"STS.{secrets.token_hex(12)}",
        access_key_secret=secrets.token_urlsafe(32),
        security_token=secrets.token_urlsafe(300),
        policy=policy,
        origin=origin,
    )
