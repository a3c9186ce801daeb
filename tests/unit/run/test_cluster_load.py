"""What an API server is asked at a time: what it takes well, and less where it is throttled."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from acr_refresher.core.model import NamespaceState, SecretContent, SecretState, ServiceAccountState
from acr_refresher.core.report import Report
from acr_refresher.errors import Throttled
from acr_refresher.run.ports import AppliedSecret
from acr_refresher.settings import SETTINGS
from factories import account, wanted
from runs import Fleet, Kube


@dataclass
class Busy(Kube):
    """Counts the requests under way, each of so many seconds; beyond `most` it answers 429.

    `crowded_for` so many seconds after the lists it takes none at all.
    """

    accounts: int = 1
    seconds: float = 0.1
    most: int = 1000
    crowded_for: float = 0
    now: int = 0
    peak: int = 0
    bound: list[str] = field(default_factory=list)

    async def list_namespaces(self) -> tuple[NamespaceState, ...]:
        await self._request()
        return await super().list_namespaces()

    async def list_secrets(self, name: str) -> tuple[SecretState, ...]:
        await self._request()
        return await super().list_secrets(name)

    async def list_service_accounts(self, namespace: str = "") -> tuple[ServiceAccountState, ...]:
        del namespace
        await self._request()
        if self.crowded_for:
            self.most = 0
            asyncio.get_running_loop().call_later(self.crowded_for, setattr, self, "most", 1)
        return tuple(
            account(f"sa-{number}", namespace=name)
            for name in self.names
            for number in range(self.accounts)
        )

    async def apply_secret(
        self,
        namespace: str,
        name: str,
        content: SecretContent,
        uid: str | None,
        resource_version: str | None = None,
    ) -> AppliedSecret:
        await self._request()
        return await super().apply_secret(namespace, name, content, uid, resource_version)

    async def patch_service_account(self, account: ServiceAccountState) -> ServiceAccountState:
        await self._request()
        self.bound.append(f"{account.namespace}/{account.name}")
        return account

    async def _request(self) -> None:
        if self.now == self.most:
            self.throttled += 1
            raise Throttled("too many", service="kube", retry_after=timedelta(seconds=1))
        self.now += 1
        self.peak = max(self.peak, self.now)
        await asyncio.sleep(self.seconds)
        self.now -= 1


def first_run(kube: Busy) -> Report:
    """Of one cluster, whose secrets are for all service accounts."""
    everywhere = wanted(namespaces=("all",), service_accounts=())
    fleet = Fleet({"a": kube}, pull_secret=everywhere)
    return fleet.run(seconds=3600, cluster_timeout=timedelta(minutes=10))


@pytest.mark.parametrize(
    ("namespaces", "accounts", "at_a_time"),
    [(1, 1, 1), (1, 25, 1), (1, 60, 5), (20, 1, 1), (20, 3, 5), (200, 1, 16), (100, 60, 16)],
)
def test_requests_at_a_time_follow_from_what_is_to_be_written(
    namespaces: int, accounts: int, at_a_time: int
) -> None:
    """Not from how many service accounts a namespace happens to have: at most sixteen."""
    names = tuple(f"n{number:03}" for number in range(namespaces))
    kube = Busy(names, accounts=accounts, seconds=0.001)
    assert first_run(kube).ok
    assert kube.peak == at_a_time <= SETTINGS.requests_per_cluster
    assert len(set(kube.bound)) == namespaces * accounts


def test_a_slow_server_is_not_asked_more_at_once() -> None:
    kube = Busy(tuple(f"n{number:02}" for number in range(12)), seconds=3)
    assert first_run(kube).ok
    assert kube.peak == 1


def test_a_server_that_takes_one_request_at_a_time_gets_one() -> None:
    kube = Busy(tuple(f"n{number:02}" for number in range(25)), seconds=0.6, most=1)
    assert first_run(kube).ok
    assert kube.throttled == 0
    assert len(kube.written) == len(kube.bound) == 25


def test_a_server_that_throttles_is_not_asked_more_at_once() -> None:
    """Others crowd it. A namespace that waits for its turn is no reason to come with the next."""
    names = tuple(f"n{number:02}" for number in range(25))
    kube = Busy(names, seconds=0.01, most=1, crowded_for=3)
    assert first_run(kube).ok
    assert 0 < kube.throttled <= 4
    assert kube.peak == 1
