"""Carrying out what was planned for a namespace: the secret first, then its bindings.

On removal it is the other way round. A PortError becomes an outcome here, never an exception, so
that one namespace does not stop another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from acr_refresher.core import compose
from acr_refresher.core.action import Action, ApplySecret, ClearNamespace, ServeNamespace
from acr_refresher.core.model import Credential, Registry, SecretContent, ServiceAccountState
from acr_refresher.core.outcome import Failure, SecretOutcome
from acr_refresher.core.service_accounts import bound, unbound
from acr_refresher.mint import Minter
from acr_refresher.ports import Conflict, Gone, KubeApi, PortError
from acr_refresher.retry import retrying

BINDING_ATTEMPTS = 5

Change = Callable[[ServiceAccountState, str], ServiceAccountState]


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies actions to one cluster in one run."""

    kube: KubeApi
    secret: str
    minter: Minter
    now: datetime
    run: str

    async def apply(self, action: Action) -> SecretOutcome:
        """Carry out one namespace's action."""
        if isinstance(action, ServeNamespace):
            return await self._serve(action)
        if isinstance(action, ClearNamespace):
            return await self._clear(action)
        return compose.left(action)

    async def _serve(self, action: ServeNamespace) -> SecretOutcome:
        if action.apply is None:
            changed, unchanged = await self._change_all(action.bind, bound)
            return compose.served(action, bound=changed, unwritten=unchanged)
        minted, unminted = await self._mint(action.apply.mint)
        content = compose.content(action.apply, minted, self.now, self.run)
        try:
            if content:
                await self._write(action.namespace, action.apply, content)
        except PortError as error:
            return compose.refused(action, error.failure(), unminted)
        if content is None and action.apply.uid is None:
            return compose.served(action, unminted=unminted)  # there is no secret to refer to
        changed, unchanged = await self._change_all(action.bind, bound)
        return compose.served(action, content, changed, unminted, unchanged)

    async def _mint(
        self, registries: Iterable[Registry]
    ) -> tuple[dict[str, Credential], tuple[Failure, ...]]:
        minted: dict[str, Credential] = {}
        failures: list[Failure] = []

        async def attempt(registry: Registry) -> None:
            try:
                minted[registry.name] = await self.minter.credential(registry)
            except PortError as error:
                failures.append(error.failure(subject=f"registry {registry.name}"))

        await asyncio.gather(*(attempt(registry) for registry in registries))
        return minted, tuple(failures)

    async def _write(self, namespace: str, apply: ApplySecret, content: SecretContent) -> None:
        uid = apply.uid
        if uid and apply.replace:
            await retrying(partial(self.kube.delete_secret, namespace, self.secret, uid))
            uid = None
        await retrying(partial(self.kube.apply_secret, namespace, self.secret, content, uid))

    async def _clear(self, action: ClearNamespace) -> SecretOutcome:
        _, failures = await self._change_all(action.unbind, unbound)
        if failures:
            return compose.cleared(action, failures)  # still referred to: it stays
        try:
            await retrying(
                partial(self.kube.delete_secret, action.namespace, self.secret, action.uid)
            )
        except PortError as error:
            return compose.cleared(action, (error.failure(),))
        return compose.cleared(action)

    async def _change_all(
        self, accounts: Iterable[ServiceAccountState], change: Change
    ) -> tuple[tuple[str, ...], tuple[Failure, ...]]:
        """The names of those changed, and a failure for each that could not be."""
        changed: list[str] = []
        failures: list[Failure] = []

        async def attempt(account: ServiceAccountState) -> None:
            try:
                await self._change(account, change)
            except Gone:
                return  # deleted since it was listed: there is nothing to bind or unbind
            except PortError as error:
                failures.append(error.failure(subject=f"service account {account.name}"))
            else:
                changed.append(account.name)

        await asyncio.gather(*(attempt(account) for account in accounts))
        return tuple(sorted(changed)), tuple(failures)

    async def _change(self, account: ServiceAccountState, change: Change) -> None:
        """Write the list back as it was read but for ours; read anew where someone was faster."""
        for _ in range(BINDING_ATTEMPTS):
            wanted = change(account, self.secret)
            if wanted == account:
                return  # an overlapping run did it
            try:
                await retrying(partial(self.kube.patch_service_account, wanted))
            except Conflict as conflict:
                last = conflict
            else:
                return
            read = partial(self.kube.read_service_account, account.namespace, account.name)
            account = await retrying(read)
        raise last
