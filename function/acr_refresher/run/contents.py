"""Makes the contents of a cluster's pull secrets: new tokens, and the logins that are kept.

A registry whose token does not come in time, or whose minting meets a bug, costs its own login
only: the previous login is kept while it is valid, and the other registries' logins are written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from acr_refresher.core.merge import (
    content_to_write,
    contested,
    resolve_host_conflicts,
    without_shorter,
)
from acr_refresher.core.model import Credential, Registry, SecretContent
from acr_refresher.core.outcome import Action, ApplySecret, Failure, Reconcile
from acr_refresher.errors import PortError, log_bug
from acr_refresher.run.concurrency import run_bounded
from acr_refresher.run.deadline import Clock, OwnTime, unlimited
from acr_refresher.run.ports import TokenSource
from acr_refresher.run.tokens import Minter
from acr_refresher.settings import SETTINGS


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a secret; None if nothing is to be written.

    `unminted` are the registries for which no token was issued.
    """

    secret: SecretContent | None
    unminted: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """Makes the contents for one cluster in one run.

    It waits for the cloud within `paused`, and for one token no longer than `mint_timeout`. The
    cluster is asked for its own identity within `own_time`.
    """

    cluster_tokens: TokenSource
    minter: Minter
    now: datetime
    run: str
    cluster: str = ""
    """The name of the cluster, for the log."""
    paused: Clock = nullcontext
    own_time: OwnTime = unlimited
    mint_timeout: timedelta = SETTINGS.function_timeout
    _made: dict[ApplySecret, asyncio.Task[Content]] = field(default_factory=dict)

    async def make(self, actions: Iterable[Action]) -> None:
        """Make all contents that are to be written, before the first is written.

        `of` reports what failed here. If this is cancelled, minting that no other cluster waits for
        is cancelled.
        """
        await asyncio.gather(
            *{
                self._making(action, action.apply)
                for action in actions
                if isinstance(action, Reconcile) and action.apply
            }
        )

    async def of(self, action: Reconcile, apply: ApplySecret) -> Content:
        """Return the content. Namespaces with equal decisions share it."""
        return await self._making(action, apply)

    def _making(self, action: Reconcile, apply: ApplySecret) -> asyncio.Task[Content]:
        if apply not in self._made:
            self._made[apply] = asyncio.ensure_future(self._make(action, apply))
        return self._made[apply]

    async def _make(self, action: Reconcile, apply: ApplySecret) -> Content:
        try:
            minted, unminted, warnings = await self._mint(apply)
            secret = content_to_write(apply, minted, self.now, self.run)
        except Exception as error:  # noqa: BLE001  # a bug in one content must not stop others
            where = {"namespace": action.namespace, "secret": action.secret}
            failure = log_bug(error, cluster=self.cluster, **where)
            return Content(None, unminted=(failure,))
        return Content(secret, unminted, warnings)

    async def _mint(
        self, apply: ApplySecret
    ) -> tuple[dict[str, Credential], tuple[Failure, ...], tuple[str, ...]]:
        """Return the new credentials by registry, the failures, and the warnings."""
        found: dict[str, Credential] = {}
        failures: list[Failure] = []

        async def attempt(registry: Registry) -> None:
            token = await self._token(registry)
            if isinstance(token, Failure):
                failures.append(token)
            else:
                found[registry.name] = token

        with self.paused():
            await run_bounded(len(apply.mint), map(attempt, apply.mint))
            also = contested(apply, found)
            await run_bounded(len(also), map(attempt, also))
        usable, conflicts = resolve_host_conflicts(apply, found)
        minted, warnings = without_shorter(apply, usable)
        made = tuple(warning for each in minted.values() for warning in each.warnings)
        return minted, (*failures, *conflicts), (*made, *warnings)

    async def _token(self, registry: Registry) -> Credential | Failure:
        subject, seconds = f"registry {registry.name}", self.mint_timeout.total_seconds()
        minting = self.minter.credential(registry, self.cluster_tokens, self.own_time)
        try:
            return await asyncio.wait_for(minting, seconds)
        except PortError as error:
            return error.failure(subject)
        except asyncio.TimeoutError:
            late = (
                f"no token within {seconds:.0f} s: the rest of the run's time is for writing the"
                " other logins. If the cloud is only slow, raise the function's timeout"
            )
            return Failure("unreachable", late, subject, code="Deadline")
