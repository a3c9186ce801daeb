"""What the rights of infra/rbac amount to, and what the policies of infra/admission leave of it.

Each attack is made on a real API server by the function's user, with exactly the rights of
infra/rbac: as somebody would who has stolen the function's identity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from admission_policies import confined
from localkube import KubeCluster
from localkube.cluster import Answer
from localkube.rbac import USER
from localkube.wire import APPLY_PATCH
from sites import SECRET, Site, later, results

MERGE_PATCH = "application/merge-patch+json"
OURS = {"app.kubernetes.io/managed-by": "acr-refresher"}
LOGINS = {".dockerconfigjson": "e30="}
DOCKER = "kubernetes.io/dockerconfigjson"
HELPER = "aliyun-acr-credential-helper"

pytestmark = pytest.mark.parametrize("site", ["real"], indirect=True)


@dataclass(frozen=True)
class Thief:
    """The function's user in a namespace of an honest cluster."""

    cluster: KubeCluster
    namespace: str

    def apply(self, **fields: Any) -> Answer:
        """Apply the pull secret with other fields than the function's."""
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET, "labels": OURS},
            "type": DOCKER,
            "data": LOGINS,
            **fields,
        }
        query = {"fieldManager": "acr-refresher", "force": "true"}
        return self._ask("PATCH", f"secrets/{SECRET}", manifest, APPLY_PATCH, query)

    def patch(self, **fields: Any) -> Answer:
        """Change the service account."""
        return self._ask("PATCH", "serviceaccounts/default", fields, MERGE_PATCH)

    def delete(self) -> Answer:
        """Delete the Secret that has the name of the pull secret."""
        return self._ask("DELETE", f"secrets/{SECRET}")

    def token(self, **spec: Any) -> Answer:
        """Get a token of the service account of RRSA."""
        path = f"/api/v1/namespaces/kube-system/serviceaccounts/{HELPER}/token"
        return self.cluster.request("POST", path, {"spec": spec}, as_user=USER)

    def _ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        query: Any = None,
    ) -> Answer:
        return self.cluster.request(
            method,
            f"/api/v1/namespaces/{self.namespace}/{path}",
            body,
            query=query,
            content_type=content_type,
            as_user=USER,
        )


@pytest.fixture
def thief(site: Site) -> Iterator[Thief]:
    cluster = site.hangzhou
    account = f"/api/v1/namespaces/kube-system/serviceaccounts/{HELPER}"
    if cluster.get("/api/v1/namespaces/kube-system") is None:
        cluster.create_namespace("kube-system")
    if cluster.get(account) is None:
        cluster.create_service_account("kube-system", HELPER)
    cluster.grant_rrsa()
    yield Thief(cluster, site.namespace("shop", default=["theirs"]))
    cluster.expect("DELETE", account)


TOKEN_OF_ANOTHER = {
    "metadata": {
        "name": SECRET,
        "labels": OURS,
        "annotations": {"kubernetes.io/service-account.name": "default"},
    },
    "type": "kubernetes.io/service-account-token",
    "data": {},
}
ROLE_OF_ANOTHER = {"annotations": {"pod-identity.alibabacloud.com/role-name": "admin"}}

