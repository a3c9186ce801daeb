"""Role sessions: chains of roles, each assumed by the one before, each once a run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr

from acr_refresher.core.model import Role, Rrsa
from acr_refresher.errors import Gone, Invalid
from acr_refresher.flights import Flights
from acr_refresher.ports import OIDC_AUDIENCE, CloudCredentials, Sts, TokenSource
from acr_refresher.retry import retrying

SESSION_DURATION = timedelta(hours=1)
"""Of sessions that lead on to another role or fetch a kubeconfig: every role allows an hour."""
IDENTITY_DURATION = timedelta(minutes=10)
"""Of service account tokens: the shortest that an API server issues."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose identity a chain begins with: the function's, or with `rrsa` a cluster's own.

    The cluster is asked for it within `own`: that is its affair, unlike all that follows.
    """

    rrsa: Rrsa | None = None
    cluster: TokenSource | None = None
    own: Callable[[], AbstractContextManager[object]] = nullcontext


FUNCTION = Origin()


@dataclass(frozen=True, slots=True)
class Sessions:
    """Opens role sessions for one run. Every method raises PortError."""

    sts: Sts
    function: CloudCredentials
    name: str
    flights: Flights

    async def session(
        self,
        role_chain: tuple[Role, ...],
        duration: timedelta,
        origin: Origin = FUNCTION,
        policy: str = "",
    ) -> CloudCredentials:
        """Credentials at the end of a chain; duration and policy are those of its last role.

        An empty chain is where it begins: the function's identity, or the role of `rrsa`.
        """
        if not role_chain and not origin.rrsa:
            return self.function
        key = ("session", role_chain, duration, origin, policy)
        session: CloudCredentials = await self.flights.once(key, lambda: self._open(*key[1:]))
        return session

    async def _open(
        self, role_chain: tuple[Role, ...], duration: timedelta, origin: Origin, policy: str
    ) -> CloudCredentials:
        if not role_chain and origin.rrsa:
            return await self._begin(origin.rrsa, origin, duration, policy)
        *before, role = role_chain
        caller = await self.session(tuple(before), SESSION_DURATION, origin)
        return await retrying(
            lambda: self.sts.assume_role(caller, role, self.name, duration, policy)
        )

    async def _begin(
        self, rrsa: Rrsa, origin: Origin, duration: timedelta, policy: str
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
                lambda: cluster.service_account_token(*account, OIDC_AUDIENCE, IDENTITY_DURATION)
            )
        except Gone as gone:
            raise Invalid(
                f"the cluster has no service account {'/'.join(account)}, with which RRSA begins:"
                " create it, or set rrsaServiceAccount",
                service="kube",
                code=gone.code,
            ) from gone
