"""Clusters whose lists fail, or are too large, are read namespace by namespace."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from acr_refresher.core.model import (
    ClusterState,
    NamespaceState,
    SecretState,
    ServiceAccountState,
)
from acr_refresher.errors import BrokenObject, Denied, PortError, TooLarge
from acr_refresher.run.observe import observe
from factories import account, namespace, secret, wanted
from runs import Kube

BROKEN = BrokenObject("cannot decrypt", service="kube", retryable=False)
LARGE = TooLarge("too large", service="kube")


@dataclass(eq=False)
class Tenants(Kube):
    """A cluster whose complete lists may fail, and the reads of some namespaces."""

    secrets_fail: PortError | None = None
    accounts_fail: PortError | None = None
    failing: dict[str, PortError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def list_namespaces(self) -> tuple[NamespaceState, ...]:
        found = await super().list_namespaces()
        return (*found, namespace("leaving", terminating=True))

    async def list_secrets(self, name: str) -> tuple[SecretState, ...]:
        if self.secrets_fail:
            raise self.secrets_fail
        return (secret(namespace="one", name=name),)

    async def read_secret(self, namespace: str, name: str) -> SecretState | None:
        self.asked.append(f"{namespace}/{name}")
        if namespace in self.failing:
            raise self.failing[namespace]
        return secret(namespace=namespace, name=name) if namespace == "one" else None

    async def list_service_accounts(self, namespace: str = "") -> tuple[ServiceAccountState, ...]:
        if not namespace and self.accounts_fail:
            raise self.accounts_fail
        self.asked.append(namespace)
        if namespace in self.failing:
            raise self.failing[namespace]
        return (account(namespace=namespace or "one"),)


def observed(kube: Tenants, *selected: str) -> ClusterState:
    return asyncio.run(observe(kube, ["acr-pull"], [wanted(namespaces=selected)]))


def test_the_usual_cluster_is_read_by_lists_of_all_namespaces() -> None:
    kube = Tenants()
    state = observed(kube, "one")
    assert kube.asked == [""]
    assert state.unreadable == {}


@pytest.mark.parametrize("error", [BROKEN, LARGE])
def test_secrets_are_looked_for_in_every_namespace_that_stays(error: PortError) -> None:
    kube = Tenants(names=("one", "two", "three"), secrets_fail=error)
    state = observed(kube, "two")
    assert sorted(kube.asked) == ["", "one/acr-pull", "three/acr-pull", "two/acr-pull"]
    assert [each.namespace for each in state.secrets] == ["one"]


def test_accounts_are_read_where_a_namespace_is_selected_or_has_a_secret() -> None:
    kube = Tenants(names=("one", "two", "three"), accounts_fail=LARGE)
    state = observed(kube, "two")
    assert sorted(kube.asked) == ["one", "two"]
    assert [each.namespace for each in state.service_accounts] == ["one", "two"]


def test_a_namespace_that_cannot_be_read_costs_no_other_one() -> None:
    kube = Tenants(secrets_fail=BROKEN, accounts_fail=LARGE, failing={"two": LARGE})
    state = observed(kube, "one", "two")
    assert {name: failure.message for name, failure in state.unreadable.items()} == {
        "two": "too large"
    }
    assert [each.namespace for each in state.service_accounts] == ["one"]


def test_a_list_that_is_denied_fails_the_cluster() -> None:
    kube = Tenants(secrets_fail=Denied("no", service="kube"))
    with pytest.raises(Denied):
        observed(kube, "one")
