"""What stalls in a cluster, fails or is wrong with the clock costs itself and nothing beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from acr_refresher.config.load import Config
from acr_refresher.core.model import (
    Cluster,
    Credential,
    KubeconfigAccess,
    Registry,
    SecretState,
)
from acr_refresher.core.request import RunContext
from acr_refresher.run.cluster import LastSeenClusters
from acr_refresher.run.ports import CloudCredentials, RegistryToken
from acr_refresher.run.run import run
from factories import HOUR, MAIN, MINUTE, NOW, PARTNER, credential, request, secret, wanted
from runs import Fleet, Kube, Registries
from virtual_time import in_virtual_time

HANGING = [f"n{number:02}" for number in range(20)]
HEALTHY = [f"n{number:02}" for number in range(20, 40)]


def with_a_hanging_webhook() -> Fleet:
    """A webhook hangs for more namespaces than there are workers, and they are listed first."""
    names = tuple(HANGING + HEALTHY)
    return Fleet({"a": Kube(names, stalled=" ".join(HANGING))})


def missed(fleet: Fleet) -> set[str]:
    return set(HEALTHY) - set(fleet.kubes["a"].written)


def test_a_cluster_that_was_cut_off_begins_next_time_with_what_was_not_reached() -> None:
    fleet = with_a_hanging_webhook()
    fleet.run(seconds=120)
    not_begun = fleet.last_seen.seen["a"].unreached
    assert missed(fleet) <= not_begun, "the minimal scenario: some were not reached"
    assert not_begun
    fleet.run(seconds=120, now=NOW + 5 * MINUTE)
    assert missed(fleet) == set()


def test_an_instance_that_remembers_nothing_does_not_always_begin_at_the_same_place() -> None:
    fleet = with_a_hanging_webhook()
    begun_first: set[str] = set()
    for number in range(12):
        fleet.last_seen = LastSeenClusters()
        kube = fleet.kubes["a"]
        before = len(kube.written)
        fleet.run(seconds=120, now=NOW + number * 5 * MINUTE)
        begun_first.update(kube.written[before : before + 1])
    assert len(begun_first) > 1
    assert missed(fleet) == set()


def test_the_report_keeps_the_order_of_the_namespaces() -> None:
    fleet = Fleet({"a": Kube(tuple(HEALTHY))})
    [cluster] = fleet.run().clusters
    assert [each.namespace for each in cluster.secrets] == HEALTHY


# ---- a bug with one registry ---------------------------------------------------------------------


class WithABug(Registries):
    """Minting for the partner's registry meets a bug."""

    async def token(self, caller: CloudCredentials, registry: Registry) -> RegistryToken:
        if registry.name == "partner":
            raise KeyError("hunter2")
        return await super().token(caller, registry)

    async def hosts(self, caller: CloudCredentials, registry: Registry) -> tuple[str, ...]:
        del caller
        return (f"{registry.name}.example.com",)


def test_a_bug_with_one_registry_leaves_the_other_registries() -> None:
    kube, other = Kube(), Kube()
    pull_secret = wanted(MAIN, replace(PARTNER, role_chain=()), namespaces=("all",))
    clusters = tuple(Cluster(name, KubeconfigAccess(name), (pull_secret,)) for name in "ab")
    fleet = Fleet({"a": kube, "b": other})
    dependencies = replace(fleet.dependencies(), registry_api=WithABug())
    context = RunContext(run="run-7", request=request(), now=NOW, budget=timedelta(minutes=1))
    with capture_logs() as lines:
        report = in_virtual_time(
            lambda _: run(context, Config(clusters, (), concurrency=8), dependencies)
        )
    assert {each.result.value for each in report.secrets} == {"incomplete"}
    assert {each.hosts for each in report.secrets} == {("main.example.com",)}
    assert {each.failures[0].subject for each in report.secrets} == {"registry partner"}
    assert {each.failures[0].meaning for each in report.secrets} == {"bug"}
    assert len([line for line in lines if line["event"] == "bug.found"]) == 1
    assert "hunter2" not in str(lines)


# ---- a wrong clock -------------------------------------------------------------------------------


@dataclass(eq=False)
class Holding(Kube):
    """A cluster whose namespaces hold a secret."""

    holds: Credential = credential()  # noqa: RUF009  # it is frozen

    async def list_secrets(self, name: str) -> tuple[SecretState, ...]:
        del name
        return tuple(secret(self.holds, namespace=each) for each in self.names)

    async def read_secret(self, namespace: str, name: str) -> SecretState | None:
        del name
        return secret(self.holds, namespace=namespace)


@pytest.mark.parametrize(
    ("ahead", "ends", "results"),
    [
        pytest.param(None, 10 * MINUTE, {"renewed"}, id="not known"),
        pytest.param(14 * MINUTE, 10 * MINUTE, {"waiting"}, id="ahead: 24 minutes are left"),
        pytest.param(-14 * MINUTE, 20 * MINUTE, {"renewed"}, id="behind: 6 minutes are left"),
        pytest.param(MINUTE, 15 * MINUTE, {"renewed"}, id="within the tolerance"),
    ],
)
def test_what_is_due_is_decided_by_the_clouds_clock(
    ahead: timedelta | None, ends: timedelta, results: Iterable[str]
) -> None:
    kube = Holding(holds=credential(MAIN, ends))
    report = Fleet({"a": kube}, clock_skew=ahead).run()
    assert {each.result.value for each in report.secrets} == results


def test_the_expiry_in_the_report_is_the_clouds_after_a_wrong_clock_too() -> None:
    kube = Holding(holds=credential(MAIN, HOUR / 2))
    report = Fleet({"a": kube}, clock_skew=14 * MINUTE).run(now=NOW + 14 * MINUTE)
    assert {each.expires_at for each in report.secrets} == {NOW + HOUR / 2}
