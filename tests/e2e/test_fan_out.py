"""1,200 clusters are served in shards by the deployed function, though one instance is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from demo.company import FUNCTION_ROLE, HOME, company
from demo.stage import CODE_ROOT
from localcloud.cloud import Cloud
from localcloud.fc.deploy import deployed
from localcloud.fc.deployed import DeployedFunction, Task
from localcloud.fc.description import read_function
from localcloud.server import serving
from localkube.double import DoubleCluster, api_doubles
from localkube.rbac import USER, manifests
from sites import REGISTRIES, SECRET, references

NAMESPACE = "shop"
TICK = datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)
LIMIT_SECONDS = 180


@dataclass(frozen=True)
class Fleet:
    """Clusters with a namespace each, and the function that is deployed for them."""

    clusters: Sequence[DoubleCluster]
    function: DeployedFunction

    def tick(self) -> Task:
        """One delivery of the timer, waited for."""
        [task] = self.function.fire_timer(TICK)
        self.function.wait_until(
            lambda: self.function.task(task.id).result is not None, LIMIT_SECONDS
        )
        return self.function.task(task.id)

    @property
    def shards(self) -> dict[str, Task]:
        """By number: `1/4`."""
        told = {task: json.loads(task.event).get("shard") for task in self.function.tasks}
        return {f"{one['number']}/{one['of']}": task for task, one in told.items() if one}

    def served_by(self, shard: str) -> int:
        """How many clusters a shard has served so far."""
        marks = ('"cluster.served"', f'"{shard}"')
        return sum(all(mark in line for mark in marks) for line in self.function.lines)


@contextmanager
def fleet(folder: Path, count: int, **config: Any) -> Iterator[Fleet]:
    names = [f"cluster-{number:04}" for number in range(count)]
    cloud = Cloud(company({}))
    with api_doubles(names) as clusters, serving(cloud) as url:
        prepare(clusters)
        write_config(folder, clusters, config)
        described = read_function(CODE_ROOT.parent / "s.yaml", {"ACR_REFRESHER_ACCOUNT": HOME})
        assert described.role == FUNCTION_ROLE
        described = described.with_environment(
            PYTHONPATH="",
            ACR_REFRESHER_CONFIG=str(folder / "config.yaml"),
            ACR_REFRESHER_LOCAL_CLOUD=url,
        )
        with deployed(cloud, replace(described, instances=3)) as function:
            yield Fleet(clusters, function)


def prepare(clusters: Sequence[DoubleCluster]) -> None:
    account = {"metadata": {"name": "default", "namespace": NAMESPACE}}
    standing = (
        *manifests(USER, [SECRET]),
        {"kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"kind": "ServiceAccount", **account},
    )
    for cluster in clusters:
        cluster.load(*deepcopy(standing))


def write_config(folder: Path, clusters: Sequence[DoubleCluster], config: dict[str, Any]) -> None:
    """All clusters take the same credentials: one kubeconfig is another's but for the address."""
    first = clusters[0]
    kubeconfig = first.kubeconfig()
    for cluster in clusters:
        (folder / f"{cluster.name}.yaml").write_text(kubeconfig.replace(first.url, cluster.url))
    sections = [{"name": one.name, "kubeconfig": f"{one.name}.yaml"} for one in clusters]
    document = {
        "registries": REGISTRIES,
        "defaults": {"watchNamespace": NAMESPACE},
        "clusters": sections,
        **config,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


def report_of(task: Task) -> dict[str, Any]:
    assert task.result
    assert not task.result.failed, task.result.body.decode()
    report: dict[str, Any] = json.loads(task.result.body)
    return report


def test_1200_clusters_are_served_in_shards_though_one_is_killed_and_the_timer_comes_twice(
    tmp_path: Path,
) -> None:
    with fleet(tmp_path, 1200, shardSize=300) as there:
        for cluster in there.clusters[300:600]:
            cluster.faults.latency = 0.2  # of the second shard: there is time to kill it
        first = report_of(there.tick())
        there.function.wait_until(lambda: there.served_by("2/4") >= 40, LIMIT_SECONDS)
        there.function.lose_instance(there.shards["2/4"].id)
        again = report_of(there.tick())
        there.function.wait_until_idle(LIMIT_SECONDS)

        assert [one["started"] for one in first["handedOn"]] == [True] * 4
        assert [one["started"] for one in again["handedOn"]] == [False] * 4
        assert [one["clusters"] for one in first["handedOn"]] == [300] * 4
        assert first["clusters"] == again["clusters"] == []
        assert {one["taskId"] for one in first["handedOn"] + again["handedOn"]} == {
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
        served = [one["cluster"] for report in reports for one in report["clusters"]]
        assert sorted(served) == sorted(one.name for one in there.clusters)
        for cluster in there.clusters:
            cluster.faults.latency = 0
            assert cluster.get_secret(NAMESPACE, SECRET) is not None, cluster.name
        assert references(there.clusters[-1], NAMESPACE) == [SECRET]
