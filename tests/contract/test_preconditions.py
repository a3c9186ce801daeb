"""An apply with preconditions changes the named object or nothing."""

import pytest

from contract.requests import (
    NAME,
    apply,
    docker_config,
    pull_secret,
    secret_path,
    token_of,
    version,
)
from localkube import KubeCluster

ANOTHER_UID = "11111111-1111-1111-1111-111111111111"


@pytest.mark.parametrize("force", ["true", "false"])
class TestPrecondition:
    """With ``metadata.uid``, an apply changes only this object, never another of the same name."""

    def test_uid_of_a_secret_that_is_gone(
        self, cluster: KubeCluster, namespace: str, force: str
    ) -> None:
        secret = pull_secret(metadata={"uid": ANOTHER_UID})
        answer = apply(cluster, namespace, secret, force=force)
        assert (answer.status, answer.reason) == (409, "Conflict")
        assert "uid mismatch" in answer.message
        assert "no existing object was found" in answer.message
        assert cluster.get_secret(namespace, NAME) is None

    def test_uid_of_a_secret_that_was_recreated(
        self, cluster: KubeCluster, namespace: str, force: str
    ) -> None:
        """The answer is 422, while the answer for a deleted secret is 409."""
        gone = apply(cluster, namespace, pull_secret("first")).body
        cluster.expect("DELETE", secret_path(namespace))
        apply(cluster, namespace, pull_secret("recreated"))
        secret = pull_secret("ours", metadata={"uid": gone["metadata"]["uid"]})
        answer = apply(cluster, namespace, secret, force=force)
        assert (answer.status, answer.reason) == (422, "Invalid")
        assert "metadata.uid: Invalid value" in answer.message
        assert "field is immutable" in answer.message
        assert token_of(cluster.get_secret(namespace, NAME)) == "recreated"

    def test_uid_of_the_existing_secret(
        self, cluster: KubeCluster, namespace: str, force: str
    ) -> None:
        uid = apply(cluster, namespace, pull_secret("first")).body["metadata"]["uid"]
        answer = apply(cluster, namespace, pull_secret("next", metadata={"uid": uid}), force=force)
        assert answer.status == 200
        assert token_of(answer.body) == "next"

    def test_resource_version_of_an_older_state(
        self, cluster: KubeCluster, namespace: str, force: str
    ) -> None:
        old = version(apply(cluster, namespace, pull_secret("first")).body)
        apply(cluster, namespace, pull_secret("second"))
        secret = pull_secret("third", metadata={"resourceVersion": old})
        answer = apply(cluster, namespace, secret, force=force)
        assert (answer.status, answer.reason) == (409, "Conflict")
        assert "the object has been modified" in answer.message
        assert token_of(cluster.get_secret(namespace, NAME)) == "second"

    def test_resource_version_of_the_present_state(
        self, cluster: KubeCluster, namespace: str, force: str
    ) -> None:
        present = version(apply(cluster, namespace, pull_secret("first")).body)
        secret = pull_secret("second", metadata={"resourceVersion": present})
        assert apply(cluster, namespace, secret, force=force).status == 200

    def test_uid_and_resource_version_of_an_older_state(
        self, cluster: KubeCluster, namespace: str, force: str
    ) -> None:
        """It conflicts even if nothing would change, as after a write whose response was lost."""
        old = apply(cluster, namespace, pull_secret("first")).body["metadata"]
        apply(cluster, namespace, pull_secret("second"))
        seen = {"uid": old["uid"], "resourceVersion": old["resourceVersion"]}
        for token in ("third", "second"):
            answer = apply(cluster, namespace, pull_secret(token, metadata=seen), force=force)
            assert (answer.status, answer.reason) == (409, "Conflict")
        assert token_of(cluster.get_secret(namespace, NAME)) == "second"


def test_a_recreated_secret_of_another_manager_conflicts_before_its_uid_is_checked(
    cluster: KubeCluster, namespace: str
) -> None:
    """The apply is refused with and without force. The error depends on force."""
    uid = apply(cluster, namespace, pull_secret("first")).body["metadata"]["uid"]
    cluster.expect("DELETE", secret_path(namespace))
    theirs = {".dockerconfigjson": docker_config("theirs")}
    cluster.create_secret(namespace, NAME, type="kubernetes.io/dockerconfigjson", data=theirs)
    secret = pull_secret("ours", metadata={"uid": uid})
    assert apply(cluster, namespace, secret).status == 409
    assert apply(cluster, namespace, secret, force="true").status == 422
    assert token_of(cluster.get_secret(namespace, NAME)) == "theirs"
