"""infra/rbac allows exactly what the function does."""

from collections.abc import Callable

import pytest

from contract.requests import (
    NAME,
    US,
    account_path,
    apply,
    merge,
    pull_secret,
    secret_path,
)
from contract.versions import DENIED_CREATION, expected
from localkube import Answer, KubeCluster
from localkube.rbac import manifests
from localkube.wire import Json

Needed = Callable[[KubeCluster, str, str], Answer]  # cluster, namespace, user -> answer


def list_namespaces(cluster: KubeCluster, _namespace: str, user: str) -> Answer:
    return cluster.request("GET", "/api/v1/namespaces?limit=500", as_user=user)


def list_pull_secrets(cluster: KubeCluster, _namespace: str, user: str) -> Answer:
    path = f"/api/v1/secrets?limit=500&fieldSelector=metadata.name%3D{NAME}"
    return cluster.request("GET", path, as_user=user)


def read_pull_secret(cluster: KubeCluster, namespace: str, user: str) -> Answer:
    """After an overlap, a list in one namespace needs no additional right."""
    path = f"/api/v1/namespaces/{namespace}/secrets?fieldSelector=metadata.name%3D{NAME}"
    return cluster.request("GET", path, as_user=user)


def create_pull_secret(cluster: KubeCluster, namespace: str, user: str) -> Answer:
    return apply(cluster, namespace, pull_secret(), as_user=user)


def renew_pull_secret(cluster: KubeCluster, namespace: str, user: str) -> Answer:
    apply(cluster, namespace, pull_secret("old"), as_user=None)
    return apply(cluster, namespace, pull_secret("new"), as_user=user)


def delete_pull_secret(cluster: KubeCluster, namespace: str, user: str) -> Answer:
    apply(cluster, namespace, pull_secret(), as_user=None)
    return cluster.request("DELETE", secret_path(namespace), as_user=user)


def list_accounts(cluster: KubeCluster, _namespace: str, user: str) -> Answer:
    return cluster.request("GET", "/api/v1/serviceaccounts?limit=500", as_user=user)


def get_account(cluster: KubeCluster, namespace: str, user: str) -> Answer:
    cluster.create_service_account(namespace, "builder")
    return cluster.request("GET", account_path(namespace), as_user=user)


def bind_account(cluster: KubeCluster, namespace: str, user: str) -> Answer:
    cluster.create_service_account(namespace, "builder")
    patch = {"imagePullSecrets": [{"name": NAME}]}
    return merge(cluster, account_path(namespace), patch, as_user=user)


# All requests of the function, by the right that each needs: (resource, verb).
NEEDED: dict[tuple[str, str], Needed] = {
    ("namespaces", "list"): list_namespaces,
    ("secrets", "list"): list_pull_secrets,
    ("secrets", "create"): create_pull_secret,
    ("secrets", "patch"): renew_pull_secret,
    ("secrets", "delete"): delete_pull_secret,
    ("serviceaccounts", "list"): list_accounts,
    ("serviceaccounts", "get"): get_account,
    ("serviceaccounts", "patch"): bind_account,
}


def manifests_without(user: str, resource: str, verb: str) -> list[Json]:
    """infra/rbac for a user, without one right."""
    role, binding = manifests(user)
    for rule in role["rules"]:
        if resource in rule["resources"]:
            rule["verbs"].remove(verb)
    role["rules"] = [rule for rule in role["rules"] if rule["verbs"]]
    return [role, binding]


each_right = pytest.mark.parametrize("right", NEEDED, ids=" ".join)


