"""Many API doubles, and the function that serves them on the local Function Compute."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import yaml

from demo.company import FUNCTION_ROLE, HOME, company
from demo.platform import S_YAML
from localcloud.cloud import Clock, Cloud, utc_now
from localcloud.errors import CloudError
from localcloud.fc.deploy import deployed
from localcloud.fc.deployed import DeployedFunction, Task
from localcloud.fc.description import Function, read_function
from localcloud.ram_files import kubeconfig_policy, load_policy
from localcloud.server import serving
from localcloud.world import AckCluster, IssueKubeconfig, World
from localkube.double import DoubleCluster, api_doubles
from localkube.rbac import USER, manifests
from sites import REGISTRIES, SECRET

NAMESPACE = "shop"
SCHEDULED_AT = datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)
LIMIT_SECONDS = 180


@dataclass(frozen=True)
class Fleet:
    """Clusters with a namespace each, and the function that is deployed for them."""

    clusters: Sequence[DoubleCluster]
    function: DeployedFunction
    cloud: Cloud

    def fire_timer(self, at: datetime = SCHEDULED_AT) -> Task:
        """Deliver the timer event once and wait for the task."""
        [task] = self.function.fire_timer(at)
        self.function.wait_until(
            lambda: self.function.task(task.id).result is not None, LIMIT_SECONDS
        )
        return self.function.task(task.id)

    def invoke(self, **asked: object) -> dict[str, Any]:
        """Invoke the function synchronously and return its report."""
        event = json.dumps({"action": "refresh", **asked}).encode()
        result = self.function.invoke(event, str(uuid.uuid4()))
        assert not result.failed, result.body.decode()
        report: dict[str, Any] = json.loads(result.body)
        return report

    def grant(self, world: World) -> None:
        """Give the roles the policies of another world from now on."""
        object.__setattr__(self.cloud, "world", world)

    def found_in(self, regions: Mapping[str, Sequence[DoubleCluster]], gone: str = "") -> None:
        """Let the cluster role discover these clusters in regions of its account.

        The lists also contain the cluster `gone`, which is deleted.
        """
        discovery = (load_policy("cluster-discovery.policy"), kubeconfig_policy("*"))
        roles = tuple(
            replace(role, policies=(*role.policies, *discovery))
            if role.name.endswith("-cluster")
            else role
            for role in self.cloud.world.roles
        )
        clusters = tuple(
            AckCluster(
                f"c1d{double.name[-4:]}",
                double.name,
                region,
                HOME,
                _issued(double, double.name == gone),
            )
            for region, doubles in regions.items()
            for double in doubles
        )
        self.grant(replace(self.cloud.world, roles=roles, clusters=clusters))

    @property
    def shards(self) -> dict[str, Task]:
        """The tasks of shards by number, such as `1/4`."""
        shards = {task: json.loads(task.event).get("shard") for task in self.function.tasks}
        return {f"{shard['number']}/{shard['of']}": task for task, shard in shards.items() if shard}

    @property
    def unserved(self) -> list[str]:
        """The clusters whose namespace has no pull secret."""
        return [c.name for c in self.clusters if c.get_secret(NAMESPACE, SECRET) is None]

    def served(self, shard: str = "") -> int:
        """How many clusters were served so far: by a shard, or by all invocations."""
        marks = ('"cluster.served"', f'"{shard}"' if shard else "")
        return sum(all(mark in line for mark in marks) for line in self.function.lines)


@contextmanager
def fleet(
    folder: Path,
    count: int,
    *,
    file: Path = S_YAML,
    world: World | None = None,
    changes: dict[str, Any] | None = None,
    clock: Clock = utc_now,
    **config: Any,
) -> Iterator[Fleet]:
    """A fleet of `count` clusters, served by the function in `file` with `changes`."""
    names = [f"cluster-{number:04}" for number in range(count)]
    cloud = Cloud(world or company({}), clock)
    with api_doubles(names) as clusters, serving(cloud) as url:
        _prepare(clusters)
        _write_config(folder, clusters, config)
        described = replace(_described(file, folder, url), **{"instances": 3, **(changes or {})})
        with deployed(cloud, described) as function:
            yield Fleet(clusters, function, cloud)


def _issued(cluster: DoubleCluster, gone: bool) -> IssueKubeconfig:
    def issue(_arn: str, validity: timedelta, *, private: bool) -> tuple[str, datetime]:
        del private  # all networks are the same on the test machine
        if gone:
            raise CloudError(404, "ErrorClusterNotFound", f"cluster {cluster.name} not found")
        return cluster.kubeconfig(validity=validity), datetime.now(timezone.utc) + validity

    return issue


def _described(file: Path, folder: Path, url: str) -> Function:
    described = read_function(file, {"ACR_REFRESHER_ACCOUNT": HOME})
    assert described.role == FUNCTION_ROLE
    return described.with_environment(
        PYTHONPATH="",
        ACR_REFRESHER_CONFIG=str(folder / "config.yaml"),
        ACR_REFRESHER_LOCAL_CLOUD=url,
    )


def _prepare(clusters: Sequence[DoubleCluster]) -> None:
    account = {"metadata": {"name": "default", "namespace": NAMESPACE}}
    objects = (
        *manifests(USER, [SECRET]),
        {"kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"kind": "ServiceAccount", **account},
    )
    for cluster in clusters:
        cluster.load(*deepcopy(objects))


def _write_config(folder: Path, clusters: Sequence[DoubleCluster], config: dict[str, Any]) -> None:
    """All clusters accept the same credentials: their kubeconfigs differ only in the address.

    With `discover`, no cluster is configured.
    """
    first = clusters[0]
    kubeconfig = first.kubeconfig()
    for cluster in clusters:
        (folder / f"{cluster.name}.yaml").write_text(kubeconfig.replace(first.url, cluster.url))
    sections = [{"name": c.name, "kubeconfig": f"{c.name}.yaml"} for c in clusters]
    document = {
        "registries": REGISTRIES,
        "defaults": {"watchNamespace": NAMESPACE},
        **({} if "discover" in config else {"clusters": sections}),
        **config,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


def report_of(task: Task) -> dict[str, Any]:
    """The report that the task returned. The task must not have failed."""
    assert task.result
    assert not task.result.failed, task.result.body.decode()
    report: dict[str, Any] = json.loads(task.result.body)
    return report
