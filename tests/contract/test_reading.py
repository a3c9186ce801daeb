"""GET and LIST: shapes, selectors, pages."""

from collections.abc import Callable
from itertools import count

import pytest

from contract.requests import NAME, apply, merge, pull_secret, secret_path, version
from contract.versions import V1_21, V1_25, version_of
from localkube import KubeCluster
from localkube.wire import Json

_runs = count(1)


def names(body: Json) -> list[str]:
    return [item["metadata"]["name"] for item in body["items"]]


def places(body: Json) -> list[str]:
    return [item["metadata"]["namespace"] for item in body["items"]]


class TestShape:
    def test_of_one_object(self, cluster: KubeCluster, namespace: str) -> None:
        apply(cluster, namespace, pull_secret())
        answer = cluster.request("GET", secret_path(namespace))
        assert answer.status == 200
        assert (answer.body["kind"], answer.body["apiVersion"]) == ("Secret", "v1")
        metadata = answer.body["metadata"]
        assert metadata.keys() >= {"uid", "resourceVersion", "creationTimestamp", "managedFields"}
        assert (metadata["name"], metadata["namespace"]) == (NAME, namespace)
        [managed] = metadata["managedFields"]
        assert (managed["manager"], managed["operation"]) == ("acr-refresher", "Apply")
        assert managed["fieldsV1"] == {
            "f:data": {"f:.dockerconfigjson": {}},
            "f:metadata": {"f:labels": {"f:app.kubernetes.io/managed-by": {}}},
            "f:type": {},
        }

    def test_of_a_list(self, cluster: KubeCluster, namespace: str) -> None:
        apply(cluster, namespace, pull_secret())
        answer = cluster.request("GET", f"/api/v1/namespaces/{namespace}/secrets")
        assert (answer.body["kind"], answer.body["apiVersion"]) == ("SecretList", "v1")
        assert int(answer.body["metadata"]["resourceVersion"]) > 0
        [item] = answer.body["items"]
        assert "kind" not in item
        assert "apiVersion" not in item

    def test_of_an_empty_list(self, cluster: KubeCluster, namespace: str) -> None:
        """A missing namespace gives an empty list, like a namespace without such objects."""
        for where in (namespace, "missing"):
            answer = cluster.request("GET", f"/api/v1/namespaces/{where}/secrets")
            assert (answer.status, answer.body["items"]) == (200, [])

    def test_of_a_namespace(self, cluster: KubeCluster, namespace: str) -> None:
        found = cluster.get(f"/api/v1/namespaces/{namespace}")
        assert found is not None
        assert found["status"] == {"phase": "Active"}
        assert found["spec"] == {"finalizers": ["kubernetes"]}
        assert "namespace" not in found["metadata"]
        name_label = {"kubernetes.io/metadata.name": namespace}
        labelled = version_of(cluster) >= V1_21
        assert found["metadata"].get("labels", {}) == (name_label if labelled else {})

    def test_of_a_new_cluster(self, cluster: KubeCluster) -> None:
        found = {item["metadata"]["name"] for item in cluster.list_items("namespaces")}
        assert found >= {"default", "kube-node-lease", "kube-public", "kube-system"}

    def test_of_its_version(self, cluster: KubeCluster) -> None:
        answer = cluster.request("GET", "/version").body
        major, minor = version_of(cluster)
        assert answer["gitVersion"].startswith(f"v{major}.{minor}.")

    def test_of_an_answer_has_an_audit_id(self, cluster: KubeCluster) -> None:
        answers = [cluster.request("GET", "/api/v1/namespaces") for _ in range(2)]
        ids = {answer.headers["Audit-Id"] for answer in answers if "Audit-Id" in answer.headers}
        assert len(ids) == (2 if version_of(cluster) >= V1_25 else 0)


NOT_FOUND = {
    "secret": ("/api/v1/namespaces/default/secrets/none", 'secrets "none" not found'),
    "namespace": ("/api/v1/namespaces/none", 'namespaces "none" not found'),
    "cluster role": (
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/none",
        'clusterroles.rbac.authorization.k8s.io "none" not found',
    ),
    "resource": ("/api/v1/foos", "the server could not find the requested resource"),
    "API group": ("/apis/foo/v1/foos", "404 page not found"),
    "path": ("/nowhere", ""),
}


@pytest.mark.parametrize(("path", "message"), NOT_FOUND.values(), ids=NOT_FOUND.keys())
def test_a_missing_object_is_not_found(cluster: KubeCluster, path: str, message: str) -> None:
    answer = cluster.request("GET", path)
    assert answer.status == 404
    assert message in answer.message