def test_every_right_is_needed() -> None:
    """A superfluous right in infra/rbac fails here, a missing right fails below."""
    [role, _] = manifests()
    granted = {
        (resource, verb)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == NEEDED.keys()


@each_right
def test_what_the_function_does_is_allowed(
    cluster: KubeCluster, namespace: str, right: tuple[str, str]
) -> None:
    assert NEEDED[right](cluster, namespace, US).status in (200, 201)


@each_right
def test_without_a_right_only_its_requests_fail(
    cluster: KubeCluster, namespace: str, right: tuple[str, str]
) -> None:
    resource, verb = right
    user = f"without-{verb}-{resource}"
    cluster.grant(user, manifests_without(user, resource, verb))
    answer = NEEDED[right](cluster, namespace, user)
    assert (answer.status, answer.reason) == (403, "Forbidden")


def test_the_right_to_list_covers_the_pull_secret_of_a_namespace(
    cluster: KubeCluster, namespace: str
) -> None:
    apply(cluster, namespace, pull_secret("first"))
    answer = read_pull_secret(cluster, namespace, US)
    assert answer.status == 200
    assert [secret["metadata"]["name"] for secret in answer.body["items"]] == [NAME]
    cluster.grant("without-list", manifests_without("without-list", "secrets", "list"))
    assert read_pull_secret(cluster, namespace, "without-list").status == 403


def test_another_name_of_the_secret_needs_another_role(
    cluster: KubeCluster, namespace: str
) -> None:
    cluster.apply_rbac("other-name", secret_names=["other"])
    secret = pull_secret(metadata={"name": "other"})
    assert apply(cluster, namespace, secret, as_user="other-name").status == 201
    assert apply(cluster, namespace, pull_secret(), as_user="other-name").status == 403


SECRETS = "/api/v1/namespaces/{namespace}/secrets"
DENIED = {
    "list all secrets": ("GET", "/api/v1/secrets"),
    "list all secrets of a namespace": ("GET", SECRETS),
    "list another secret": ("GET", "/api/v1/secrets?fieldSelector=metadata.name%3Dother"),
    "list all secrets but ours": (
        "GET",
        f"/api/v1/secrets?fieldSelector=metadata.name!%3D{NAME}",
    ),
    "watch the pull secret": (
        "GET",
        f"/api/v1/secrets?watch=1&fieldSelector=metadata.name%3D{NAME}",
    ),
    "get the pull secret": ("GET", f"{SECRETS}/{NAME}"),
    "get another secret": ("GET", f"{SECRETS}/other"),
    "patch another secret": ("PATCH", f"{SECRETS}/other"),
    "delete another secret": ("DELETE", f"{SECRETS}/other"),
    "replace the pull secret": ("PUT", f"{SECRETS}/{NAME}"),
    "delete all secrets": ("DELETE", SECRETS),
    "delete the pull secret by selector": (
        "DELETE",
        f"{SECRETS}?fieldSelector=metadata.name%3D{NAME}",
    ),
    "post any secret": ("POST", SECRETS),
    "post a service account": ("POST", "/api/v1/namespaces/{namespace}/serviceaccounts"),
    "mint a service account's token": (
        "POST",
        "/api/v1/namespaces/{namespace}/serviceaccounts/default/token",
    ),
    "delete a service account": (
        "DELETE",
        "/api/v1/namespaces/{namespace}/serviceaccounts/default",
    ),
    "get a namespace": ("GET", "/api/v1/namespaces/{namespace}"),
    "change a namespace": ("PATCH", "/api/v1/namespaces/{namespace}"),
    "list roles": ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
    "list pods": ("GET", "/api/v1/pods"),
    "read metrics": ("GET", "/metrics"),
}


@pytest.mark.parametrize(("method", "path"), DENIED.values(), ids=DENIED.keys())
def test_everything_else_is_denied(
    cluster: KubeCluster, namespace: str, method: str, path: str
) -> None:
    body: Json | None = None if method == "GET" else pull_secret()
    content_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
    answer = cluster.request(
        method, path.format(namespace=namespace), body, content_type=content_type, as_user=US
    )
    assert (answer.status, answer.reason) == (403, "Forbidden")
    assert f'User "{US}" cannot ' in answer.message


MESSAGES = {
    "of a named object": (
        "GET",
        "/api/v1/namespaces/default/secrets/acr-pull",
        (
            'secrets "acr-pull" is forbidden: User "acr-refresher" cannot get resource "secrets" '
            'in API group "" in the namespace "default"'
        ),
    ),
    "of a list": (
        "GET",
        "/api/v1/secrets",
        (
            'secrets is forbidden: User "acr-refresher" cannot list resource "secrets" '
            'in API group "" at the cluster scope'
        ),
    ),
    "of a list by name": (
        "GET",
        "/api/v1/secrets?fieldSelector=metadata.name%3Dother",
        (
            'secrets "other" is forbidden: User "acr-refresher" cannot list resource "secrets" '
            'in API group "" at the cluster scope'
        ),
    ),
    "of a subresource": (
        "POST",
        "/api/v1/namespaces/default/serviceaccounts/a/token",
        (
            'serviceaccounts "a" is forbidden: User "acr-refresher" cannot create resource '
            '"serviceaccounts/token" in API group "" in the namespace "default"'
        ),
    ),
    "of another API group": (
        "GET",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        (
            "clusterroles.rbac.authorization.k8s.io is forbidden: User "
            '"acr-refresher" cannot list resource "clusterroles" in API group '
            '"rbac.authorization.k8s.io" at the cluster scope'
        ),
    ),
    "of no resource": (
        "GET",
        "/metrics",
        'forbidden: User "acr-refresher" cannot get path "/metrics"',
    ),
}


@pytest.mark.parametrize(("method", "path", "message"), MESSAGES.values(), ids=MESSAGES.keys())
def test_a_denial_names_the_missing_right(
    cluster: KubeCluster, method: str, path: str, message: str
) -> None:
    assert cluster.request(method, path, as_user=US).message == message


def test_a_denied_creation_comes_last(cluster: KubeCluster, namespace: str) -> None:
    """An apply without the verb ``create`` is denied late, and in 1.20 without a message."""
    cluster.grant("mute", manifests_without("mute", "secrets", "create"))
    answer = apply(cluster, namespace, pull_secret(), as_user="mute")
    assert answer.status == 403
    denial = expected(DENIED_CREATION, cluster)
    why = f'{denial} "{namespace}"' if denial else ""
    assert answer.message == f'secrets "acr-pull" is forbidden: {why}'
    # Other errors of the request come first.
    assert apply(cluster, "missing", pull_secret(), as_user="mute").status == 404
    assert apply(cluster, namespace, pull_secret(data={}), as_user="mute").status == 422


@pytest.mark.parametrize("kind", ["Role", "ClusterRole"])
def test_a_rule_without_verbs_is_refused(cluster: KubeCluster, kind: str) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "empty"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": []}],
    }
    scope = "namespaces/default/" if kind == "Role" else ""
    path = f"/apis/rbac.authorization.k8s.io/v1/{scope}{kind.lower()}s"
    answer = cluster.request("POST", path, role)
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert "rules[0].verbs: Required value" in answer.message
