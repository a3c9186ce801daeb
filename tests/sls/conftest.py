"""The records that real runs wrote to the local cloud's SLS, and the function's log lines."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import stamina

from acr_refresher.invocation import RunFailed
from acr_refresher.run import publish
from acr_refresher.settings import SETTINGS
from demo.company import LOG_PROJECT
from demo.stage import Stage
from localcloud.faults import ApiError, throttled
from localkube.double import DoubleCluster
from sites import CLUSTERS, Site, clear_secrets, config_of, later
from sls.logstore import Logstore, definition

NO_TIME = 0.001
DENIED = ApiError(403, "StatusForbidden", "forbidden")


@dataclass(frozen=True)
class Written:
    """The records of a few runs as SLS received them, and the log lines of the function."""

    outcomes: list[dict[str, Any]]
    lines: list[dict[str, Any]]

    def logstore(self, name: str) -> Logstore:
        """The logstore of this name with the records of these runs."""
        records = {"outcomes": self.outcomes, "function": [_as_stored(line) for line in self.lines]}
        now = datetime.now(timezone.utc) + timedelta(minutes=10)
        return Logstore(definition(f"index.{name}"), records[name], now)


@pytest.fixture(scope="session")
def written(double_clusters: list[DoubleCluster]) -> Written:
    """Runs without time, without a cluster, with many failures, and without records."""
    for cluster in double_clusters:
        cluster.apply_rbac()
        clear_secrets(cluster)
    site = Site(double_clusters[0], double_clusters[1], "sls")
    for name in ("shop", "stock"):
        site.namespace(name)
    site.namespace("web", site.beijing)
    with (
        recording() as stdout,
        later(-10),
        site.function(config() + "shardSize: 1\n") as function,
        pytest.MonkeyPatch.context() as patching,
    ):
        settings = replace(SETTINGS, publish_time_min=SETTINGS.publish_time_max)
        patching.setattr(publish, "SETTINGS", settings)  # the outcomes have to arrive
        outcomes = without_time(function)
    with recording() as more, site.function(config()) as function:
        function.cloud.faults.inject("DescribeClusterUserKubeconfig", DENIED, host="cn-beijing")
        with suppress(RunFailed):
            function.timer()
        put_conflicting_secret(site, site.namespace("taken"))
        function.cloud.faults.inject(
            "GetAuthorizationToken", throttled(), times=None, host="cn-beijing"
        )
        function.cloud.faults.inject("AssumeRole", throttled())
        with later(10):
            function.invoke(force=True, reason="a drill")
        function.cloud.faults.inject("PutLogs", DENIED)
        function.invoke(namespaces=["sls-shop"])
        outcomes += function.cloud.logs.records(LOG_PROJECT.name, "outcomes")
    lines = [json.loads(line) for each in (stdout, more) for line in each.getvalue().splitlines()]
    for cluster in double_clusters:
        clear_secrets(cluster)
    return Written([dict(record) for record in outcomes], lines)


def without_time(function: Stage) -> list[Any]:
    """The records of a run that could not delegate, and of a shard. Both defer all clusters."""
    shard = {"run": "r", "trigger": "manual", "scheduledAt": "r", "number": 1, "of": 2}
    names = [each["name"] for each in CLUSTERS]
    function.invoke(timeout_seconds=NO_TIME)
    with suppress(RunFailed):
        function.invoke(timeout_seconds=NO_TIME, shard={**shard, "clusters": names})
    return [*function.cloud.logs.records(LOG_PROJECT.name, "outcomes")]


def config() -> str:
    """A configuration with `sls`. One of its service accounts does not exist."""
    defaults = {"watchNamespace": "sls-*", "serviceAccount": "default,runner"}
    return config_of(defaults) + f"sls: {{project: {LOG_PROJECT.name}}}\n"


def put_conflicting_secret(site: Site, namespace: str) -> None:
    site.hangzhou.expect(
        "POST",
        f"/api/v1/namespaces/{namespace}/secrets",
        {"metadata": {"name": "acr-pull"}, "type": "Opaque"},
    )


@contextmanager
def recording() -> Iterator[io.StringIO]:
    """The output of the function, which does not wait between attempts."""
    stdout = io.StringIO()
    with redirect_stdout(stdout), stamina.set_testing(True, attempts=4, cap=True):
        yield stdout


def _as_stored(line: dict[str, Any]) -> dict[str, Any]:
    """A log line as Function Compute stores it: the JSON index turns its keys into fields."""
    time = datetime.fromisoformat(line["ts"].replace("Z", "+00:00"))
    fields = {f"message.{name}": value for name, value in line.items()}
    return {"__time__": int(time.timestamp()), "functionName": "acr-refresher", **fields}