class TestSelectors:
    @pytest.fixture
    def label(self, cluster: KubeCluster, new_namespace: Callable[[KubeCluster], str]) -> str:
        """A label of three namespaces, each with a pull secret and another secret."""
        label = f"selected-{next(_runs)}"
        for team in ("a", "a", "b"):
            namespace = new_namespace(cluster)
            apply(cluster, namespace, pull_secret())
            cluster.create_secret(namespace, "other")
            labels = {"metadata": {"labels": {label: team}}}
            merge(cluster, f"/api/v1/namespaces/{namespace}", labels, as_user=None)
        return label

    def test_by_name_over_all_namespaces(self, cluster: KubeCluster, label: str) -> None:
        assert label
        query = {"fieldSelector": f"metadata.name={NAME}"}
        answer = cluster.request("GET", "/api/v1/secrets", query=query)
        assert set(names(answer.body)) == {NAME}
        assert len(places(answer.body)) == len(set(places(answer.body))) >= 3

    def test_by_name_in_one_namespace(self, cluster: KubeCluster, namespace: str) -> None:
        apply(cluster, namespace, pull_secret())
        cluster.create_secret(namespace, "other")
        path = f"/api/v1/namespaces/{namespace}/secrets"
        for selector, found in {
            f"metadata.name={NAME}": [NAME],
            f"metadata.name=={NAME}": [NAME],
            f"metadata.name!={NAME}": ["other"],
            f"metadata.name={NAME},type=Opaque": [],
            "type=Opaque": ["other"],
        }.items():
            answer = cluster.request("GET", path, query={"fieldSelector": selector})
            assert names(answer.body) == found, selector

    def test_by_a_field_that_cannot_be_selected(self, cluster: KubeCluster) -> None:
        answer = cluster.request("GET", "/api/v1/secrets", query={"fieldSelector": "data.x=1"})
        assert (answer.status, answer.reason) == (400, "BadRequest")
        assert answer.message == "field label not supported: data.x"

    @pytest.mark.parametrize(
        ("selector", "found"),
        [("{}=a", 2), ("{}==a", 2), ("{}=c", 0), ("{}", 3), ("{},{}!=a", 1), ("{}=b,x=y", 0)],
    )
    def test_by_label(self, cluster: KubeCluster, label: str, selector: str, found: int) -> None:
        query = {"labelSelector": selector.format(label, label)}
        answer = cluster.request("GET", "/api/v1/namespaces", query=query)
        assert len(answer.body["items"]) == found

    def test_by_label_with_pages(self, cluster: KubeCluster, label: str) -> None:
        query: dict[str, str | int] = {"labelSelector": f"{label}=a", "limit": 1}
        first = cluster.request("GET", "/api/v1/namespaces", query=query).body
        query["continue"] = first["metadata"]["continue"]
        second = cluster.request("GET", "/api/v1/namespaces", query=query).body
        assert len({*names(first), *names(second)}) == 2
        assert "remainingItemCount" not in first["metadata"]


class TestPages:
    @pytest.fixture
    def path(self, cluster: KubeCluster, namespace: str) -> str:
        """The path of a list of five objects."""
        for letter in "edcba":
            cluster.create_secret(namespace, letter)
        return f"/api/v1/namespaces/{namespace}/secrets"

    def test_hold_everything_once_in_order(self, cluster: KubeCluster, path: str) -> None:
        found: list[list[str]] = []
        query: dict[str, str | int] = {"limit": 2}
        while query.get("continue") != "":
            page = cluster.request("GET", path, query=query).body
            found.append(names(page))
            query["continue"] = page["metadata"].get("continue", "")
        assert found == [["a", "b"], ["c", "d"], ["e"]]

    def test_count_the_remaining_objects(self, cluster: KubeCluster, path: str) -> None:
        page = cluster.request("GET", path, query={"limit": 2}).body
        assert page["metadata"]["remainingItemCount"] == 3

    def test_show_the_state_of_the_first(
        self, cluster: KubeCluster, namespace: str, path: str
    ) -> None:
        """Objects that are created, changed or deleted meanwhile appear only in the next list."""
        first = cluster.request("GET", path, query={"limit": 2}).body
        cluster.create_secret(namespace, "bb")
        cluster.expect("DELETE", f"{path}/d")
        merge(cluster, f"{path}/e", {"metadata": {"labels": {"new": "1"}}}, as_user=None)
        query = {"limit": 10, "continue": first["metadata"]["continue"]}
        rest = cluster.request("GET", path, query=query).body
        assert names(rest) == ["c", "d", "e"]
        assert "labels" not in rest["items"][2]["metadata"]
        assert version(rest) == version(first)
        assert names(cluster.expect("GET", path)) == ["a", "b", "bb", "c", "e"]

    def test_that_end_at_the_limit_are_the_last(self, cluster: KubeCluster, path: str) -> None:
        page = cluster.request("GET", path, query={"limit": 5}).body
        assert len(page["items"]) == 5
        assert "continue" not in page["metadata"]

    def test_go_over_all_namespaces(
        self, cluster: KubeCluster, new_namespace: Callable[[KubeCluster], str]
    ) -> None:
        where = sorted(new_namespace(cluster) for _ in range(3))
        label = f"paged-{next(_runs)}"
        for namespace in where:
            apply(cluster, namespace, pull_secret(metadata={"labels": {label: "1"}}))
        found: list[str] = []
        query: dict[str, str | int] = {"limit": 1, "labelSelector": label}
        while query.get("continue") != "":
            page = cluster.request("GET", "/api/v1/secrets", query=query).body
            found += places(page)
            query["continue"] = page["metadata"].get("continue", "")
        assert found == where

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ({"continue": "nonsense"}, "continue key is not valid"),
            ({"limit": "many"}, "invalid syntax"),
        ],
    )
    def test_with_invalid_parameters_are_refused(
        self, cluster: KubeCluster, path: str, query: dict[str, str], message: str
    ) -> None:
        answer = cluster.request("GET", path, query=query)
        assert (answer.status, answer.reason) == (400, "BadRequest")
        assert message in answer.message
