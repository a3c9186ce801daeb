"""Deletion of secrets and namespaces, and what a terminating namespace still accepts."""

import time
from collections.abc import Callable

import pytest

from contract.requests import (
    NAME,
    US,
    apply,
    merge,
    pull_secret,
    secret_path,
    token_of,
    version,
)
from localkube import Answer, KubeCluster
from localkube.wire import Json


@pytest.fixture
def secret(cluster: KubeCluster, namespace: str) -> Json:
    return apply(cluster, namespace, pull_secret("first")).body


def delete(cluster: KubeCluster, namespace: str, options: Json | None, **query: str) -> Answer:
    return cluster.request("DELETE", secret_path(namespace), options, query=query, as_user=US)


def test_deletes_the_secret_with_the_given_uid(
    cluster: KubeCluster, namespace: str, secret: Json
) -> None:
    preconditions = {"uid": secret["metadata"]["uid"], "resourceVersion": version(secret)}
    answer = delete(cluster, namespace, {"preconditions": preconditions})
    assert (answer.status, answer.body["status"]) == (200, "Success")
    assert cluster.get_secret(namespace, NAME) is None


def test_deletes_without_options(cluster: KubeCluster, namespace: str, secret: Json) -> None:
    answer = delete(cluster, namespace, None)
    assert answer.body["details"] == {
        "name": NAME,
        "kind": "secrets",
        "uid": secret["metadata"]["uid"],
    }
    again = delete(cluster, namespace, None)
    assert (again.status, again.message) == (404, 'secrets "acr-pull" not found')


@pytest.mark.parametrize(
    ("precondition", "message"),
    [
        ({"uid": "1111"}, "The object might have been deleted and then recreated"),
        ({"resourceVersion": "1"}, "The object might have been modified"),
    ],
)
@pytest.mark.usefixtures("secret")
def test_spares_another_secret_of_the_name(
    cluster: KubeCluster, namespace: str, precondition: Json, message: str
) -> None:
    answer = delete(cluster, namespace, {"preconditions": precondition})
    assert (answer.status, answer.reason) == (409, "Conflict")
    assert message in answer.message
    assert cluster.get_secret(namespace, NAME) is not None


@pytest.mark.usefixtures("secret")
class TestDryRun:
    def test_in_the_query(self, cluster: KubeCluster, namespace: str) -> None:
        assert delete(cluster, namespace, None, dryRun="All").status == 200
        assert cluster.get_secret(namespace, NAME) is not None

    def test_in_the_body(self, cluster: KubeCluster, namespace: str) -> None:
        assert delete(cluster, namespace, {"dryRun": ["All"]}).status == 200
        assert cluster.get_secret(namespace, NAME) is not None

    def test_in_the_query_is_ignored_beside_a_body(
        self, cluster: KubeCluster, namespace: str, secret: Json
    ) -> None:
        """A trap: with preconditions in the body, the dry run must be in the body too."""
        options = {"preconditions": {"uid": secret["metadata"]["uid"]}}
        assert delete(cluster, namespace, options, dryRun="All").status == 200
        assert cluster.get_secret(namespace, NAME) is None


@pytest.mark.usefixtures("secret")
class TestTerminatingNamespace:
    """A namespace whose deletion has begun and never completes here."""

    @pytest.fixture(autouse=True)
    def terminating(self, cluster: KubeCluster, namespace: str, secret: Json) -> Json:
        assert secret
        return cluster.expect("DELETE", f"/api/v1/namespaces/{namespace}")

    def test_says_so(self, cluster: KubeCluster, namespace: str, terminating: Json) -> None:
        found = {item["metadata"]["name"]: item for item in cluster.list_items("namespaces")}
        for shown in (terminating, found[namespace]):
            assert shown["status"]["phase"] == "Terminating"
            assert shown["metadata"]["deletionTimestamp"]

    def test_takes_no_new_content(self, cluster: KubeCluster, namespace: str) -> None:
        answer = apply(cluster, namespace, pull_secret(metadata={"name": "new"}), as_user=None)
        assert (answer.status, answer.reason) == (403, "Forbidden")
        assert answer.message == (
            f'secrets "new" is forbidden: unable to create new content in namespace {namespace} '
            "because it is being terminated"
        )
        [cause] = answer.body["details"]["causes"]
        assert cause["reason"] == "NamespaceTerminating"

    def test_still_changes_what_it_has(self, cluster: KubeCluster, namespace: str) -> None:
        assert apply(cluster, namespace, pull_secret("second")).status == 200
        assert token_of(cluster.get_secret(namespace, NAME)) == "second"
        assert delete(cluster, namespace, None).status == 200

    def test_can_still_be_labelled(self, cluster: KubeCluster, namespace: str) -> None:
        labels = {"metadata": {"labels": {"a": "b"}}}
        path = f"/api/v1/namespaces/{namespace}"
        assert merge(cluster, path, labels, as_user=None).status == 200


def test_the_default_namespace_stays(cluster: KubeCluster) -> None:
    answer = cluster.request("DELETE", "/api/v1/namespaces/default")
    assert answer.status == 403
    assert answer.message == (
        'namespaces "default" is forbidden: this namespace may not be deleted'
    )


class TestControllers:
    """What the controllers of the second cluster do."""

    def test_namespaces_get_a_default_service_account(
        self, clusters: list[KubeCluster], new_namespace: Callable[[KubeCluster], str]
    ) -> None:
        cluster = clusters[1]
        namespace = new_namespace(cluster)
        eventually(lambda: cluster.get_service_account(namespace, "default") is not None)

    def test_deleted_namespaces_are_removed_with_their_content(
        self, clusters: list[KubeCluster], new_namespace: Callable[[KubeCluster], str]
    ) -> None:
        cluster = clusters[1]
        namespace = new_namespace(cluster)
        apply(cluster, namespace, pull_secret())
        cluster.expect("DELETE", f"/api/v1/namespaces/{namespace}")
        eventually(lambda: cluster.get(f"/api/v1/namespaces/{namespace}") is None)
        assert cluster.get_secret(namespace, NAME) is None


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
