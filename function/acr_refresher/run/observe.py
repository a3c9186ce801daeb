"""Reads the state of a cluster: by lists of the complete cluster, or namespace by namespace.

A list of the complete cluster fails if one object in it cannot be decrypted, or if it is too large.
A tenant of the cluster can cause both. Then the same is read namespace by namespace, so that the
cause costs no other namespace anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from acr_refresher.core.model import (
    ClusterState,
    NamespaceState,
    PullSecret,
    SecretState,
    ServiceAccountState,
)
from acr_refresher.core.outcome import Failure
from acr_refresher.errors import BrokenObject, PortError, TooLarge
from acr_refresher.run.concurrency import run_bounded
from acr_refresher.run.ports import KubeApi
from acr_refresher.run.retry import retrying
from acr_refresher.settings import SETTINGS

T = TypeVar("T")


async def observe(
    kube: KubeApi, secret_names: Iterable[str], pull_secrets: Iterable[PullSecret] = ()
) -> ClusterState:
    """Read the cluster: three lists, and one more per further pull secret. Raises PortError.

    The lists are read one after another over one connection. A second connection costs more CPU
    and memory than the wait is worth, and other clusters are served meanwhile.

    If Secrets have to be read namespace by namespace, they are read in all namespaces: a pull
    secret in a namespace that is no longer selected must be found to be removed. Service accounts
    are then read only where `pull_secrets` select the namespace or a Secret was found.
    """
    reader = _Reader(kube, await retrying(kube.list_namespaces))
    for name in secret_names:
        await reader.read_secrets(name)
    await reader.read_accounts(tuple(pull_secrets))
    return ClusterState(
        reader.namespaces, tuple(reader.secrets), tuple(reader.accounts), reader.unreadable
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one cluster. `unreadable` are the namespaces that could not be read, and why."""

    kube: KubeApi
    namespaces: tuple[NamespaceState, ...]
    secrets: list[SecretState] = field(default_factory=list)
    accounts: list[ServiceAccountState] = field(default_factory=list)
    unreadable: dict[str, Failure] = field(default_factory=dict)

    async def read_secrets(self, name: str) -> None:
        """Read the Secrets of this name."""
        try:
            self.secrets.extend(await retrying(partial(self.kube.list_secrets, name)))
        except (TooLarge, BrokenObject):
            names = [each.name for each in self.namespaces if not each.terminating]
            found = await self._each(names, partial(self._secret, name))
            self.secrets.extend(secret for secret in found if secret is not None)

    async def read_accounts(self, pull_secrets: tuple[PullSecret, ...]) -> None:
        """Read the service accounts."""
        try:
            self.accounts.extend(await retrying(self.kube.list_service_accounts))
        except (TooLarge, BrokenObject):
            holding = {secret.namespace for secret in self.secrets}
            names = [
                each.name
                for each in self.namespaces
                if each.name in holding or may_be_selected(each, pull_secrets)
            ]
            for accounts in await self._each(names, self.kube.list_service_accounts):
                self.accounts.extend(accounts or ())

    def _secret(self, name: str, namespace: str) -> Awaitable[SecretState | None]:
        return self.kube.read_secret(namespace, name)

    async def _each(
        self, namespaces: Iterable[str], read: Callable[[str], Awaitable[T]]
    ) -> tuple[T | None, ...]:
        """Return what is read in each namespace; None where that failed."""

        async def one(namespace: str) -> T | None:
            try:
                return await retrying(partial(read, namespace))
            except PortError as error:
                self.unreadable.setdefault(namespace, error.failure())
                return None

        return await run_bounded(SETTINGS.namespaces_at_once, map(one, namespaces))


def may_be_selected(namespace: NamespaceState, pull_secrets: Iterable[PullSecret]) -> bool:
    """Whether a pull secret selects the namespace, or its annotations may make one do so."""
    return bool(namespace.requested) or any(
        wanted.namespaces.selects(namespace.name, namespace.labels) for wanted in pull_secrets
    )
