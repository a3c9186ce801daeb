"""`acr-refresher import --from-cluster`, on a real API server with an operator's kubeconfig."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from acr_refresher.cli.app import app
from localkube import KubeCluster

PATH = "/api/v1/namespaces/kube-system/configmaps"
DATA = {
    "acr-registry-info": "- instanceId: cri-a\n  regionId: cn-hangzhou\n  domains: a.example.com",
    "watch-namespace": "shop",
    "service-account": "*",
}


@pytest.fixture
def cluster(real_clusters: list[KubeCluster]) -> Iterator[KubeCluster]:
    """A cluster in which the helper is configured."""
    found = real_clusters[0]
    found.request("POST", "/api/v1/namespaces", {"metadata": {"name": "kube-system"}})
    found.expect("POST", PATH, {"metadata": {"name": "acr-configuration"}, "data": DATA})
    yield found
    found.request("DELETE", f"{PATH}/acr-configuration")


def imported(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        app, ["import", "--from-cluster", "--kubeconfig", str(file), *arguments]
    )


def kubeconfig(folder: Path, cluster: KubeCluster, *, current: str, **users: str) -> Path:
    """A kubeconfig with a context for each user, with the user's name."""
    documents = {name: yaml.safe_load(text) for name, text in users.items()}
    file = folder / "kubeconfig"
    contexts = [
        {"name": name, "context": {"cluster": cluster.name, "user": name}} for name in users
    ]
    document = {
        "clusters": next(iter(documents.values()))["clusters"],
        "users": [
            {"name": name, "user": document["users"][0]["user"]}
            for name, document in documents.items()
        ],
        "contexts": contexts,
        "current-context": current,
    }
    file.write_text(yaml.safe_dump(document))
    return file


def test_the_config_map_is_read_with_the_named_context(
    tmp_path: Path, cluster: KubeCluster
) -> None:
    users = {
        "admin": cluster.kubeconfig("admin", ["system:masters"]),
        "without-rights": cluster.kubeconfig("without-rights"),
    }
    file = kubeconfig(tmp_path, cluster, current="without-rights", **users)
    result = imported(file, "--context", "admin", "--cluster-name", "idc")
    assert result.exit_code == 0
    document = yaml.safe_load(result.stdout)
    assert document["clusters"][0]["watchNamespace"] == ["shop"]
    assert document["registries"][0]["domains"] == ["a.example.com"]
    refused = imported(file)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "configmaps" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_cluster_without_the_helper_is_reported(tmp_path: Path, cluster: KubeCluster) -> None:
    cluster.expect("DELETE", f"{PATH}/acr-configuration")
    admin = cluster.kubeconfig("admin", ["system:masters"])
    result = imported(kubeconfig(tmp_path, cluster, current="admin", admin=admin))
    assert result.exit_code == 1
    assert "acr-configuration" in result.stderr


def test_an_unknown_context_is_refused(tmp_path: Path, cluster: KubeCluster) -> None:
    admin = cluster.kubeconfig("admin", ["system:masters"])
    file = kubeconfig(tmp_path, cluster, current="admin", admin=admin)
    result = imported(file, "--context", "staging")
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1


def test_a_file_that_is_not_a_kubeconfig_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text("[]")
    result = imported(file, "--context", "staging")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is not a kubeconfig" in result.stderr
