"""The tests of this folder run on a real server, and on the double as a modern and an old one."""

from collections.abc import Callable

import pytest

from localkube import KubeCluster


@pytest.fixture(scope="session", params=["real", "double", "old_double"])
def clusters(request: pytest.FixtureRequest) -> list[KubeCluster]:
    """A cluster and a cluster with controllers, both with the rights of infra/rbac granted."""
    found: list[KubeCluster] = request.getfixturevalue(f"{request.param}_clusters")
    for cluster in found:
        cluster.apply_rbac()
    return found


@pytest.fixture
def cluster(clusters: list[KubeCluster]) -> KubeCluster:
    return clusters[0]


@pytest.fixture
def namespace(cluster: KubeCluster, new_namespace: Callable[[KubeCluster], str]) -> str:
    return new_namespace(cluster)
