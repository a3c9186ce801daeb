"""A standard envtest folder has no kube-controller-manager: our own controllers are enough."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.requests import NAME, merge, pull_secret, secret_path
from localkube import KubeCluster, control_plane
from localkube.assets import SERVERS, AssetsError, find_assets
from real_servers import without_real_servers


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeCluster]:
    """A real API server, started from a folder with the two servers of envtest."""
    folder = tmp_path_factory.mktemp("envtest")
    for name in SERVERS:
        (folder / name).symlink_to(real_servers() / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBEBUILDER_ASSETS", str(folder))
        with control_plane(["envtest"], controllers=["envtest"]) as [cluster]:
            yield cluster


def real_servers() -> Path:
    try:
        return find_assets()
    except AssetsError as error:
        without_real_servers(error)


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def namespace_path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}"


class TestControllers:
    def test_old_and_new_namespaces_get_a_default_service_account(
        self, cluster: KubeCluster, new_namespace: Callable[[KubeCluster], str]
    ) -> None:
        eventually(lambda: cluster.get_service_account("kube-system", "default") is not None)
        namespace = new_namespace(cluster)
        eventually(lambda: cluster.get_service_account(namespace, "default") is not None)

    def test_a_deleted_default_service_account_comes_back(
        self, cluster: KubeCluster, new_namespace: Callable[[KubeCluster], str]
    ) -> None:
        namespace = new_namespace(cluster)
        eventually(lambda: cluster.get_service_account(namespace, "default") is not None)
        cluster.expect("DELETE", f"{namespace_path(namespace)}/serviceaccounts/default")
        eventually(lambda: cluster.get_service_account(namespace, "default") is not None)

    def test_a_deleted_namespace_goes_with_its_content(
        self, cluster: KubeCluster, new_namespace: Callable[[KubeCluster], str]
    ) -> None:
        namespace = new_namespace(cluster)
        cluster.create_secret(namespace, NAME)
        cluster.expect("DELETE", namespace_path(namespace))
        eventually(lambda: cluster.get(namespace_path(namespace)) is None)
        assert cluster.list_items("secrets", namespace) == []
        assert cluster.list_items("serviceaccounts", namespace) == []

    def test_a_finalizer_keeps_its_namespace(
        self, cluster: KubeCluster, new_namespace: Callable[[KubeCluster], str]
    ) -> None:
        namespace = new_namespace(cluster)
        secret = pull_secret(metadata={"finalizers": ["example.com/keep"]})
        cluster.expect("POST", f"{namespace_path(namespace)}/secrets", secret)
        cluster.create_secret(namespace, "other")
        cluster.expect("DELETE", namespace_path(namespace))
        eventually(lambda: cluster.get_secret(namespace, "other") is None)
        kept = cluster.get(namespace_path(namespace))
        assert kept is not None
        assert kept["status"]["phase"] == "Terminating"
        released = {"metadata": {"finalizers": None}}
        merge(cluster, secret_path(namespace), released, as_user=None)
        eventually(lambda: cluster.get(namespace_path(namespace)) is None)


def test_a_user_without_roles_is_served_at_once(cluster: KubeCluster) -> None:
    """The authorizer of a server that has just started denies for a moment what roles allow."""
    review = {"spec": {"resourceAttributes": {"verb": "list", "resource": "namespaces"}}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = cluster.request("POST", path, review, as_user="newcomer")
    assert (answer.status, answer.body["status"]["allowed"]) == (201, False)
