"""The cloud itself, without its HTTP front: its world, its clock and what it has handed out."""

import secrets
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cached_property

from localcloud import ram
from localcloud.certificates import KeyPair, self_signed
from localcloud.faults import Faults
from localcloud.fc.deployed import Address, DeployedFunction
from localcloud.journal import Call, Journal
from localcloud.logs import Logs
from localcloud.sessions import Session, open_session
from localcloud.world import PersonalRegistry, RegistryInstance, World

Clock = Callable[[], datetime]

_FUNCTION_COMPUTE = ram.service_principal("fc.aliyuncs.com")


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class RegistryToken:
    """A Container Registry token: it may at the registry what its session may."""

    session: Session
    registry: RegistryInstance | PersonalRegistry
    expires_at: datetime


@dataclass(frozen=True)
class Login:
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Cloud:
    """An Alibaba Cloud's state. Its dictionaries change by one key at a time.

    Attributes:
        world: What exists.
        clock: Read for each request, and for the Date header of each answer.
        token_lifetime: How long registry tokens live, instead of what the cloud would give.
        sessions: By access key ID.
        registry_tokens: By the token itself.
        used_nonces: Nonces of authenticated requests.
        logs: What has been written to logstores.
        messages: What has been sent to queues, by their ARNs.
        functions: What is deployed to Function Compute.
        registry_admin: The login that may push, as a build pipeline has it.
    """

    world: World
    clock: Clock = utc_now
    token_lifetime: timedelta | None = None
    faults: Faults = field(default_factory=Faults)
    journal: Journal = field(default_factory=Journal)
    logs: Logs = field(default_factory=Logs, repr=False)
    messages: defaultdict[str, list[str]] = field(
        default_factory=lambda: defaultdict(list), repr=False
    )
    functions: dict[Address, DeployedFunction] = field(default_factory=dict, repr=False)
    sessions: dict[str, Session] = field(default_factory=dict, repr=False)
    registry_tokens: dict[str, RegistryToken] = field(default_factory=dict, repr=False)
    used_nonces: set[str] = field(default_factory=set, repr=False)
    registry_admin: Login = field(
        default_factory=lambda: Login("image-builder", secrets.token_urlsafe(16))
    )

    def calls(self, action: str | None = None) -> list[Call]:
        return self.journal.calls(action)

    def function_credentials(
        self, role_arn: str, lifetime: timedelta = timedelta(hours=36)
    ) -> Session:
        """The credentials that Function Compute hands to a function of this role.

        Raises:
            LookupError: no such role.
            PermissionError: the role does not trust Function Compute.
        """
        role = self.world.find_role(role_arn)
        if role is None:
            raise LookupError(role_arn)
        if ram.find_trust_denial(role.trust_policy, _FUNCTION_COMPUTE):
            raise PermissionError(f"{role_arn} does not trust fc.aliyuncs.com")
        session = open_session(role, "function", self.clock(), lifetime, origin="service")
        self.sessions[session.access_key_id] = session
        return session

    @cached_property
    def bearer_signer(self) -> KeyPair:
        """What signs the registry's bearer tokens; registries trust its certificate."""
        return self_signed("localcloud token service")
