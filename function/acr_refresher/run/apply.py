"""Carrying out what was planned for a namespace: the secret first, then its bindings.

On removal it is the other way round. A PortError becomes an outcome here, never an exception, so
that one namespace does not stop another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar

from acr_refresher.core.actions import Action, ApplySecret, Reconcile, Remove
from acr_refresher.core.bind import with_reference, without_reference
from acr_refresher.core.model import Credential, Registry, SecretContent, ServiceAccountState
from acr_refresher.core.outcome import (
    Failure,
    SecretOutcome,
    reconciled_outcome,
    refused_outcome,
    removal_outcome,
    skipped_outcome,
)
from acr_refresher.core.renewal import (
    carries_over,
    content_to_write,
    replan,
    resolve_host_conflicts,
)
from acr_refresher.errors import Conflict, Gone, PortError
from acr_refresher.run.concurrency import (
    SingleFlight,
    connections_for,
    run_bounded,
)
from acr_refresher.run.ports import KubeApi
from acr_refresher.run.retry import retrying
from acr_refresher.run.tokens import Minter
from acr_refresher.settings import SETTINGS

T = TypeVar("T")
Change = Callable[[ServiceAccountState, str], ServiceAccountState]


@dataclass(frozen=True, slots=True)
class _Made:
    """A secret as far as its registries could be minted; `content` None: nothing is written.

    `carried`: some of it comes from the Secret that was found.
    """

    content: SecretContent | None
    carried: bool
    unminted: tuple[Failure, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies actions to one cluster in one run.

    It remembers service accounts as it left them: a namespace's next pull secret is bound to the
    account that the one before has changed, with no conflict and no reading anew. Waiting for what
    other clusters wait for, too, is done within `shared`; what the cluster itself is asked for
    meanwhile, within `own`. However many namespaces and accounts it is at work on, the API server
    sees so many requests at a time as `places` allows.
    """

    kube: KubeApi
    minter: Minter
    now: datetime
    run: str
    shared: Callable[[], AbstractContextManager[object]] = nullcontext
    own: Callable[[], AbstractContextManager[object]] = nullcontext
    _left: dict[tuple[str, str], ServiceAccountState] = field(default_factory=dict)
    _making: SingleFlight = field(default_factory=SingleFlight)
    _free: asyncio.Semaphore = field(
        default_factory=partial(asyncio.Semaphore, SETTINGS.requests_per_cluster)
    )

    async def make(self, actions: Iterable[Action]) -> None:
        """Mint for all that is to be written, before the first of it is."""
        served = (one.apply for one in actions if isinstance(one, Reconcile))
        applied = {id(apply): apply for apply in served if apply}
        # Whoever writes it tells what went wrong.
        await asyncio.gather(*map(self._made, applied.values()), return_exceptions=True)

    async def apply(self, action: Action) -> SecretOutcome:
        """Carry out one namespace's action."""
        if isinstance(action, Reconcile):
            return await self._serve(action)
        if isinstance(action, Remove):
            return await self._clear(action)
        return skipped_outcome(action)

    async def _serve(self, action: Reconcile, *, anew: bool = False) -> SecretOutcome:
        if action.apply is None:
            changed, unchanged = await self._change_all(action.bind, action.secret, with_reference)
            return reconciled_outcome(action, bound=changed, unwritten=unchanged)
        # One that was decided anew is no other namespace's.
        made = await (self._make(action.apply) if anew else self._made(action.apply))
        try:
            if made.content:
                await self._write(action, action.apply, made.content, carried=made.carried)
        except PortError as error:
            by_now = None if anew else await self._by_now(action, action.apply, made, error)
            if by_now:
                return await self._serve(by_now, anew=True)
            return refused_outcome(action, error.failure(), made.unminted)
        if made.content is None and action.uid is None:
            return reconciled_outcome(action, unminted=made.unminted)  # there is none to refer to
        changed, unchanged = await self._change_all(action.bind, action.secret, with_reference)
        return reconciled_outcome(
            action, made.content, changed, made.unminted, unchanged, made.warnings
        )

    async def _made(self, apply: ApplySecret) -> _Made:
        """What is to be written, made once for all namespaces that share the action."""
        made: _Made = await self._making.do(id(apply), partial(self._make, apply))
        return made

    async def _make(self, apply: ApplySecret) -> _Made:
        minted, unminted = await self._mint(apply)
        content = content_to_write(apply, minted, self.now, self.run)
        warnings = tuple(warning for one in minted.values() for warning in one.warnings)
        carried = content is not None and carries_over(content, minted)
        return _Made(content, carried, unminted, warnings)

    async def _mint(self, apply: ApplySecret) -> tuple[dict[str, Credential], tuple[Failure, ...]]:
        minted: dict[str, Credential] = {}
        failures: list[Failure] = []

        async def attempt(registry: Registry) -> None:
            try:
                credential = await self.minter.credential(registry, self.kube, self.own)
            except PortError as error:
                failures.append(error.failure(subject=f"registry {registry.name}"))
            else:
                minted[registry.name] = credential

        with self.shared():
            await asyncio.gather(*(attempt(registry) for registry in apply.mint))
        held = (*apply.kept, *(one for one in apply.fallback if one.entry.registry not in minted))
        in_order = (minted[each.name] for each in apply.mint if each.name in minted)
        free, claimed = resolve_host_conflicts(held, in_order)
        return free, (*failures, *claimed)

    async def _write(
        self, action: Reconcile, apply: ApplySecret, content: SecretContent, *, carried: bool
    ) -> None:
        """What is carried over must not undo what an overlapping run wrote since it was read."""
        namespace, name, uid = action.namespace, action.secret, action.uid
        version = action.resource_version if carried else None
        if uid and apply.replace:
            await self._request(partial(self.kube.delete_secret, namespace, name, uid))
            uid = version = None
        await self._request(partial(self.kube.apply_secret, namespace, name, content, uid, version))

    async def _by_now(
        self, action: Reconcile, apply: ApplySecret, made: _Made, error: PortError
    ) -> Reconcile | None:
        """The action by what stands there now, where an overlapping run was faster; else None."""
        if made.content is None or not made.carried or not isinstance(error, Conflict):
            return None
        read = partial(self.kube.read_secret, action.namespace, action.secret)
        try:
            found = await self._request(read)
        except PortError:
            return None  # the conflict is what is told
        return replan(action, apply, made.content, found)

    async def _clear(self, action: Remove) -> SecretOutcome:
        _, failures = await self._change_all(action.unbind, action.secret, without_reference)
        if failures:
            return removal_outcome(action, failures)  # still referred to: it stays
        try:
            await self._request(
                partial(self.kube.delete_secret, action.namespace, action.secret, action.uid)
            )
        except PortError as error:
            return removal_outcome(action, (error.failure(),))
        return removal_outcome(action)

    async def _change_all(
        self, accounts: Iterable[ServiceAccountState], secret: str, change: Change
    ) -> tuple[tuple[str, ...], tuple[Failure, ...]]:
        """The names of those changed, and a failure for each that could not be."""
        accounts = tuple(accounts)
        if not accounts:
            return (), ()  # the everyday case costs nothing
        changed: list[str] = []
        failures: list[Failure] = []

        async def attempt(account: ServiceAccountState) -> None:
            try:
                await self._change(account, secret, change)
            except Gone:
                return  # deleted since it was listed: there is nothing to bind or unbind
            except PortError as error:
                failures.append(error.failure(subject=f"service account {account.name}"))
            else:
                changed.append(account.name)

        await run_bounded(connections_for(len(accounts)), map(attempt, accounts))
        return tuple(sorted(changed)), tuple(failures)

    async def _change(self, account: ServiceAccountState, secret: str, change: Change) -> None:
        """Write the list back as it was read but for ours; read anew where someone was faster."""
        key = (account.namespace, account.name)
        account = self._left.get(key, account)
        for _ in range(SETTINGS.binding_attempts):
            wanted = change(account, secret)
            if wanted == account:
                return  # an overlapping run did it
            try:
                patch = partial(self.kube.patch_service_account, wanted)
                self._left[key] = await self._request(patch)
            except Conflict as conflict:
                last = conflict
            else:
                return
            account = await self._request(partial(self.kube.read_service_account, *key))
        raise last

    async def _request(self, call: Callable[[], Awaitable[T]]) -> T:
        """One, tried again where that can help. Its turn comes, and it holds no connection yet."""
        async with self._free:
            return await retrying(call)
