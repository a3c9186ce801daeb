"""SelfSubjectAccessReview: asks whether the caller may do something, without doing it."""

from collections.abc import Callable

import pytest

from contract.requests import NAME, US
from localkube import Answer, KubeCluster

PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def ask(cluster: KubeCluster, as_user: str | None = US, **attributes: str) -> Answer:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    return cluster.request("POST", PATH, body, as_user=as_user)


@pytest.mark.parametrize(
    ("attributes", "allowed"),
    [
        ({"verb": "list", "resource": "namespaces"}, True),
        ({"verb": "delete", "resource": "namespaces"}, False),
        ({"verb": "patch", "resource": "secrets", "name": NAME}, True),
        ({"verb": "patch", "resource": "secrets", "name": NAME, "namespace": "default"}, True),
        ({"verb": "patch", "resource": "secrets", "name": "another"}, False),
        ({"verb": "patch", "resource": "secrets"}, False),
        ({"verb": "get", "resource": "secrets", "name": NAME}, False),
        ({"verb": "list", "resource": "deployments", "group": "apps"}, False),
        ({"verb": "get", "resource": "serviceaccounts"}, True),
        ({"verb": "create", "resource": "serviceaccounts", "subresource": "token"}, False),
    ],
)
def test_the_review_answers_by_the_rules(
    cluster: KubeCluster, attributes: dict[str, str], allowed: bool
) -> None:
    answer = ask(cluster, **attributes)
    assert (answer.status, answer.body["kind"]) == (201, "SelfSubjectAccessReview")
    assert answer.body["spec"]["resourceAttributes"] == attributes
    assert answer.body["status"]["allowed"] is allowed


def test_the_administrator_may_do_everything(cluster: KubeCluster) -> None:
    assert ask(cluster, None, verb="delete", resource="nodes").body["status"]["allowed"] is True


def test_a_user_without_rights_may_request_a_review(cluster: KubeCluster) -> None:
    answer = ask(cluster, "without-rights", verb="list", resource="namespaces")
    assert (answer.status, answer.body["status"]["allowed"]) == (201, False)


def test_a_right_in_one_namespace_is_not_a_right_in_all_namespaces(
    cluster: KubeCluster, namespace: str, new_namespace: Callable[[KubeCluster], str]
) -> None:
    user = f"rrsa-{namespace}"
    cluster.create_service_account(namespace, "builder")
    cluster.grant_rrsa(user, "builder", namespace)
    token = {
        "verb": "create",
        "resource": "serviceaccounts",
        "subresource": "token",
        "name": "builder",
    }
    for place, allowed in ((namespace, True), (new_namespace(cluster), False), ("", False)):
        answer = ask(cluster, user, **token, namespace=place)
        assert answer.body["status"]["allowed"] is allowed


def test_a_review_must_name_its_subject(cluster: KubeCluster) -> None:
    answer = cluster.request("POST", PATH, {"spec": {}}, as_user=US)
    assert (answer.status, answer.reason) == (422, "Invalid")
