"""Tenants of real clusters who write what they may, and more than anyone needs."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from bench.fleet import Fleet, doubles, namespace_names
from instances import MEMORY_MB, run_instance
from localkube import KubeCluster
from sites import clear_secrets

INSTANCE_IDS = "k8s.aliyun.com/acr-instance-ids"
HONEST, NAMESPACES = 2, 2
ACCOUNTS, ANNOTATION = 160, 250_000
"""Together 40 MB, which is more than a list may have. An annotation has at most 256 KiB."""
MOST_PRINTED = 100_000


@contextmanager
def fleet_with(cluster: KubeCluster, pattern: str) -> Iterator[Fleet]:
    """Honest clusters, and a real one of which the namespaces of a pattern are selected."""
    with doubles(HONEST, NAMESPACES) as (fleet, _):
        (fleet.folder / "real.yaml").write_text(cluster.kubeconfig(), encoding="utf-8")
        config = yaml.safe_load((fleet.folder / "config.yaml").read_text())
        real = {"name": "real", "kubeconfig": "real.yaml", "watchNamespace": pattern}
        config["clusters"] = [real, *config["clusters"]]
        (fleet.folder / "config.yaml").write_text(yaml.safe_dump(config))
        yield fleet


def results(report: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Cluster to namespace to result."""
    return {
        cluster["cluster"]: {each["namespace"]: each["result"] for each in cluster["secrets"]}
        for cluster in report["clusters"]
    }


def honest() -> dict[str, dict[str, str]]:
    created = dict.fromkeys(namespace_names(NAMESPACES), "created")
    return {f"cluster-{number:04}": created for number in range(HONEST)}


@pytest.fixture
def cluster(real_clusters: list[KubeCluster]) -> KubeCluster:
    cluster = real_clusters[0]
    cluster.apply_rbac()
    clear_secrets(cluster)
    return cluster


def test_an_excluded_namespace_with_huge_service_accounts(cluster: KubeCluster) -> None:
    for name in ("greedy-victim", "greedy-tenant"):
        cluster.create_namespace(name)
    cluster.create_service_account("greedy-victim", "default")
    for number in range(ACCOUNTS):
        metadata = {"name": f"a-{number}", "annotations": {"note": "x" * ANNOTATION}}
        path = "/api/v1/namespaces/greedy-tenant/serviceaccounts"
        cluster.expect("POST", path, {"metadata": metadata})
    try:
        with fleet_with(cluster, "greedy-victim") as fleet:
            told = run_instance(fleet)
    finally:
        cluster.expect("DELETE", "/api/v1/namespaces/greedy-tenant/serviceaccounts")
    assert results(told.report) == {**honest(), "real": {"greedy-victim": "created"}}
    [real] = [each for each in told.report["clusters"] if each["cluster"] == "real"]
    assert real["secrets"][0]["bound"] == ["default"]
    assert told.peak_mb < MEMORY_MB


def test_a_selected_namespace_with_huge_service_accounts_costs_only_itself(
    cluster: KubeCluster,
) -> None:
    for name in ("large-victim", "large-tenant"):
        cluster.create_namespace(name)
    for number in range(ACCOUNTS):
        metadata = {"name": f"a-{number}", "annotations": {"note": "x" * ANNOTATION}}
        path = "/api/v1/namespaces/large-tenant/serviceaccounts"
        cluster.expect("POST", path, {"metadata": metadata})
    try:
        with fleet_with(cluster, "large-*") as fleet:
            told = run_instance(fleet)
    finally:
        cluster.expect("DELETE", "/api/v1/namespaces/large-tenant/serviceaccounts")
    served = {"large-victim": "created", "large-tenant": "failed"}
    assert results(told.report) == {**honest(), "real": served}
    [line] = [each for each in told.log if each.get("reason") == "namespace-unreadable"]
    assert line["namespace"] == "large-tenant"
    assert "the answer is too large" in line["message"]


def test_an_annotation_that_requests_100_000_registries(cluster: KubeCluster) -> None:
    cluster.create_namespace("asking")
    annotations = {INSTANCE_IDS: "a," * 130_000}
    merge = "application/merge-patch+json"
    path = "/api/v1/namespaces/asking"
    cluster.expect("PATCH", path, {"metadata": {"annotations": annotations}}, content_type=merge)
    with fleet_with(cluster, "asking") as fleet:
        repeated = run_instance(fleet)
        annotations[INSTANCE_IDS] = ",".join(map(str, range(40_000)))
        changed = {"metadata": {"annotations": annotations}}
        cluster.expect("PATCH", path, changed, content_type=merge)
        different = run_instance(fleet)
    assert results(repeated.report) == {**honest(), "real": {"asking": "created"}}
    assert different.report["ok"]
    for told in (repeated, different):
        assert told.printed < MOST_PRINTED
    [real] = [each for each in different.report["clusters"] if each["cluster"] == "real"]
    [outcome] = real["secrets"]
    assert len(outcome["warnings"]) == 7
    assert outcome["warnings"][-1] == "only the first 20 registries in the annotation count"


def test_a_foreign_secret_of_our_name_with_a_megabyte(cluster: KubeCluster) -> None:
    for name in ("heavy-one", "heavy-two"):
        cluster.create_namespace(name)
    filled = base64.b64encode(b"x" * 1_000_000).decode()
    cluster.create_secret("heavy-one", "acr-pull", data={"filled": filled})
    with fleet_with(cluster, "heavy-*") as fleet:
        told = run_instance(fleet)
    found = results(told.report)
    assert found["real"] == {"heavy-one": "conflict", "heavy-two": "created"}
    assert told.peak_mb < MEMORY_MB


def test_a_secret_that_cannot_be_decrypted_costs_only_its_namespace(
    keyed_servers: list[KubeCluster],
) -> None:
    old, new = keyed_servers
    new.apply_rbac()
    for name in ("keyed-strangers", "keyed-ours", "keyed-lost"):
        new.create_namespace(name)
    old.create_secret("keyed-strangers", "tls")
    old.create_secret("keyed-lost", "acr-pull")
    with fleet_with(new, "keyed-*") as fleet:
        told = run_instance(fleet)
    assert results(told.report)["real"] == {
        "keyed-strangers": "created",
        "keyed-ours": "created",
        "keyed-lost": "failed",
    }
