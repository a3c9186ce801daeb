"""Role sessions: chains of roles, each assumed by the one before, each once a run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import SecretStr

from acr_refresher.core.model import Credential, Entry, Registry, Role, Rrsa, Verification
from acr_refresher.core.secret import inputs_digest, rfc3339
from acr_refresher.core.session_policy import session_policy
from acr_refresher.errors import Gone, Invalid, PortError, Unreachable
from acr_refresher.log import get_logger
from acr_refresher.run.concurrency import SingleFlight
from acr_refresher.run.ports import (
    OIDC_AUDIENCE,
    CloudCredentials,
    ContainerRegistry,
    RegistryHosts,
    RegistryToken,
    Sts,
    TokenSource,
)
from acr_refresher.run.retry import retrying
from acr_refresher.settings import SETTINGS


@dataclass(frozen=True, slots=True)
class ChainRoot:
    """Whose identity a chain begins with: the function's, or with `rrsa` a cluster's own.

    The cluster is asked for it within `own`: that is its affair, unlike all that follows.
    """

    rrsa: Rrsa | None = None
    cluster: TokenSource | None = None
    own: Callable[[], AbstractContextManager[object]] = nullcontext


FUNCTION_ROOT = ChainRoot()


@dataclass(frozen=True, slots=True)
class RoleSessions:
    """Opens role sessions for one run. Every method raises PortError."""

    sts: Sts
    function: CloudCredentials
    name: str
    flights: SingleFlight

    async def session(
        self,
        role_chain: tuple[Role, ...],
        duration: timedelta,
        origin: ChainRoot = FUNCTION_ROOT,
        policy: str = "",
    ) -> CloudCredentials:
        """Credentials at the end of a chain; duration and policy are those of its last role.

        An empty chain is where it begins: the function's identity, or the role of `rrsa`.
        """
        if not role_chain and not origin.rrsa:
            return self.function
        key = ("session", role_chain, duration, origin, policy)
        session: CloudCredentials = await self.flights.do(key, lambda: self._open(*key[1:]))
        return session

    async def _open(
        self, role_chain: tuple[Role, ...], duration: timedelta, origin: ChainRoot, policy: str
    ) -> CloudCredentials:
        if not role_chain and origin.rrsa:
            return await self._begin(origin.rrsa, origin, duration, policy)
        *before, role = role_chain
        caller = await self.session(tuple(before), SETTINGS.session_duration, origin)
        return await retrying(
            lambda: self.sts.assume_role(caller, role, self.name, duration, policy)
        )

    async def _begin(
        self, rrsa: Rrsa, origin: ChainRoot, duration: timedelta, policy: str
    ) -> CloudCredentials:
        with origin.own():
            identity = await self._identity(rrsa, origin.cluster)
        return await retrying(
            lambda: self.sts.assume_role_with_oidc(rrsa, identity, self.name, duration, policy)
        )

    async def _identity(self, rrsa: Rrsa, cluster: TokenSource | None) -> SecretStr:
        account = (rrsa.namespace, rrsa.service_account)
        if cluster is None:
            raise Invalid("RRSA begins in a cluster, and none is being served", service="sts")
        try:
            return await retrying(
                lambda: cluster.service_account_token(
                    *account, OIDC_AUDIENCE, SETTINGS.identity_duration
                )
            )
        except Gone as gone:
            raise Invalid(
                f"the cluster has no service account {'/'.join(account)}, with which RRSA begins:"
                " create it, or set rrsaServiceAccount",
                service="kube",
                code=gone.code,
            ) from gone


async def verify_token(
    registry_hosts: RegistryHosts, registry: Registry, hosts: Iterable[str], token: RegistryToken
) -> tuple[str, ...]:
    """Warnings of hosts at which the token could not be tried.

    Raises Denied where a host refuses it; and Unreachable, with `verify: always`, instead of a
    warning. A refusal anywhere goes before that.
    """
    if registry.verify is Verification.NEVER:
        return ()
    checks = (registry_hosts.check_login(host, token, registry.verify_repository) for host in hosts)
    errors = [e for e in await asyncio.gather(*checks, return_exceptions=True) if e is not None]
    for error in errors:
        if not isinstance(error, Unreachable):
            raise error
    if errors and registry.verify is Verification.ALWAYS:
        raise errors[0]
    return tuple(f"registry {registry.name}: new token not tried: {e}" for e in errors)


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
    _flights: SingleFlight = field(default_factory=SingleFlight)

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
        origin = ChainRoot(registry.rrsa, cluster, own) if registry.rrsa else FUNCTION_ROOT
        key = ("credential", registry, origin)
        credential: Credential = await self._flights.do(key, lambda: self._mint(*key[1:]))
        return credential

    async def session(
        self, role_chain: tuple[Role, ...], duration: timedelta, origin: ChainRoot = FUNCTION_ROOT
    ) -> CloudCredentials:
        """Credentials at the end of a chain of roles that the function, or a cluster, begins."""
        return await self._sessions().session(role_chain, duration, origin)

    async def registry_session(
        self, registry: Registry, cluster: TokenSource | None
    ) -> CloudCredentials:
        """Who asks for a registry's token, with RRSA as this cluster's identity."""
        origin = ChainRoot(registry.rrsa, cluster) if registry.rrsa else FUNCTION_ROOT
        caller, _ = await self._caller(registry, origin)
        return caller

    async def aclose(self) -> None:
        """Leave no call behind that nobody awaits any more."""
        await self._flights.aclose()

    async def _mint(self, registry: Registry, origin: ChainRoot) -> Credential:
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

    async def _verified_token(
        self, registry: Registry, origin: ChainRoot
    ) -> tuple[Credential, str]:
        caller, shortened = await self._caller(registry, origin)
        hosts = registry.domains or await retrying(
            lambda: self.registry_api.hosts(caller, registry)
        )
        token = await retrying(lambda: self.registry_api.token(caller, registry))
        self._refuse_expired(token)
        untried = await verify_token(self.registry_hosts, registry, hosts, token)
        entry = Entry(registry.name, hosts, token.expires_at, inputs_digest(registry))
        credential = Credential(entry, token.username, token.password, shortened + untried)
        return credential, token.request_id

    async def _caller(
        self, registry: Registry, origin: ChainRoot
    ) -> tuple[CloudCredentials, tuple[str, ...]]:
        """Who asks for the token, and a warning where its role allows no session as long as set."""
        policy = _policy(registry)
        open_session, chain = self._sessions().session, registry.role_chain
        try:
            return await open_session(chain, registry.session_duration, origin, policy), ()
        except Invalid as error:
            if (
                error.code != DURATION_REFUSED
                or registry.session_duration <= SETTINGS.session_duration
            ):
                raise
        warning = (
            f"registry {registry.name}: the last role allows no session of"
            f" {registry.session_duration.total_seconds():.0f} s, so its token lives 3600 s: raise"
            " the role's MaxSessionDuration or lower expireDuration"
        )
        return await open_session(chain, SETTINGS.session_duration, origin, policy), (warning,)

    def _sessions(self) -> RoleSessions:
        return RoleSessions(self.sts, self.function, self.session_name, self._flights)

    def _refuse_expired(self, token: RegistryToken) -> None:
        if token.expires_at <= self.now:
            raise Invalid(
                f"the registry token was expired when it came: at"
                f" {rfc3339(token.expires_at)}, and it is {rfc3339(self.now)} here;"
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