ATTACKS: dict[str, tuple[Callable[[Thief], Answer], str]] = {
    "a Secret that gets the token of a service account": (
        lambda thief: thief.apply(**TOKEN_OF_ANOTHER),
        "acr-refresher writes only Secrets of type kubernetes.io/dockerconfigjson",
    ),
    "a Secret of any other type": (
        lambda thief: thief.apply(type="Opaque"),
        "acr-refresher writes only Secrets of type kubernetes.io/dockerconfigjson",
    ),
    "a Secret that is not marked as ours": (
        lambda thief: thief.apply(metadata={"name": SECRET}),
        "acr-refresher labels every Secret that it writes",
    ),
    "a cloud role for the pods of a service account": (
        lambda thief: thief.patch(metadata=ROLE_OF_ANOTHER),
        "acr-refresher changes no annotation and no label of a service account",
    ),
    "a label of a service account": (
        lambda thief: thief.patch(metadata={"labels": {"team": "x"}}),
        "acr-refresher changes no annotation and no label of a service account",
    ),
    "a finalizer that keeps a service account for ever": (
        lambda thief: thief.patch(metadata={"finalizers": ["example.com/never"]}),
        "acr-refresher changes no finalizer and no owner of a service account",
    ),
    "tokens for pods that have none": (
        lambda thief: thief.patch(automountServiceAccountToken=False),
        "acr-refresher changes only imagePullSecrets of a service account",
    ),
    "the mountable secrets of a service account": (
        lambda thief: thief.patch(secrets=[{"name": "theirs"}]),
        "acr-refresher changes only imagePullSecrets of a service account",
    ),
    "the reference of another tool": (
        lambda thief: thief.patch(imagePullSecrets=[{"name": SECRET}]),
        "acr-refresher adds and removes only its own reference in imagePullSecrets",
    ),
    "a reference to a Secret of somebody else": (
        lambda thief: thief.patch(imagePullSecrets=[{"name": "theirs"}, {"name": "other"}]),
        "acr-refresher adds and removes only its own reference in imagePullSecrets",
    ),
    "a token for the API server itself": (
        lambda thief: thief.token(),
        "acr-refresher gets tokens for sts.aliyuncs.com only",
    ),
    "a token for two audiences": (
        lambda thief: thief.token(audiences=["sts.aliyuncs.com", "vault"]),
        "acr-refresher gets tokens for sts.aliyuncs.com only",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_rights_alone_allow_more_than_the_function_does(thief: Thief, attack: str) -> None:
    attempt, _ = ATTACKS[attack]
    assert attempt(thief).status in {200, 201}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_confined_user_cannot(thief: Thief, attack: str) -> None:
    attempt, refusal = ATTACKS[attack]
    with confined(thief.cluster):
        answer = attempt(thief)
    assert answer.status == 422
    assert refusal in answer.message


@pytest.mark.parametrize("act", [Thief.apply, Thief.delete], ids=["overwrite", "delete"])
def test_a_confined_user_cannot_touch_a_secret_of_somebody_else(
    thief: Thief, act: Callable[[Thief], Answer]
) -> None:
    thief.cluster.create_secret(thief.namespace, SECRET, type=DOCKER, data=LOGINS)
    with confined(thief.cluster):
        refused = act(thief)
    assert "acr-refresher changes and deletes only Secrets that it wrote" in refused.message
    assert act(thief).status == 200, "without the policies, the rights allow it"


def test_the_policies_let_the_function_do_its_work(site: Site) -> None:
    """It creates, binds, renews, binds again what somebody unbound, and removes."""
    kept, left = site.namespace("kept", default=["theirs"]), site.namespace("left")
    with confined(site.hangzhou):
        with site.function() as function:
            assert results(function.invoke()) == {kept: "created", left: "created"}
            with later(minutes=50):
                assert results(function.invoke()) == {kept: "renewed", left: "renewed"}
        with site.function(watchNamespace=kept) as function:
            assert results(function.invoke())[left] == "removed"
    account = site.hangzhou.get_service_account(kept, "default")
    assert account is not None
    assert account["imagePullSecrets"] == [{"name": "theirs"}, {"name": SECRET}]
    assert site.hangzhou.get_secret(left, SECRET) is None


def test_the_policies_concern_only_the_functions_user(site: Site) -> None:
    namespace = site.namespace("shop")
    with confined(site.hangzhou):
        site.hangzhou.create_secret(namespace, "theirs", type="Opaque")
        site.hangzhou.create_service_account(namespace, "builder", ["theirs"])
    assert site.hangzhou.get_secret(namespace, "theirs") is not None


def test_a_confined_user_gets_the_tokens_of_rrsa(thief: Thief) -> None:
    with confined(thief.cluster):
        answer = thief.token(audiences=["sts.aliyuncs.com"], expirationSeconds=600)
    assert answer.status == 201
