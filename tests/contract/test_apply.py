"""Server-side apply of a Secret: which manager may change what, and what is refused."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from contract.requests import (
    NAME,
    US,
    apply,
    docker_config,
    merge,
    pull_secret,
    secret_path,
    token_of,
    version,
)
from contract.versions import NO_API_VERSION, OTHER_NAMESPACE, Version, expected
from localkube import KubeCluster
from localkube.wire import APPLY_PATCH, Json


def test_creates_a_missing_secret(cluster: KubeCluster, namespace: str) -> None:
    answer = apply(cluster, namespace, pull_secret("first"))
    assert answer.status == 201
    assert answer.body["metadata"]["uid"]
    assert token_of(cluster.get_secret(namespace, NAME)) == "first"


def test_changes_our_fields(cluster: KubeCluster, namespace: str) -> None:
    created = apply(cluster, namespace, pull_secret("first"))
    changed = apply(cluster, namespace, pull_secret("second"))
    assert changed.status == 200
    assert version(changed.body) != version(created.body)
    assert changed.body["metadata"]["uid"] == created.body["metadata"]["uid"]
    assert token_of(cluster.get_secret(namespace, NAME)) == "second"


@pytest.mark.parametrize("force", ["true", "false"])
def test_an_equal_request_writes_nothing(cluster: KubeCluster, namespace: str, force: str) -> None:
    created = apply(cluster, namespace, pull_secret())
    again = apply(cluster, namespace, pull_secret(), force=force)
    assert again.status == 200
    assert version(again.body) == version(created.body)


def test_takes_any_yaml(cluster: KubeCluster, namespace: str) -> None:
    text = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {NAME}}}\nstringData: {{a: b}}\n"
    assert apply(cluster, namespace, text).status == 201


def test_removes_fields_that_are_no_longer_applied(cluster: KubeCluster, namespace: str) -> None:
    apply(cluster, namespace, pull_secret(metadata={"annotations": {"ours/a": "1", "ours/b": "1"}}))
    apply(cluster, namespace, pull_secret(metadata={"annotations": {"ours/b": "2"}}))
    stored = cluster.get_secret(namespace, NAME)
    assert stored is not None
    assert stored["metadata"]["annotations"] == {"ours/b": "2"}


def test_leaves_other_managers_fields_alone(cluster: KubeCluster, namespace: str) -> None:
    apply(cluster, namespace, pull_secret("first"))
    theirs = {"metadata": {"labels": {"team": "shop"}, "annotations": {"note": "hello"}}}
    merge(cluster, secret_path(namespace), theirs, fieldManager="kubectl")
    answer = apply(cluster, namespace, pull_secret("second"))
    assert answer.status == 200
    assert answer.body["metadata"]["labels"]["team"] == "shop"
    assert answer.body["metadata"]["annotations"] == {"note": "hello"}


def test_restores_a_field_that_somebody_removed(cluster: KubeCluster, namespace: str) -> None:
    apply(cluster, namespace, pull_secret(metadata={"labels": {"a": "1"}}))
    merge(cluster, secret_path(namespace), {"metadata": {"labels": {"a": None}}})
    answer = apply(cluster, namespace, pull_secret(metadata={"labels": {"a": "1"}}))
    assert answer.status == 200
    assert answer.body["metadata"]["labels"] == {"a": "1"}


class TestDryRun:
    def test_of_a_new_secret_creates_nothing(self, cluster: KubeCluster, namespace: str) -> None:
        answer = apply(cluster, namespace, pull_secret(), dryRun="All")
        assert answer.status == 201
        assert "resourceVersion" not in answer.body["metadata"]
        assert cluster.get_secret(namespace, NAME) is None

    def test_of_a_change_changes_nothing(self, cluster: KubeCluster, namespace: str) -> None:
        created = apply(cluster, namespace, pull_secret("first"))
        answer = apply(cluster, namespace, pull_secret("second"), dryRun="All")
        assert answer.status == 200
        assert token_of(answer.body) == "second"
        stored = cluster.get_secret(namespace, NAME)
        assert token_of(stored) == "first"
        assert stored is not None
        assert version(stored) == version(created.body)


class TestConflict:
    """Without force, an apply never changes what another manager set."""

    def test_with_one_field_of_another_applier(self, cluster: KubeCluster, namespace: str) -> None:
        apply(cluster, namespace, pull_secret("first"))
        answer = apply(cluster, namespace, pull_secret("second"), fieldManager="other")
        assert (answer.status, answer.reason) == (409, "Conflict")
        assert answer.message == (
            'Apply failed with 1 conflict: conflict with "acr-refresher": .data..dockerconfigjson'
        )
        [cause] = answer.body["details"]["causes"]
        assert cause["reason"] == "FieldManagerConflict"
        assert cause["field"] == ".data..dockerconfigjson"
        assert token_of(cluster.get_secret(namespace, NAME)) == "first"

    def test_with_several_fields_of_several_managers(
        self, cluster: KubeCluster, namespace: str
    ) -> None:
        theirs = pull_secret("theirs", metadata={"labels": {"a": "1", "b.example/c": "1"}})
        merge_manager = {"fieldManager": "kubectl"}
        path = f"/api/v1/namespaces/{namespace}/secrets"
        cluster.expect("POST", path, theirs, query=merge_manager)
        apply(
            cluster,
            namespace,
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": NAME, "labels": {"z": "1"}},
            },
            fieldManager="other",
        )
        ours = pull_secret("ours", metadata={"labels": {"a": "2", "b.example/c": "2", "z": "2"}})
        answer = apply(cluster, namespace, ours)
        assert answer.status == 409
        assert answer.message.startswith('Apply failed with 4 conflicts: conflicts with "')
        for line in (
            'conflicts with "kubectl" using v1',
            'conflicts with "other":\n- .metadata.labels.z',
            "- .data..dockerconfigjson",
            "- .metadata.labels.a",
            "- .metadata.labels.b.example/c",
        ):
            assert line in answer.message

    def test_with_another_manager_who_created_the_secret_meanwhile(
        self, cluster: KubeCluster, namespace: str
    ) -> None:
        """Two clients find no secret. The later apply without force changes nothing."""
        stranger = {".dockerconfigjson": docker_config("theirs")}
        cluster.create_secret(namespace, NAME, type="kubernetes.io/dockerconfigjson", data=stranger)
        answer = apply(cluster, namespace, pull_secret("ours"))
        assert (answer.status, answer.reason) == (409, "Conflict")
        stored = cluster.get_secret(namespace, NAME)
        assert token_of(stored) == "theirs"
        assert stored is not None
        assert "labels" not in stored["metadata"]

    def test_with_a_manual_edit(self, cluster: KubeCluster, namespace: str) -> None:
        apply(cluster, namespace, pull_secret("first"))
        by_hand = {"data": {".dockerconfigjson": docker_config("by-hand")}}
        merge(cluster, secret_path(namespace), by_hand, fieldManager="kubectl-edit")
        answer = apply(cluster, namespace, pull_secret("second"))
        assert answer.status == 409
        assert 'conflict with "kubectl-edit" using v1' in answer.message

    def test_with_our_manager_name_and_another_operation(
        self, cluster: KubeCluster, namespace: str
    ) -> None:
        """A merge patch and an apply are two managers, even with the same name."""
        apply(cluster, namespace, pull_secret("first"))
        patch = {"data": {".dockerconfigjson": docker_config("patched")}}
        merge(cluster, secret_path(namespace), patch, fieldManager=US)
        answer = apply(cluster, namespace, pull_secret("second"))
        assert answer.status == 409
        assert 'conflict with "acr-refresher" using v1' in answer.message

    def test_is_absent_for_equal_values(self, cluster: KubeCluster, namespace: str) -> None:
        """Two managers may share a field with the same value. Then neither can change it."""
        apply(cluster, namespace, pull_secret("same"), fieldManager="other")
        assert apply(cluster, namespace, pull_secret("same")).status == 200
        assert apply(cluster, namespace, pull_secret("new")).status == 409

    def test_is_overridden_by_force(self, cluster: KubeCluster, namespace: str) -> None:
        apply(cluster, namespace, pull_secret("theirs"), fieldManager="other")
        answer = apply(cluster, namespace, pull_secret("ours"), force="true")
        assert answer.status == 200
        assert token_of(cluster.get_secret(namespace, NAME)) == "ours"
        # From then on, only our manager owns the field.
        assert apply(cluster, namespace, pull_secret("theirs"), fieldManager="other").status == 409


@dataclass(frozen=True)
class Malformed:
    """An apply that is refused in any state of the cluster."""

    body: Json | str
    status: int
    message: str | Mapping[Version, str]
    query: tuple[tuple[str, str], ...] = ()
    content_type: str = APPLY_PATCH


MALFORMED = {
    "no field manager": Malformed(
        pull_secret(), 422, "fieldManager: Required value", (("fieldManager", ""),)
    ),
    "unknown dry run": Malformed(
        pull_secret(), 422, 'supported values: "All"', (("dryRun", "Yes"),)
    ),
    "no apiVersion": Malformed({"kind": "Secret", "metadata": {"name": NAME}}, 400, NO_API_VERSION),
    "not YAML": Malformed("{{{", 400, "error decoding YAML"),
    "managed fields": Malformed(
        pull_secret(metadata={"managedFields": [{"manager": "x", "operation": "Apply"}]}),
        400,
        "metadata.managedFields must be nil",
    ),
    "field of no Secret": Malformed(
        pull_secret(colour="red"), 500, ".colour: field not declared in schema"
    ),
    "annotation that is no text": Malformed(
        pull_secret(metadata={"annotations": {"a": 1}}),
        500,
        ".metadata.annotations.a: expected string",
    ),
    "another name": Malformed(
        pull_secret(metadata={"name": "other"}), 400, "does not match the name on the URL"
    ),
    "another namespace": Malformed(
        pull_secret(metadata={"namespace": "default"}),
        400,
        OTHER_NAMESPACE,
    ),
    "plain JSON": Malformed(pull_secret(), 415, "", content_type="application/json"),
}


@pytest.mark.parametrize("case", MALFORMED.values(), ids=MALFORMED.keys())
def test_refuses_malformed_requests(cluster: KubeCluster, namespace: str, case: Malformed) -> None:
    answer = cluster.request(
        "PATCH",
        secret_path(namespace),
        case.body,
        query={"fieldManager": US, **dict(case.query)},
        content_type=case.content_type,
    )
    assert answer.status == case.status
    if isinstance(case.message, str):
        assert case.message in answer.message
    else:
        assert expected(case.message, cluster) in answer.message
    assert cluster.get_secret(namespace, NAME) is None
