"""TokenRequest of a service account, and the keys that verify what was issued."""

import json
import time
from collections.abc import Callable

import jwt
import pytest

from contract.requests import US, account_path
from contract.versions import V1_30, version_of
from localkube import Answer, KubeCluster
from localkube.wire import Json
from oidc_issuers import jwks_of

AUDIENCE = "sts.aliyuncs.com"


@pytest.fixture
def account(cluster: KubeCluster, namespace: str) -> Json:
    return cluster.create_service_account(namespace, "builder")


def ask(
    cluster: KubeCluster, namespace: str, seconds: int = 600, as_user: str | None = None
) -> Answer:
    spec = {"audiences": [AUDIENCE], "expirationSeconds": seconds}
    path = f"{account_path(namespace)}/token"
    return cluster.request("POST", path, {"spec": spec}, as_user=as_user)


def test_a_token_names_its_service_account_and_its_audience(
    cluster: KubeCluster, namespace: str, account: Json
) -> None:
    answer = ask(cluster, namespace)
    assert (answer.status, answer.body["kind"]) == (201, "TokenRequest")
    claims = jwt.decode(answer.body["status"]["token"], options={"verify_signature": False})
    assert claims["aud"] == [AUDIENCE]
    assert claims["iss"] == "https://kubernetes.default.svc.cluster.local"
    assert claims["sub"] == f"system:serviceaccount:{namespace}:builder"
    assert claims["exp"] - claims["iat"] == 600
    assert claims["nbf"] <= time.time() + 1
    assert claims["kubernetes.io"]["serviceaccount"] == {
        "name": "builder",
        "uid": account["metadata"]["uid"],
    }
    assert ("jti" in claims) == (version_of(cluster) >= V1_30)


@pytest.mark.usefixtures("account")
def test_a_token_is_verified_with_the_keys_of_the_cluster(
    cluster: KubeCluster, namespace: str
) -> None:
    token = ask(cluster, namespace).body["status"]["token"]
    [key] = jwks_of(cluster)()["keys"]
    assert (key["use"], key["kty"], key["alg"]) == ("sig", "EC", "ES256")
    assert jwt.get_unverified_header(token)["kid"] == key["kid"]
    public = jwt.PyJWK.from_json(json.dumps(key))
    assert jwt.decode(token, public, algorithms=["ES256"], audience=AUDIENCE)


@pytest.mark.usefixtures("account")
def test_a_token_is_valid_for_at_least_ten_minutes(cluster: KubeCluster, namespace: str) -> None:
    answer = ask(cluster, namespace, 599)
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert answer.body["details"] == {
        "group": "authentication.k8s.io",
        "kind": "TokenRequest",
        "causes": [
            {
                "reason": "FieldValueInvalid",
                "message": "Invalid value: 599: may not specify a duration less than 10 minutes",
                "field": "spec.expirationSeconds",
            }
        ],
    }


@pytest.mark.parametrize("missing", ["serviceaccounts", "namespaces"])
def test_a_missing_service_account_gets_no_token(
    cluster: KubeCluster, namespace: str, missing: str
) -> None:
    gone = namespace if missing == "serviceaccounts" else "nowhere"
    answer = ask(cluster, gone)
    assert (answer.status, answer.reason) == (404, "NotFound")
    assert answer.body["details"]["kind"] == missing


@pytest.mark.usefixtures("account")
def test_a_token_request_needs_its_own_right(cluster: KubeCluster, namespace: str) -> None:
    answer = ask(cluster, namespace, as_user=US)
    assert (answer.status, answer.reason) == (403, "Forbidden")
    assert answer.message == (
        f'serviceaccounts "builder" is forbidden: User "{US}" cannot create resource '
        f'"serviceaccounts/token" in API group "" in the namespace "{namespace}"'
    )


@pytest.mark.usefixtures("account")
def test_the_right_is_for_one_service_account(cluster: KubeCluster, namespace: str) -> None:
    user = f"rrsa-{namespace}"
    cluster.grant_rrsa(user, "other", namespace)
    assert ask(cluster, namespace, as_user=user).status == 403
    cluster.grant_rrsa(user, "builder", namespace)
    assert ask(cluster, namespace, as_user=user).status == 201


@pytest.mark.usefixtures("account")
def test_the_right_is_for_one_namespace(
    cluster: KubeCluster, namespace: str, new_namespace: Callable[[KubeCluster], str]
) -> None:
    user = f"rrsa-{namespace}"
    cluster.grant_rrsa(user, "builder", namespace)
    other = new_namespace(cluster)
    cluster.create_service_account(other, "builder")
    assert ask(cluster, other, as_user=user).status == 403


def test_reading_the_keys_needs_a_right(cluster: KubeCluster) -> None:
    assert cluster.request("GET", "/openid/v1/jwks", as_user=US).status == 403
