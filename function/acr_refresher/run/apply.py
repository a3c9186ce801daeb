"""Applies planned actions: the secret first, then its bindings; on removal the bindings first.

A PortError becomes an outcome here, never an exception, so one namespace does not stop another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from acr_refresher.core.contention import IMMUTABLE, mutations
from acr_refresher.core.merge import (
    content_to_write,
    contested,
    resolve_host_conflicts,
    without_shorter,
)
from acr_refresher.core.model import (
    Credential,
    Registry,
    SecretContent,
    SecretState,
    ServiceAccountState,
)
from acr_refresher.core.outcome import (
    Action,
    ApplySecret,
    Failure,
    Reconcile,
    Remove,
    SecretOutcome,
    reconciled_outcome,
    refused_outcome,
    removal_outcome,
    skipped_outcome,
)
from acr_refresher.core.reasons import Reason
from acr_refresher.core.renewal import replan
from acr_refresher.errors import Conflict, Gone, PortError, log_bug
from acr_refresher.run.concurrency import connections_for, run_bounded
from acr_refresher.run.deadline import Clock
from acr_refresher.run.ports import KubeApi
from acr_refresher.run.retry import retrying
from acr_refresher.run.tokens import Minter
from acr_refresher.settings import SETTINGS

T = TypeVar("T")
AccountChange = Callable[[ServiceAccountState, str], ServiceAccountState]


@dataclass(frozen=True, slots=True)
class _Made:
    """The content of a secret; None if nothing is to be written.

    `unminted` are the registries for which no token was issued.
    """

    content: SecretContent | None
    unminted: tuple[Failure, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies actions to one cluster in one run.

    It keeps service accounts as it last wrote them, so a namespace's next pull secret is bound
    without a conflict and without another read. It waits for the cloud within `paused`. Requests to
    the cluster itself in that time are within `resumed`. It sends at most
    `SETTINGS.requests_per_cluster` requests at a time.
    """

    kube: KubeApi
    minter: Minter
    now: datetime
    run: str
    paused: Clock = nullcontext
    resumed: Clock = nullcontext
    cluster: str = ""
    """The name of the cluster, for the log."""
    _written: dict[tuple[str, str], ServiceAccountState] = field(default_factory=dict)
    _made: dict[tuple[str, str], asyncio.Task[_Made]] = field(default_factory=dict)
    _slots: asyncio.Semaphore = field(
        default_factory=partial(asyncio.Semaphore, SETTINGS.requests_per_cluster)
    )

    async def make(self, actions: Iterable[Action]) -> None:
        """Make the content of all secrets that are to be written, before the first is written.

        Namespaces whose actions share an ApplySecret share its content. `apply` reports what failed
        here. If this is cancelled, minting that no other cluster waits for is cancelled.
        """
        making: dict[int, asyncio.Task[_Made]] = {}  # by identity: the actions keep them alive
        for action in actions:
            if isinstance(action, Reconcile) and (apply := action.apply):
                if id(apply) not in making:
                    making[id(apply)] = asyncio.ensure_future(self._make(action, apply))
                self._made[action.namespace, action.secret] = making[id(apply)]
        await asyncio.gather(*making.values())

    async def apply(self, action: Action) -> SecretOutcome:
        """Apply one action. Raises only what is a bug."""
        if isinstance(action, Reconcile):
            return await self._reconcile(action)
        if isinstance(action, Remove):
            return await self._remove(action)
        return skipped_outcome(action)

    async def _reconcile(self, action: Reconcile, *, replanned: bool = False) -> SecretOutcome:
        if action.apply is None or action.apply.reason is Reason.BINDING_REVERTED:
            changed, unchanged = await self._change_all(
                action.bind, action.secret, ServiceAccountState.with_reference
            )
            if action.apply and changed:
                await self._count_repair(action, action.apply)
            return reconciled_outcome(action, bound=changed, unwritten=unchanged)
        making = None if replanned else self._made.get((action.namespace, action.secret))
        made = making.result() if making else await self._make(action, action.apply)
        contended = action.contended
        try:
            if made.content:
                written = await self._write(action, action.apply, made.content)
                others = (each for each in contended if each != IMMUTABLE)
                contended = (*mutations(made.content, written), *others)
        except PortError as error:
            again = None if replanned else await self._replan(action, action.apply, made, error)
            if again:
                return await self._reconcile(again, replanned=True)
            return refused_outcome(action, error.failure(), made.unminted)
        if made.content is None and action.uid is None:
            return reconciled_outcome(action, unminted=made.unminted)  # no Secret to refer to
        changed, unchanged = await self._change_all(
            action.bind, action.secret, ServiceAccountState.with_reference
        )
        served = replace(action, contended=contended)
        return reconciled_outcome(
            served, made.content, changed, made.unminted, unchanged, made.warnings
        )

    async def _count_repair(self, action: Reconcile, apply: ApplySecret) -> None:
        """Count in the Secret that service accounts were bound again. A refusal is no failure."""
        content = content_to_write(apply, {}, self.now, self.run)
        if content:
            with suppress(PortError):
                await self._write(action, apply, content)

    async def _make(self, action: Reconcile, apply: ApplySecret) -> _Made:
        try:
            minted, unminted, warnings = await self._mint(apply)
            content = content_to_write(apply, minted, self.now, self.run)
        except Exception as error:  # noqa: BLE001  # a bug in one content must not stop others
            where = {"namespace": action.namespace, "secret": action.secret}
            failure = log_bug(error, cluster=self.cluster, **where)
            return _Made(None, unminted=(failure,), warnings=())
        return _Made(content, unminted, warnings)

    async def _mint(
        self, apply: ApplySecret
    ) -> tuple[dict[str, Credential], tuple[Failure, ...], tuple[str, ...]]:
        """Return the new credentials by registry, the failures, and the warnings."""
        found: dict[str, Credential] = {}
        failures: list[Failure] = []

        async def attempt(registry: Registry) -> None:
            try:
                credential = await self.minter.credential(registry, self.kube, self.resumed)
            except PortError as error:
                failures.append(error.failure(subject=f"registry {registry.name}"))
            else:
                found[registry.name] = credential

        with self.paused():
            await run_bounded(len(apply.mint), map(attempt, apply.mint))
            also = contested(apply, found)
            await run_bounded(len(also), map(attempt, also))
        usable, conflicts = resolve_host_conflicts(apply, found)
        minted, warnings = without_shorter(apply, usable)
        made = tuple(warning for each in minted.values() for warning in each.warnings)
        return minted, (*failures, *conflicts), (*made, *warnings)

    async def _write(
        self, action: Reconcile, apply: ApplySecret, content: SecretContent
    ) -> SecretState:
        """Write the secret. It must still have the version that was read.

        Otherwise this could undo the write of an overlapping run, or change a Secret from which
        somebody has taken our label meanwhile.
        """
        namespace, name, uid = action.namespace, action.secret, action.uid
        version = action.resource_version
        if uid and version and apply.replace:
            await self._request(partial(self.kube.delete_secret, namespace, name, uid, version))
            uid = version = None
        return await self._request(
            partial(self.kube.apply_secret, namespace, name, content, uid, version)
        )

    async def _replan(
        self, action: Reconcile, apply: ApplySecret, made: _Made, error: PortError
    ) -> Reconcile | None:
        """Return the action for the current Secret if an overlapping run has written it."""
        if made.content is None or action.uid is None or not isinstance(error, Conflict):
            return None
        try:
            found = await self._read(action)
        except PortError:
            return None  # the conflict is reported
        return replan(action, apply, made.content, found)

    async def _read(self, action: Reconcile | Remove) -> SecretState | None:
        return await self._request(partial(self.kube.read_secret, action.namespace, action.secret))

    async def _remove(self, action: Remove) -> SecretOutcome:
        _, failures = await self._change_all(
            action.unbind, action.secret, ServiceAccountState.without_reference
        )
        if failures:
            return removal_outcome(action, failures)  # an account refers to it, so it stays
        try:
            await self._delete(action)
        except PortError as error:
            return removal_outcome(action, (error.failure(),))
        return removal_outcome(action)

    async def _delete(self, action: Remove) -> None:
        """Delete the secret in the version that was read, or in a later one that is still ours."""
        place = action.namespace, action.secret, action.uid
        try:
            await self._request(partial(self.kube.delete_secret, *place, action.resource_version))
        except Conflict:
            found = await self._read(action)
            if found is None:
                return
            if found.uid != action.uid or not found.managed:
                raise
            version = found.resource_version
            await self._request(partial(self.kube.delete_secret, *place, version))

    async def _change_all(
        self, accounts: Iterable[ServiceAccountState], secret: str, change: AccountChange
    ) -> tuple[tuple[str, ...], tuple[Failure, ...]]:
        """Return the names of the changed accounts, and a failure for each that was not changed."""
        accounts = tuple(accounts)
        if not accounts:
            return (), ()  # the usual case costs nothing
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

    async def _change(
        self, account: ServiceAccountState, secret: str, change: AccountChange
    ) -> None:
        """Change only our reference. Reads the account again if another writer was faster."""
        key = (account.namespace, account.name)
        account = self._written.get(key, account)
        for _ in range(SETTINGS.binding_attempts):
            wanted = change(account, secret)
            if wanted == account:
                return  # an overlapping run has done it
            try:
                patch = partial(self.kube.patch_service_account, wanted)
                self._written[key] = await self._request(patch)
            except Conflict as conflict:
                last = conflict
            else:
                return
            account = await self._request(partial(self.kube.read_service_account, *key))
        raise last

    async def _request(self, call: Callable[[], Awaitable[T]]) -> T:
        """Send a request when its turn has come, and retry it."""
        async with self._slots:
            return await retrying(call)
