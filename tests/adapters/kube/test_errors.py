"""What an API server refuses, and the message: on the double and on the real API server."""

from __future__ import annotations

import base64
import traceback
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import pytest
from pydantic import SecretStr

from acr_refresher.core.model import SecretContent
from acr_refresher.errors import Denied, Gone, Invalid
from acr_refresher.kube.api import KubernetesApi
from adapters.kubeapi import ask
from localkube.cluster import KubeCluster

T = TypeVar("T")
NewNamespace = Callable[[KubeCluster], str]

DOCUMENT = '{"auths": {"registry.example.com": {"auth": "dXNlcjp0b2tlbg=="}}}'
OTHER_DOCUMENT = '{"auths": {"other.example.com": {"auth": "dXNlcjp3b3Jk"}}}'
UNKNOWN_UID = "6a1d7f0e-0000-4000-8000-000000000000"


def content(document: str = DOCUMENT) -> SecretContent:
    return SecretContent({"acr-refresher/run": "run-1"}, SecretStr(document), ())


def test_a_namespace_that_is_not_there_is_gone(cluster: KubeCluster) -> None:
    with pytest.raises(Gone):
        ask(
            cluster.kubeconfig(),
            lambda api: api.apply_secret("nowhere", "acr-pull", content(), None),
        )


def test_a_namespace_that_is_being_deleted_is_gone(
    cluster: KubeCluster, new_namespace: NewNamespace
) -> None:
    namespace = new_namespace(cluster)
    finalized = {"metadata": {"name": "held", "finalizers": ["example.com/held"]}}
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    cluster.expect("POST", path, finalized)
    cluster.expect("DELETE", f"/api/v1/namespaces/{namespace}")

    states = {
        each.name: each for each in ask(cluster.kubeconfig(), lambda api: api.list_namespaces())
    }
    with pytest.raises(Gone, match="the namespace is being deleted") as raised:
        ask(
            cluster.kubeconfig(),
            lambda api: api.apply_secret(namespace, "acr-pull", content(), None),
        )

    assert states[namespace].terminating
    assert raised.value.code == "403"
    release = {"metadata": {"finalizers": None}}
    cluster.expect("PATCH", f"{path}/held", release, content_type="application/merge-patch+json")


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (
            lambda api: api.list_namespaces(),
            'resources: ["namespaces"], verbs: ["list"]',
        ),
        (
            lambda api: api.list_secrets("acr-pull"),
            'resources: ["secrets"], resourceNames: ["acr-pull"], verbs: ["list"]',
        ),
        (
            lambda api: api.apply_secret("default", "acr-pull", content(), None),
            'resources: ["secrets"], resourceNames: ["acr-pull"], verbs: ["patch"]',
        ),
        (
            lambda api: api.read_service_account("default", "default"),
            'resources: ["serviceaccounts"], verbs: ["get"]',
        ),
    ],
    ids=["namespaces", "secrets", "apply", "service account"],
)
def test_a_missing_right_is_named_as_the_rule_to_add(
    cluster: KubeCluster, call: Callable[[KubernetesApi], Awaitable[object]], rule: str
) -> None:
    with pytest.raises(Denied) as raised:
        ask(cluster.kubeconfig("nobody"), call)

    assert str(raised.value).endswith(
        "the ClusterRole of the kubeconfig's user lacks this rule, or its binding is missing: "
        f'{{apiGroups: [""], {rule}}} (403)'
    )


def test_a_refusal_names_whom_the_server_knows(cluster: KubeCluster) -> None:
    assert ask(cluster.kubeconfig("nobody"), lambda api: api.refused_user()) == "nobody"
    assert ask(cluster.kubeconfig(), lambda api: api.refused_user()) == ""


def test_without_the_right_to_create_an_apply_names_it(
    cluster: KubeCluster, new_namespace: NewNamespace
) -> None:
    namespace = new_namespace(cluster)
    name = {"name": "updater"}
    rights = [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["patch"]},
    ]
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": name}
    binding = {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", **name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", **name}],
    }
    cluster.grant(
        "updater",
        [
            {**rbac, "kind": "ClusterRole", "rules": rights},
            {**rbac, "kind": "ClusterRoleBinding", **binding},
        ],
    )

    with pytest.raises(Denied) as raised:
        ask(
            cluster.kubeconfig("updater"),
            lambda api: api.apply_secret(namespace, "acr-pull", content(), None),
        )

    assert 'resources: ["secrets"], resourceNames: ["acr-pull"], verbs: ["create"]}' in str(
        raised.value
    )


@pytest.mark.parametrize("kind", ["token", "certificate"])
def test_credentials_that_are_no_good_are_denied(cluster: KubeCluster, kind: str) -> None:
    if kind == "certificate":
        kubeconfig = cluster.kubeconfig(validity=timedelta(hours=-1))
    else:
        token = cluster.access.tokens["acr-refresher"]
        kubeconfig = cluster.token_kubeconfig().replace(token, "made-up")

    with pytest.raises(
        Denied, match="does not know the credentials, or they have expired"
    ) as raised:
        ask(kubeconfig, lambda api: api.list_namespaces())

    assert raised.value.code == "401"


def test_a_bearer_token_is_as_good_as_a_certificate(cluster: KubeCluster) -> None:
    assert ask(cluster.token_kubeconfig(), lambda api: api.list_namespaces())


def test_a_document_that_is_refused_is_named_by_its_field_and_not_shown(
    cluster: KubeCluster, new_namespace: NewNamespace
) -> None:
    namespace = new_namespace(cluster)
    secret = "this-is-a-token-and-not-json"

    with pytest.raises(Invalid) as raised:
        ask(
            cluster.kubeconfig(),
            lambda api: api.apply_secret(namespace, "acr-pull", content(secret), None),
        )

    assert "see data[.dockerconfigjson] (422)" in str(raised.value)
    shown = f"{raised.value!s} {raised.value!r} {traceback.format_exception_only(raised.value)}"
    assert secret not in shown
    assert base64.b64encode(secret.encode()).decode() not in shown
