"""Fields that a kind does not have: dropped with a warning, or refused by an apply."""

import pytest

from contract.requests import NAME, account_path, apply, merge, pull_secret
from contract.versions import V1_25, version_of
from localkube import Answer, KubeCluster

UNKNOWN = {"colour": "red", "metadata": {"colour": "red"}}
WARNINGS = [r'299 - "unknown field \"colour\""', r'299 - "unknown field \"metadata.colour\""']


def warnings(answer: Answer) -> list[str]:
    stated = answer.headers.get("Warning", "")
    return sorted(stated.split(", ")) if stated else []


def test_a_post_and_a_merge_warn(cluster: KubeCluster, namespace: str) -> None:
    secret = {**UNKNOWN, "metadata": {"name": NAME, "colour": "red"}}
    cluster.create_service_account(namespace, "builder")
    answers = [
        cluster.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret),
        merge(cluster, account_path(namespace), UNKNOWN),
    ]
    for answer in answers:
        assert answer.status in (200, 201)
        assert "colour" not in {**answer.body, **answer.body["metadata"]}
        assert warnings(answer) == (WARNINGS if version_of(cluster) >= V1_25 else [])


def test_a_client_can_ask_for_no_warnings(cluster: KubeCluster, namespace: str) -> None:
    cluster.create_service_account(namespace, "builder")
    answer = merge(cluster, account_path(namespace), UNKNOWN, fieldValidation="Ignore")
    assert (answer.status, warnings(answer)) == (200, [])


@pytest.mark.parametrize("dry_run", ["", "All"])
def test_our_requests_cause_no_warning(cluster: KubeCluster, namespace: str, dry_run: str) -> None:
    query = {"dryRun": dry_run} if dry_run else {}
    cluster.create_service_account(namespace, "builder")
    patch = {"imagePullSecrets": [{"name": NAME}]}
    assert warnings(apply(cluster, namespace, pull_secret(), **query)) == []
    assert warnings(merge(cluster, account_path(namespace), patch, **query)) == []
