"""Mints registry tokens, and opens the role sessions that lead to them: each once per run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import SecretStr

from acr_refresher.core.model import Credential, Entry, Registry, Role, Rrsa, Verification
from acr_refresher.core.outcome_records import failure_fields
from acr_refresher.core.secret import inputs_digest, rfc3339
from acr_refresher.core.session_policy import session_policy
from acr_refresher.errors import (
    Gone,
    Invalid,
    PortError,
    UnexpectedError,
    Unreachable,
    log_bug,
)
from acr_refresher.log import get_logger
from acr_refresher.run.concurrency import SingleFlight
from acr_refresher.run.deadline import DeadlineExceeded, OwnTime, unlimited
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

DURATION_REFUSED = "InvalidParameter.DurationSeconds"

log = get_logger()


@dataclass(frozen=True, slots=True)
class ChainRoot:
    """The identity at the start of a chain of roles: the function's, or a cluster's with `rrsa`.

    The cluster is asked for its identity in `own_time`, so that a cluster that does not answer has
    time left for what needs no identity.
    """

    rrsa: Rrsa | None = None
    cluster: TokenSource | None = None
    own_time: OwnTime = unlimited


FUNCTION_ROOT = ChainRoot()


async def verify_token(
    registry_hosts: RegistryHosts, registry: Registry, hosts: Iterable[str], token: RegistryToken
) -> tuple[str, ...]:
    """Try the token at all hosts. Return a warning for each host that gave no answer.

    Raises Denied if a host refuses the token. With `verify: always` it raises Unreachable instead
    of a warning, unless another host refuses the token.
    """
    if registry.verify is Verification.NEVER:
        return ()
    checks = (registry_hosts.check_login(host, token, registry.verify_repository) for host in hosts)
    results = await asyncio.gather(*checks, return_exceptions=True)
    errors = [error for error in results if error is not None]
    for error in errors:
        if not isinstance(error, Unreachable):
            raise error
    if errors and registry.verify is Verification.ALWAYS:
        raise errors[0]
    return tuple(f"registry {registry.name}: {error}" for error in errors)


@dataclass(frozen=True, slots=True)
class Minter:
    """Opens the role sessions and mints the registry tokens of one run, each once.

    Every method raises PortError.
    """

    sts: Sts
    registry_api: ContainerRegistry
    registry_hosts: RegistryHosts
    credentials: CloudCredentials
    session_name: str
    now: datetime
    _flights: SingleFlight = field(default_factory=SingleFlight)

    async def credential(
        self,
        registry: Registry,
        cluster: TokenSource | None,
        own_time: OwnTime = unlimited,
    ) -> Credential:
        """Return a new token for a registry, with the registry's hosts. Raises PortError.

        With RRSA the token is minted with the identity of this cluster, and for it alone. The
        cluster is asked for its identity in `own_time`.
        """
        root = ChainRoot(registry.rrsa, cluster, own_time) if registry.rrsa else FUNCTION_ROOT
        key = ("credential", registry, root)
        credential: Credential = await self._flights.do(key, lambda: self._mint(*key[1:]))
        return credential

    async def session(
        self,
        role_chain: tuple[Role, ...],
        duration: timedelta,
        root: ChainRoot = FUNCTION_ROOT,
        policy: str = "",
    ) -> CloudCredentials:
        """Return the credentials of the chain's last role, which has this duration and policy.

        With an empty chain they are those of its start: the function's, or the role of `rrsa`.
        """
        if not role_chain and not root.rrsa:
            return self.credentials
        key = ("session", role_chain, duration, root, policy)
        session: CloudCredentials = await self._flights.do(key, lambda: self._open(*key[1:]))
        return session

    async def registry_session(
        self, registry: Registry, cluster: TokenSource | None
    ) -> CloudCredentials:
        """Return the credentials with which a registry's token is requested."""
        root = ChainRoot(registry.rrsa, cluster) if registry.rrsa else FUNCTION_ROOT
        caller, _ = await self._caller(registry, root)
        return caller

    async def aclose(self) -> None:
        """Cancel all calls under way, and wait until they have ended."""
        await self._flights.aclose()

    async def _mint(self, registry: Registry, root: ChainRoot) -> Credential:
        try:
            credential, request_id = await self._verified_token(registry, root)
        except PortError as error:
            log.warning("token.failed", registry=registry.name, **failure_fields(error.failure()))
            raise
        except Exception as error:  # a bug with one registry must not stop others
            raise UnexpectedError(log_bug(error, registry=registry.name)) from error
        log.info(
            "token.minted",
            registry=registry.name,
            expires_at=credential.entry.expires_at,
            request_id=request_id,
            warnings=credential.warnings,
        )
        return credential

    async def _verified_token(self, registry: Registry, root: ChainRoot) -> tuple[Credential, str]:
        caller, shortened = await self._caller(registry, root)
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
        self, registry: Registry, root: ChainRoot
    ) -> tuple[CloudCredentials, tuple[str, ...]]:
        """Return the credentials, and a warning if the role allows only a shorter session."""
        policy = _policy(registry)
        chain, wanted = registry.role_chain, registry.session_duration
        shortest = SETTINGS.session_duration
        try:
            return await self.session(chain, wanted, root, policy), ()
        except Invalid as error:
            if error.code != DURATION_REFUSED or wanted <= shortest:
                raise
        warning = (
            f"registry {registry.name}: the last role allows no session of"
            f" {wanted.total_seconds():.0f} s, so its token lives 3600 s: raise"
            " the role's MaxSessionDuration or lower expireDuration"
        )
        return await self.session(chain, shortest, root, policy), (warning,)

    async def _open(
        self, role_chain: tuple[Role, ...], duration: timedelta, root: ChainRoot, policy: str
    ) -> CloudCredentials:
        if not role_chain and root.rrsa:
            return await self._open_root(root.rrsa, root, duration, policy)
        *before, role = role_chain
        caller = await self.session(tuple(before), SETTINGS.session_duration, root)
        return await retrying(
            lambda: self.sts.assume_role(caller, role, self.session_name, duration, policy)
        )

    async def _open_root(
        self, rrsa: Rrsa, root: ChainRoot, duration: timedelta, policy: str
    ) -> CloudCredentials:
        try:
            identity = await root.own_time(self._identity(rrsa, root.cluster))
        except DeadlineExceeded as exceeded:
            raise Unreachable(
                f"the cluster issued no token for service account {rrsa.namespace}/"
                f"{rrsa.service_account} within {exceeded}, half of the time that was left for the"
                " cluster: does a webhook hang? If the cluster is only slow, raise clusterTimeout",
                retryable=False,
                service="kube",
                code="Deadline",
            ) from None
        return await retrying(
            lambda: self.sts.assume_role_with_oidc(
                rrsa, identity, self.session_name, duration, policy
            )
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

    def _refuse_expired(self, token: RegistryToken) -> None:
        if token.expires_at <= self.now:
            raise Invalid(
                f"the registry token had expired when it arrived: at"
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
