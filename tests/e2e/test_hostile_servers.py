"""Hostile API servers among honest ones, read by an instance of the function and by a command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
import yaml

from bench.fleet import Fleet, doubles
from instances import MEMORY_MB, Told, environment, run_instance
from localkube.hostile import ATTACKS, hostile_servers

HONEST, NAMESPACES = 5, 3
CLUSTER_TIMEOUT_SECONDS = 45
COMMAND = """
import atexit, runpy, sys
from bench.child import peak_mb

def tell():
    print(peak_mb(), file=sys.stderr)

atexit.register(tell)
runpy.run_module("acr_refresher.cli", run_name="__main__")
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Honest clusters and, in the same configuration, a hostile one for each attack."""
    folder = tmp_path_factory.mktemp("hostile")
    with doubles(HONEST, NAMESPACES) as (fleet, _), hostile_servers(folder) as attacks:
        config = yaml.safe_load((fleet.folder / "config.yaml").read_text())
        config["clusterTimeout"] = f"{CLUSTER_TIMEOUT_SECONDS}s"
        hostile = [{"name": name, "kubeconfig": str(folder / f"{name}.yaml")} for name in attacks]
        config["clusters"] = [*hostile, *config["clusters"]]  # they come first
        (fleet.folder / "config.yaml").write_text(yaml.safe_dump(config))
        yield fleet


@pytest.fixture(scope="module")
def told(fleet: Fleet) -> Told:
    return run_instance(fleet)


def test_the_instance_stays_within_its_memory(told: Told) -> None:
    assert told.peak_mb < MEMORY_MB


def test_every_honest_cluster_is_served(told: Told) -> None:
    honest = [each for each in told.report["clusters"] if each["cluster"] not in ATTACKS]
    assert len(honest) == HONEST
    for cluster in honest:
        assert cluster["failure"] is None
        assert [each["result"] for each in cluster["secrets"]] == ["created"] * NAMESPACES


def test_the_log_says_which_clusters_were_cut_off_and_why(told: Told) -> None:
    failed = {each["cluster"]: each for each in told.log if each["event"] == "cluster.failed"}
    assert failed.keys() == ATTACKS.keys()
    assert all(each["message"] for each in failed.values())


def test_a_command_has_the_limits_of_the_function(fleet: Fleet) -> None:
    arguments = ["status", "-o", "json", "--config", str(fleet.folder / "config.yaml")]
    process = subprocess.run(  # noqa: S603  # our own script
        [sys.executable, "-c", COMMAND, *arguments, "--region", "cn-hangzhou"],
        env=environment(fleet),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert process.returncode == 1, process.stderr
    status = json.loads(process.stdout)
    assert {each["cluster"] for each in status["unread"]} == ATTACKS.keys()
    assert all(each["why"] for each in status["unread"])
    assert len({each["cluster"] for each in status["secrets"]}) == HONEST
    assert float(process.stderr.split()[-1]) < MEMORY_MB
