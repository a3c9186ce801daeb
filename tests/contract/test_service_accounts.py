"""``imagePullSecrets`` of a service account is read and replaced completely by merge patch."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from contract.requests import US, account_path, apply, merge, pull_secret, version
from contract.versions import (
    NOT_JSON,
    OTHER_NAMESPACE,
    TEXT_FOR_A_LIST,
    V1_20,
    Version,
    expected,
)
from localkube import KubeCluster
from localkube.wire import Json


def references(*names: str) -> Json:
    return {"imagePullSecrets": [{"name": name} for name in names]}


@pytest.fixture
def account(cluster: KubeCluster, namespace: str) -> Json:
    """A service account with two references that we did not add."""
    return cluster.create_service_account(namespace, "builder", ["theirs", "others"])


def at(resource_version: str, patch: Json) -> Json:
    return {"metadata": {"resourceVersion": resource_version}, **patch}


def test_the_list_is_replaced_in_the_order_given(
    cluster: KubeCluster, namespace: str, account: Json
) -> None:
    patch = at(version(account), references("theirs", "acr-pull", "others"))
    answer = merge(cluster, account_path(namespace), patch, fieldManager=US)
    assert answer.status == 200
    stored = cluster.get_service_account(namespace, "builder")
    assert stored is not None
    assert (
        stored["imagePullSecrets"] == references("theirs", "acr-pull", "others")["imagePullSecrets"]
    )


def test_a_stale_version_conflicts(cluster: KubeCluster, namespace: str, account: Json) -> None:
    merge(cluster, account_path(namespace), references("newcomer"))
    patch = at(version(account), references("theirs", "acr-pull"))
    answer = merge(cluster, account_path(namespace), patch)
    assert (answer.status, answer.reason) == (409, "Conflict")
    assert answer.message == (
        'Operation cannot be fulfilled on serviceaccounts "builder": the object has been '
        "modified; please apply your changes to the latest version and try again"
    )
    stored = cluster.get_service_account(namespace, "builder")
    assert stored is not None
    assert stored["imagePullSecrets"] == [{"name": "newcomer"}]


def test_a_stale_version_conflicts_even_when_nothing_would_change(
    cluster: KubeCluster, namespace: str, account: Json
) -> None:
    merge(cluster, account_path(namespace), {"metadata": {"labels": {"a": "b"}}})
    patch = at(version(account), references("theirs", "others"))
    assert merge(cluster, account_path(namespace), patch).status == 409


def test_an_equal_request_writes_nothing(
    cluster: KubeCluster, namespace: str, account: Json
) -> None:
    patch = at(version(account), references("theirs", "others"))
    answer = merge(cluster, account_path(namespace), patch)
    assert answer.status == 200
    assert version(answer.body) == version(account)


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("nothing", [None, []])
def test_an_empty_list_is_not_shown(cluster: KubeCluster, namespace: str, nothing: object) -> None:
    answer = merge(cluster, account_path(namespace), {"imagePullSecrets": nothing})
    assert answer.status == 200
    assert "imagePullSecrets" not in answer.body


def test_a_dry_run_shows_the_change_and_makes_none(
    cluster: KubeCluster, namespace: str, account: Json
) -> None:
    answer = merge(cluster, account_path(namespace), references("new"), dryRun="All")
    assert answer.body["imagePullSecrets"] == [{"name": "new"}]
    assert cluster.get_service_account(namespace, "builder") == account


def test_another_uid_is_refused(cluster: KubeCluster, namespace: str, account: Json) -> None:
    patch = {"metadata": {"uid": "1111"}, **references("acr-pull")}
    answer = merge(cluster, account_path(namespace), patch)
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert "field is immutable" in answer.message
    assert cluster.get_service_account(namespace, "builder") == account


@dataclass(frozen=True)
class Refused:
    """A merge patch that is refused in any state of the cluster."""

    patch: Json | str
    answers: Mapping[Version, tuple[int, str]]
    force: str = ""


REFUSED = {
    "another name": Refused(
        {"metadata": {"name": "other"}}, {V1_20: (400, "does not match the name on the URL")}
    ),
    "another namespace": Refused(
        {"metadata": {"namespace": "other"}},
        {since: (400, text) for since, text in OTHER_NAMESPACE.items()},
    ),
    "text for a list": Refused(
        {"imagePullSecrets": "acr-pull"},
        {since: (422, text) for since, text in TEXT_FOR_A_LIST.items()},
    ),
    "not JSON": Refused("{{{", NOT_JSON),
    "force": Refused(
        references("a"), {V1_20: (422, "may not be specified for non-apply patch")}, "true"
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_malformed_patches_are_refused(
    cluster: KubeCluster, namespace: str, account: Json, case: Refused
) -> None:
    query = {"force": case.force} if case.force else {}
    answer = merge(cluster, account_path(namespace), case.patch, **query)
    status, message = expected(case.answers, cluster)
    assert answer.status == status
    assert message in answer.message
    assert cluster.get_service_account(namespace, "builder") == account


def test_a_missing_service_account_cannot_be_patched(cluster: KubeCluster, namespace: str) -> None:
    """The answer is the same for a missing account and for a missing namespace."""
    for where in (namespace, "missing"):
        answer = merge(cluster, account_path(where), references("acr-pull"))
        assert (answer.status, answer.reason) == (404, "NotFound")
        assert answer.message == 'serviceaccounts "builder" not found'


def test_merging_a_secret_with_a_stale_version_conflicts(
    cluster: KubeCluster, namespace: str
) -> None:
    created = apply(cluster, namespace, pull_secret("first")).body
    apply(cluster, namespace, pull_secret("second"))
    path = f"/api/v1/namespaces/{namespace}/secrets/acr-pull"
    assert merge(cluster, path, at(version(created), {"data": {"a": "MQ=="}})).status == 409
