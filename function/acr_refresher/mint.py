"""Registry tokens: each made once in a run, tried at its registry, and shared by all clusters."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from acr_refresher.core import record
from acr_refresher.core.model import Credential, Entry, Registry, Role
from acr_refresher.core.session_policy import session_policy
from acr_refresher.errors import Invalid, PortError
from acr_refresher.flights import Flights
from acr_refresher.logs import get_logger
from acr_refresher.ports import (
    CloudCredentials,
    ContainerRegistry,
    RegistryHosts,
    RegistryToken,
    Sts,
    TokenSource,
)
from acr_refresher.retry import retrying
from acr_refresher.sessions import FUNCTION, SESSION_DURATION, Origin, Sessions
from acr_refresher.verify import verified

DURATION_REFUSED = "InvalidParameter.DurationSeconds"

log = get_logger()


@dataclass(frozen=True, slots=True)
class Minter:
    """Mints for one run, by single flight."""

    sts: Sts
    registry_api: ContainerRegistry
    registry_hosts: RegistryHosts
    function: CloudCredentials
    session_name: str
    now: datetime
    _flights: Flights = field(default_factory=Flights)

    async def credential(
        self,
        registry: Registry,
        cluster: TokenSource | None,
        own: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> Credential:
        """A new token for a registry with the hosts it is for. Raises PortError.

        With RRSA it is for this cluster alone, whose identity it is fetched with; the cluster is
        asked for that within `own`.
        """
        origin = Origin(registry.rrsa, cluster, own) if registry.rrsa else FUNCTION
        key = ("credential", registry, origin)
        credential: Credential = await self._flights.once(key, lambda: self._mint(*key[1:]))
        return credential

    async def session(
        self, role_chain: tuple[Role, ...], duration: timedelta, origin: Origin = FUNCTION
    ) -> CloudCredentials:
        """Credentials at the end of a chain of roles that the function, or a cluster, begins."""
        return await self._sessions().session(role_chain, duration, origin)

    async def registry_session(
        self, registry: Registry, cluster: TokenSource | None
    ) -> CloudCredentials:
        """Who asks for a registry's token, with RRSA as this cluster's identity."""
        origin = Origin(registry.rrsa, cluster) if registry.rrsa else FUNCTION
        caller, _ = await self._caller(registry, origin)
        return caller

    async def aclose(self) -> None:
        """Leave no call behind that nobody awaits any more."""
        await self._flights.aclose()

    async def _mint(self, registry: Registry, origin: Origin) -> Credential:
        try:
            credential, request_id = await self._verified_token(registry, origin)
        except PortError as error:
            log.warning("token.failed", registry=registry.name, **_flat(error))
            raise
        log.info(
            "token.minted",
            registry=registry.name,
            expires_at=credential.entry.expires_at,
            request_id=request_id,
            warnings=credential.warnings,
        )
        return credential

    async def _verified_token(self, registry: Registry, origin: Origin) -> tuple[Credential, str]:
        caller, shortened = await self._caller(registry, origin)
        hosts = registry.domains or await retrying(
            lambda: self.registry_api.hosts(caller, registry)
        )
        token = await retrying(lambda: self.registry_api.token(caller, registry))
        self._refuse_expired(token)
        untried = await verified(self.registry_hosts, registry, hosts, token)
        entry = Entry(registry.name, hosts, token.expires_at, record.inputs(registry))
        credential = Credential(entry, token.username, token.password, shortened + untried)
        return credential, token.request_id

    async def _caller(
        self, registry: Registry, origin: Origin
    ) -> tuple[CloudCredentials, tuple[str, ...]]:
        """Who asks for the token, and a warning where its role allows no session as long as set."""
        policy = _policy(registry)
        open_session, chain = self._sessions().session, registry.role_chain
        try:
            return await open_session(chain, registry.session_duration, origin, policy), ()
        except Invalid as error:
            if error.code != DURATION_REFUSED or registry.session_duration <= SESSION_DURATION:
                raise
        warning = (
            f"registry {registry.name}: the last role allows no session of"
            f" {registry.session_duration.total_seconds():.0f} s, so its token lives 3600 s: raise"
            " the role's MaxSessionDuration or lower expireDuration"
        )
        return await open_session(chain, SESSION_DURATION, origin, policy), (warning,)

    def _sessions(self) -> Sessions:
        return Sessions(self.sts, self.function, self.session_name, self._flights)

    def _refuse_expired(self, token: RegistryToken) -> None:
        if token.expires_at <= self.now:
            raise Invalid(
                f"the registry token was expired when it came: at"
                f" {record.rfc3339(token.expires_at)}, and it is {record.rfc3339(self.now)} here;"
                " check the function's clock and the role's session duration",
                service="cr",
                code="ExpiredToken",
                request_id=token.request_id,
            )


def _policy(registry: Registry) -> str:
    try:
        return session_policy(registry)
    except ValueError as error:
        raise Invalid(f"registry {registry.name}: {error}", service="sts") from error


def _flat(error: PortError) -> dict[str, str]:
    return {
        "error": error.meaning,
        "error_code": error.code,
        "error_service": error.service,
        "request_id": error.request_id,
        "message": str(error),
    }
