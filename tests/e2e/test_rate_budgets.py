"""Shared results are requested once, within the budgets, and slower when the cloud throttles.

The real adapters call a local cloud in virtual time: a minute of waiting takes none here, and a
call neither. Nothing is looked for in the clusters.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from acr_refresher.config.load import Config
from acr_refresher.core.model import AckAccess, Cluster, Registry, Role, Verification
from acr_refresher.errors import Throttled
from acr_refresher.run.connect import ClusterConnections
from acr_refresher.run.deadline import PausableDeadline
from acr_refresher.run.ports import Caller, CloudCredentials, KubeApi, KubeConnector
from acr_refresher.run.tokens import Minter
from acr_refresher.settings import SETTINGS
from acr_refresher.wiring import Instance
from localcloud.cloud import Cloud
from localcloud.demo import (
    CLUSTER_ACCOUNT,
    CLUSTER_ROLE_ARN,
    FUNCTION_ACCOUNT,
    FUNCTION_ROLE_ARN,
    REGION,
    REGISTRY,
    REGISTRY_ROLE_ARN,
    cluster_role,
    demo_world,
)
from localcloud.faults import throttled
from localcloud.journal import Call, Journal
from localcloud.ram_files import assume_policy
from localcloud.server import serving
from localcloud.world import AckCluster
from sites import BrokenSite, only
from virtual_time import VirtualTime, in_virtual_time

OTHER_ACCOUNT = "1555000000000005"
OTHER_ROLE_ARN = f"acs:ram::{OTHER_ACCOUNT}:role/acr-refresher-cluster"
KUBECONFIG = "DescribeClusterUserKubeconfig"
RATES = {"sts": 50.0, "cr": 20.0, "cs": 10.0, "kms": 50.0}
CLUSTERS = 300
REGISTRY_THERE = Registry(
    "main",
    REGISTRY.id,
    REGION,
    role_chain=(Role(REGISTRY_ROLE_ARN),),
    verify=Verification.NEVER,
)


@dataclass
class TimedJournal(Journal):
    """Also records when a call arrived, in seconds of virtual time, and for which account."""

    loop: VirtualTime | None = None
    arrived: list[tuple[str, str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def add(self, call: Call) -> None:
        account = call.caller_arn.split(":")[3]
        self.arrived.append((call.action, account, self.loop.now if self.loop else 0))
        super().add(call)

    def times(self, action: str, account: str = CLUSTER_ACCOUNT) -> list[float]:
        return [when for what, whose, when in self.arrived if (what, whose) == (action, account)]


class Connector(KubeConnector):
    """A connector that opens no connection."""

    def connect(self, *_: Any) -> KubeApi:
        class Kube:
            async def close(self) -> None:
                pass

        return cast("KubeApi", Kube())


@dataclass
class Scene:
    """A warm instance of the function, and a cloud with many ACK clusters."""

    cloud: Cloud
    journal: TimedJournal
    instance: Instance
    clusters: Sequence[Cluster]

    def run(self, patience: float | None = None) -> Counter[str]:
        """Visit every cluster at once. Each needs the registry's token. Counts the results.

        After `patience` seconds, the remaining visits are given up.
        """
        self.journal.arrived.clear()
        return in_virtual_time(lambda loop: self._run(loop, patience))

    async def _run(self, loop: VirtualTime, patience: float | None) -> Counter[str]:
        self.journal.loop = loop
        session = self.cloud.function_credentials(FUNCTION_ROLE_ARN)
        caller = CloudCredentials(
            session.access_key_id,
            SecretStr(session.access_key_secret),
            SecretStr(session.security_token),
            FUNCTION_ACCOUNT,
        )
        instance = replace(self.instance, clock=loop.time)
        config = Config((), (), 64, rate_limits=RATES)
        dependencies = instance.dependencies(config, Path(), Caller(caller, REGION))
        now = datetime.now(timezone.utc)
        minter = Minter(
            dependencies.sts,
            dependencies.registry_api,
            dependencies.registry_hosts,
            caller,
            "run-7",
            now,
        )
        connecting = ClusterConnections(dependencies.kubeconfigs, Connector(), minter, now)

        async def visit(cluster: Cluster) -> str:
            async def use(kube: KubeApi) -> str:
                await minter.credential(REGISTRY_THERE, kube)
                return "served"

            own = PausableDeadline(SETTINGS.cluster_timeout)
            visiting = own.run(connecting.visit(cluster, use, own.paused))
            return await asyncio.wait_for(visiting, patience)

        try:
            last_seen = (visit(cluster) for cluster in self.clusters)
            outcomes = await asyncio.gather(*last_seen, return_exceptions=True)
        finally:
            await minter.aclose()
        return Counter(
            outcome if isinstance(outcome, str) else type(outcome).__name__ for outcome in outcomes
        )


@contextmanager
def scene(*, count: int = CLUSTERS, elsewhere: int = 0) -> Iterator[Scene]:
    """A scene with so many clusters in one account, and so many in another account."""
    ids = [f"c{n:032}" for n in range(count + elsewhere)]
    accounts = [CLUSTER_ACCOUNT] * count + [OTHER_ACCOUNT] * elsewhere
    world = demo_world(
        AckCluster(each, each, REGION, account, _kubeconfig)
        for each, account in zip(ids, accounts, strict=True)
    )
    function, *others = world.roles
    function = replace(function, policies=(*function.policies, assume_policy(OTHER_ROLE_ARN)))
    other = replace(cluster_role(), account=OTHER_ACCOUNT)
    world = replace(world, roles=(function, *others, other))
    roles = {CLUSTER_ACCOUNT: Role(CLUSTER_ROLE_ARN), OTHER_ACCOUNT: Role(OTHER_ROLE_ARN)}
    clusters = [
        Cluster(each, AckAccess(each, REGION, (roles[account],)), ())
        for each, account in zip(ids, accounts, strict=True)
    ]
    journal = TimedJournal()
    cloud = Cloud(world, journal=journal)
    with serving(cloud) as url:
        instance = Instance.new({"ACR_REFRESHER_LOCAL_CLOUD": url})
        try:
            yield Scene(cloud, journal, instance, clusters)
        finally:
            instance.close()


def _kubeconfig(_arn: str, validity: timedelta, *, private: bool) -> tuple[str, datetime]:
    del private  # the same here
    return "# a kubeconfig", datetime.now(timezone.utc) + validity


def busiest_second(times: Sequence[float]) -> int:
    return max(sum(start <= each < start + 1 for each in times) for start in times)


def test_hundreds_of_clusters_in_one_account_keep_within_its_budget() -> None:
    with scene() as there:
        assert there.run() == {"served": CLUSTERS}
        asked = there.journal.times(KUBECONFIG)
        assert len(asked) == CLUSTERS, "one call per cluster: no kubeconfig was cached"
        assert asked[-1] == pytest.approx((CLUSTERS - 5) / RATES["cs"])
        assert asked[-1] > SETTINGS.cluster_timeout.total_seconds(), (
            "time in the queue does not count for any cluster"
        )
        assert busiest_second(asked) <= 1.5 * RATES["cs"]
        assert len(there.cloud.calls("AssumeRole")) == 2, "the clusters' role and the registry's"
        assert len(there.cloud.calls("GetAuthorizationToken")) == 1


def test_shared_results_are_requested_once_and_cached_results_never() -> None:
    with scene(count=40, elsewhere=10) as there:
        there.run()
        first = Counter(call.action for call in there.cloud.calls())
        there.cloud.journal.clear()
        assert there.run() == {"served": 50}
        second = Counter(call.action for call in there.cloud.calls())
    assert first["AssumeRole"] == 3, "the clusters' roles and the registry's"
    assert (first["GetAuthorizationToken"], first["ListInstanceEndpoint"]) == (1, 1)
    assert first[KUBECONFIG] == 50
    assert second == {"AssumeRole": 1, "GetAuthorizationToken": 1, "ListInstanceEndpoint": 1}


def test_accounts_do_not_slow_each_other_down() -> None:
    with scene(count=100, elsewhere=20) as there:
        there.cloud.faults.inject(KUBECONFIG, throttled(), times=5, caller=CLUSTER_ACCOUNT)
        assert there.run() == {"served": 120}
        other = there.journal.times(KUBECONFIG, OTHER_ACCOUNT)
        busy = there.journal.times(KUBECONFIG)
    assert other[-1] == pytest.approx((20 - 5) / RATES["cs"])
    assert busy[-1] > 100 / RATES["cs"]


def test_a_throttled_run_slows_down_and_serves_all_clusters() -> None:
    with scene(count=100) as there:
        there.run()
        usual = there.journal.times(KUBECONFIG)
    with scene(count=100) as there:
        there.cloud.faults.inject(KUBECONFIG, throttled(), times=2)
        assert there.run() == {"served": 100}
        slowed = there.journal.times(KUBECONFIG)
    assert len(slowed) == 102, "what was refused is asked for again"
    within = timedelta(seconds=3).total_seconds()
    assert sum(each < within for each in usual) == pytest.approx(10 * within + 5, abs=1)
    assert sum(each < within for each in slowed) < 5 * within
    assert slowed[-1] > 1.5 * usual[-1]


def test_a_warm_instance_starts_its_next_run_at_the_rate_of_the_last_run() -> None:
    with scene(count=1) as there:
        there.cloud.faults.inject(KUBECONFIG, throttled(), times=3)
        there.run()
        assert there.instance.buckets[CLUSTER_ACCOUNT, "cs"].rate < RATES["cs"] / 4
        assert there.instance.buckets[CLUSTER_ACCOUNT, "cs"].full_rate == RATES["cs"]
        assert there.instance.buckets[FUNCTION_ACCOUNT, "sts"].rate == RATES["sts"]


def test_clusters_that_wait_for_the_budget_give_up_at_the_end_of_the_run() -> None:
    with scene() as there:
        outcomes = there.run(patience=10.05)
        asked = there.journal.times(KUBECONFIG)
    assert outcomes == {"served": len(asked), "TimeoutError": CLUSTERS - len(asked)}
    assert len(asked) == pytest.approx(10 * RATES["cs"] + 5, abs=1)


def test_a_report_counts_throttled_calls(broken: BrokenSite, log: Any) -> None:
    shop = broken.namespace("shop")
    with broken.function() as function:
        function.cloud.faults.inject(KUBECONFIG, throttled(timedelta(milliseconds=10)), times=2)
        report = function.timer()
    assert only(report, shop)["result"] == "created"
    assert report["throttled"] == {"sts": 0, "cr": 0, "cs": 2, "kms": 0}
    (line,) = (line for line in log() if line["event"] == "run.finished")
    assert line["throttled_cs"] == 2


def test_endless_throttling_is_reported_as_throttling() -> None:
    with scene(count=1) as there:
        there.cloud.faults.inject(KUBECONFIG, throttled(), times=None)
        assert there.run() == {Throttled.__name__: 1}
        assert len(there.journal.times(KUBECONFIG)) == 4, "every attempt counts"
