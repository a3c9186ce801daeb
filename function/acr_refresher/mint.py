"""Registry tokens and role sessions: each made once in a run and shared by all clusters."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from acr_refresher.core import record
from acr_refresher.core.model import Credential, Entry, Registry
from acr_refresher.logs import get_logger
from acr_refresher.ports import (
    CloudCredentials,
    ContainerRegistry,
    Invalid,
    PortError,
    RegistryToken,
    Sts,
)
from acr_refresher.retry import retrying

SESSION_DURATION = timedelta(hours=1)
"""Of sessions that lead on to another role or fetch a kubeconfig: every role allows an hour."""

log = get_logger()


@dataclass(frozen=True, slots=True)
class Minter:
    """Mints for one run, by single flight: who asks second awaits what the first began.

    A failure is shared in the same way, so that a broken role is tried once, not once a namespace.
    """

    sts: Sts
    registry_api: ContainerRegistry
    function: CloudCredentials
    session_name: str
    now: datetime
    _flights: dict[Hashable, asyncio.Task[Any]] = field(default_factory=dict)

    async def credential(self, registry: Registry) -> Credential:
        """A new token for a registry with the hosts it is for. Raises PortError."""
        credential: Credential = await self._once(registry, lambda: self._mint(registry))
        return credential

    async def session(self, role_chain: tuple[str, ...], duration: timedelta) -> CloudCredentials:
        """Credentials at the end of a chain of roles, each assumed by the one before.

        An empty chain is the function's own identity. Raises PortError.
        """
        if not role_chain:
            return self.function
        key = (role_chain, duration)
        session: CloudCredentials = await self._once(key, lambda: self._assume(*key))
        return session

    async def aclose(self) -> None:
        """Leave no call behind that nobody awaits any more."""
        for flight in self._flights.values():
            flight.cancel()
        await asyncio.gather(*self._flights.values(), return_exceptions=True)

    async def _once(self, key: Hashable, call: Callable[[], Awaitable[Any]]) -> Any:
        if key not in self._flights:
            self._flights[key] = asyncio.ensure_future(call())
        # Shielded: a cluster that runs out of time does not take the others' token with it.
        return await asyncio.shield(self._flights[key])

    async def _assume(self, role_chain: tuple[str, ...], duration: timedelta) -> CloudCredentials:
        caller = await self.session(role_chain[:-1], SESSION_DURATION)
        role_arn = role_chain[-1]
        return await retrying(
            lambda: self.sts.assume_role(caller, role_arn, self.session_name, duration)
        )

    async def _mint(self, registry: Registry) -> Credential:
        try:
            credential, request_id = await self._token_and_hosts(registry)
        except PortError as error:
            log.warning("token.failed", registry=registry.name, **_flat(error))
            raise
        expires_at = credential.entry.expires_at
        log.info(
            "token.minted", registry=registry.name, expires_at=expires_at, request_id=request_id
        )
        return credential

    async def _token_and_hosts(self, registry: Registry) -> tuple[Credential, str]:
        caller = await self.session(registry.role_chain, registry.session_duration)
        hosts = registry.domains or await retrying(
            lambda: self.registry_api.hosts(caller, registry)
        )
        token = await retrying(lambda: self.registry_api.token(caller, registry))
        self._refuse_expired(token)
        entry = Entry(registry.name, hosts, token.expires_at, record.inputs(registry))
        return Credential(entry, token.username, token.password), token.request_id

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


def _flat(error: PortError) -> dict[str, str]:
    return {
        "error": error.meaning,
        "error_code": error.code,
        "error_service": error.service,
        "request_id": error.request_id,
        "message": str(error),
    }
