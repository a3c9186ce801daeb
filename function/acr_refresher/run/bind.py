"""Changes the references to a pull secret in service accounts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from acr_refresher.core.model import ServiceAccountState
from acr_refresher.core.outcome import Failure
from acr_refresher.errors import Conflict, Gone, PortError, Unreachable
from acr_refresher.run.concurrency import connections_for, run_bounded
from acr_refresher.run.ports import KubeApi
from acr_refresher.run.retry import retrying
from acr_refresher.settings import SETTINGS

T = TypeVar("T")
AccountChange = Callable[[ServiceAccountState, str], ServiceAccountState]


@dataclass(frozen=True, slots=True)
class Requests:
    """Sends the requests of one visit: at most `SETTINGS.requests_per_cluster` at a time."""

    _slots: asyncio.Semaphore = field(
        default_factory=partial(asyncio.Semaphore, SETTINGS.requests_per_cluster)
    )

    async def send(self, call: Callable[[], Awaitable[T]]) -> T:
        """Send a request when its turn has come, and retry it."""
        async with self._slots:
            return await retrying(call)

    async def look(self, call: Callable[[], Awaitable[T]]) -> T:
        """Send a request that finds out what another one has done. It is sent once."""
        async with self._slots:
            return await call()


def not_believed(gone: PortError) -> Unreachable:
    """Return the error of a 404 about an object that a list shows."""
    return Unreachable(
        f"{gone}. But the list shows it: does a webhook, or a proxy in front of the API server,"
        " give this answer?",
        service=gone.service,
        code=gone.code,
        request_id=gone.request_id,
    )


@dataclass(frozen=True, slots=True)
class Binder:
    """Binds and unbinds the service accounts of one cluster in one run.

    It keeps service accounts as it last wrote them, so a namespace's next pull secret is bound
    without a conflict and without another read.
    """

    kube: KubeApi
    requests: Requests
    _written: dict[tuple[str, str], ServiceAccountState] = field(default_factory=dict)

    async def change_all(
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
                if await self._change(account, secret, change):
                    changed.append(account.name)
            except PortError as error:
                failures.append(error.failure(subject=f"service account {account.name}"))

        await run_bounded(connections_for(len(accounts)), map(attempt, accounts))
        return tuple(sorted(changed)), tuple(failures)

    async def _change(
        self, account: ServiceAccountState, secret: str, change: AccountChange
    ) -> bool:
        """Change only our reference. Return whether the account still exists.

        Reads the account again if another writer was faster.
        """
        key = (account.namespace, account.name)
        account = self._written.get(key, account)
        for _ in range(SETTINGS.binding_attempts):
            wanted = change(account, secret)
            if wanted == account:
                return True  # an overlapping run has done it
            try:
                patch = partial(self.kube.patch_service_account, wanted)
                self._written[key] = await self.requests.send(patch)
            except Conflict as conflict:
                last = conflict
            except (Gone, Unreachable) as error:
                return await self._took_effect(account, secret, change, error)
            else:
                return True
            found = await self._found_after_conflict(key)
            if found is None:
                return False
            account = found
        raise last

    async def _found_after_conflict(self, key: tuple[str, str]) -> ServiceAccountState | None:
        try:
            return await self.requests.send(partial(self.kube.read_service_account, *key))
        except Gone as gone:
            if await self._find(key, gone):
                raise not_believed(gone) from gone
            return None

    async def _took_effect(
        self,
        account: ServiceAccountState,
        secret: str,
        change: AccountChange,
        error: Gone | Unreachable,
    ) -> bool:
        """Return whether the account still exists. Raises the error if it was not changed."""
        found = await self._find((account.namespace, account.name), error)
        if found is None:
            return False  # deleted since it was listed: there is nothing to bind or unbind
        if change(found, secret) != found:
            raise not_believed(error) if isinstance(error, Gone) else error
        self._written[account.namespace, account.name] = found
        return True  # only the answer was lost

    async def _find(self, key: tuple[str, str], error: PortError) -> ServiceAccountState | None:
        """Return the account as it is now. Raises the error if that cannot be found out."""
        try:
            return await self.requests.look(partial(self.kube.find_service_account, *key))
        except PortError:
            raise error from None
