"""The deployed function serves clusters in shards, also if an instance is lost.

Another invocation serves the clusters for which an invocation had no time.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

from demo.company import HOME
from demo.platform import S_FC2_YAML
from fleets import LIMIT_SECONDS, NAMESPACE, SCHEDULED_AT, fleet, report_of
from localcloud.cloud import utc_now
from localcloud.fc.description import EntryPoint
from localkube.double import Fault
from sites import SECRET, references


def test_1200_clusters_are_served_in_shards_although_one_is_killed_and_the_timer_fires_twice(
    tmp_path: Path,
) -> None:
    with fleet(tmp_path, 1200, shardSize=300) as there:
        for cluster in there.clusters[300:600]:
            cluster.faults.latency = 0.2  # of the second shard, so that there is time to kill it
        first = report_of(there.fire_timer())
        there.function.wait_until(lambda: there.served("2/4") >= 40, LIMIT_SECONDS)
        there.function.lose_instance(there.shards["2/4"].id)
        again = report_of(there.fire_timer())
        there.function.wait_until_idle(LIMIT_SECONDS)

        assert [shard["started"] for shard in first["delegated"]] == [True] * 4
        assert [shard["started"] for shard in again["delegated"]] == [False] * 4
        assert [shard["clusters"] for shard in first["delegated"]] == [300] * 4
        assert first["clusters"] == again["clusters"] == []
        assert {shard["taskId"] for shard in first["delegated"] + again["delegated"]} == {
            task.id for task in there.shards.values()
        }
        assert len(there.function.tasks) == 2 + 4
        assert {number: task.attempts for number, task in there.shards.items()} == {
            "1/4": 1,
            "2/4": 2,
            "3/4": 1,
            "4/4": 1,
        }

        reports = [report_of(task) for task in there.shards.values()]
        assert {report["run"] for report in reports} == {first["run"]}
        assert all(report["ok"] for report in reports)
        served = [cluster["cluster"] for report in reports for cluster in report["clusters"]]
        assert sorted(served) == sorted(cluster.name for cluster in there.clusters)
        for cluster in there.clusters:
            cluster.faults.latency = 0
        assert there.unserved == []
        assert references(there.clusters[-1], NAMESPACE) == [SECRET]


def test_discovered_clusters_are_listed_once_per_timer_run_and_not_by_its_shards(
    tmp_path: Path,
) -> None:
    """One region has two pages of clusters, the other has one. A cluster is deleted meanwhile."""
    role = f"acs:ram::{HOME}:role/acr-refresher-cluster"
    found = {"regions": ["cn-hangzhou", "cn-beijing"], "assumeRoleARN": role, "names": "cluster-*"}
    discovering: dict[str, Any] = {"discover": [found], "rateLimits": {"cs": 200}}
    with fleet(tmp_path, 180, shardSize=30, **discovering) as there:
        gone = there.clusters[0].name
        there.found_in(
            {"cn-hangzhou": there.clusters[:120], "cn-beijing": there.clusters[120:]}, gone
        )
        first, again = report_of(there.fire_timer()), report_of(there.fire_timer())
        there.function.wait_until_idle(LIMIT_SECONDS)

        assert [shard["started"] for shard in first["delegated"]] == [True] * 6
        assert [shard["started"] for shard in again["delegated"]] == [False] * 6
        lists = there.cloud.calls("DescribeClustersV1")
        assert len(lists) == 2 * 3, "three for each of two deliveries, and none for the six shards"
        reports = [report_of(task) for task in there.shards.values()]
        assert [(report["run"], report["ok"]) for report in reports] == [(first["run"], True)] * 6
        outcomes = {
            cluster["cluster"]: cluster for report in reports for cluster in report["clusters"]
        }
        assert set(outcomes) == {cluster.name for cluster in there.clusters}
        assert outcomes[gone]["skipped"] == "it was deleted after it was listed"
        assert there.unserved == [gone]


def test_on_function_compute_2_shards_are_started_through_its_own_api(tmp_path: Path) -> None:
    with fleet(tmp_path, 6, file=S_FC2_YAML, shardSize=2) as there:
        first, again = report_of(there.fire_timer()), report_of(there.fire_timer())
        there.function.wait_until_idle(LIMIT_SECONDS)

        assert [shard["started"] for shard in first["delegated"]] == [True] * 3
        assert [shard["started"] for shard in again["delegated"]] == [False] * 3
        calls = there.cloud.calls("InvokeFunction")
        assert {(call.version, call.status) for call in calls} == {
            ("2016-08-15", 202),
            ("2016-08-15", 409),
        }
        assert [shard["taskId"] for shard in first["delegated"]] == [
            there.shards[number].id for number in ("1/3", "2/3", "3/3")
        ]
        reports = [report_of(task) for task in there.shards.values()]
        assert [(report["run"], report["ok"]) for report in reports] == [(first["run"], True)] * 3
        assert there.unserved == []


def test_shards_of_a_timer_event_delivered_twice_report_the_same_run(tmp_path: Path) -> None:
    with fleet(tmp_path, 12, shardSize=2) as there:
        tasks = there.function.fire_timer(SCHEDULED_AT, times=2)
        there.function.wait_until_idle(LIMIT_SECONDS)
        coordinators = [report_of(there.function.task(task.id)) for task in tasks]
        shards = [report_of(task) for task in there.shards.values()]
        assert len(shards) == 6
        assert len({report["run"] for report in coordinators + shards}) == 1
        started = [shard["started"] for report in coordinators for shard in report["delegated"]]
        assert sorted(started) == [False] * 6 + [True] * 6
        assert there.unserved == []


def test_a_shard_that_waits_until_the_next_timer_run_is_dropped_and_then_served(
    tmp_path: Path,
) -> None:
    """Only one instance may run, so the second shard waits for the first."""
    late = threading.Event()
    single, minutes = {"instances": 1}, timedelta(minutes=1)

    def clock() -> datetime:
        return utc_now() + (6 * minutes if late.is_set() else 0 * minutes)

    with fleet(tmp_path, 2, changes=single, clock=clock, shardSize=1) as there:
        for cluster in there.clusters:
            cluster.faults.add(Fault("GET", "/secrets", stall=1, meanwhile=late.set))
        first = there.fire_timer()
        there.function.wait_until_idle(LIMIT_SECONDS)
        assert sorted(task.state for task in there.shards.values()) == ["Expired", "Succeeded"]
        assert there.served() == 1
        again = report_of(there.fire_timer(SCHEDULED_AT + 5 * minutes))
        there.function.wait_until_idle(LIMIT_SECONDS)
        assert [each["started"] for each in report_of(first)["delegated"] + again["delegated"]] == [
            True
        ] * 4
        assert there.unserved == []


def test_clusters_without_time_left_are_served_by_a_continuation(tmp_path: Path) -> None:
    """The first cluster takes 13 s of 25 s, and no cluster is begun in the last 12.5 s."""
    timeout = EntryPoint("handler.handle", timedelta(seconds=30))
    with fleet(tmp_path, 4, changes={"handler": timeout}, concurrency=1) as there:
        there.invoke(dryRun=True)  # warms the instance: a cold instance would use part of that time
        slow = [Fault(method, "/secrets", stall=6.5) for method in ("GET", "PATCH")]
        for cluster, once in product(there.clusters, slow):
            cluster.faults.add(once)  # for the first cluster that is served
        [task] = there.function.fire_timer(SCHEDULED_AT)
        there.function.wait_until_idle(LIMIT_SECONDS)

        report = report_of(there.function.task(task.id))
        assert (report["ok"], len(report["clusters"]), report["deferred"]) == (True, 1, [])
        [continuation] = report["delegated"]
        assert (continuation["clusters"], continuation["started"]) == (3, True)
        assert "-continued1-" in continuation["taskId"]
        rest = report_of(there.function.task(continuation["taskId"]))
        assert (rest["run"], rest["ok"], len(rest["clusters"])) == (report["run"], True, 3)
        assert len(there.function.tasks) == 2
        assert there.unserved == []
