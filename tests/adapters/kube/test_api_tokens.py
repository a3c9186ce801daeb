"""A cluster's own identity: TokenRequest through the adapter, on the double and for real."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import jwt
import pytest

from acr_refresher.errors import Denied, Gone
from adapters import kubeapi
from localkube.cluster import KubeCluster

TEN_MINUTES = timedelta(minutes=10)
AUDIENCE = "sts.aliyuncs.com"


def token(cluster: KubeCluster, user: str, namespace: str, name: str = "puller") -> str:
    found = kubeapi.ask(
        cluster.kubeconfig(user),
        lambda api: api.service_account_token(namespace, name, AUDIENCE, TEN_MINUTES),
    )
    return found.get_secret_value()


@pytest.fixture
def namespace(cluster: KubeCluster, new_namespace: Callable[[KubeCluster], str]) -> str:
    name = new_namespace(cluster)
    cluster.create_service_account(name, "puller")
    return name


def test_it_is_for_the_audience_and_ten_minutes(cluster: KubeCluster, namespace: str) -> None:
    user = f"rrsa-{namespace}"
    cluster.grant_rrsa(user, "puller", namespace)
    issued = token(cluster, user, namespace)
    claims = jwt.decode(issued, options={"verify_signature": False})
    assert (claims["aud"], claims["exp"] - claims["iat"]) == ([AUDIENCE], 600)
    assert claims["sub"] == f"system:serviceaccount:{namespace}:puller"


def test_without_the_right_the_rule_to_add_is_told(cluster: KubeCluster, namespace: str) -> None:
    with pytest.raises(Denied) as denied:
        token(cluster, f"rrsa-{namespace}", namespace)
    assert (
        '{apiGroups: [""], resources: ["serviceaccounts/token"], resourceNames: ["puller"],'
        ' verbs: ["create"]}'
    ) in str(denied.value)


def test_no_such_service_account(cluster: KubeCluster, namespace: str) -> None:
    user = f"rrsa-{namespace}"
    cluster.grant_rrsa(user, "nobody", namespace)
    with pytest.raises(Gone):
        token(cluster, user, namespace, "nobody")
