"""docs/scenarios.md: several pull secrets, and namespaces that request a registry."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import yaml

from localkube import KubeCluster
from scenarios import SCENARIOS, scenario
from sites import MAIN_HOSTS, PARTNER_HOSTS, REQUESTED_INSTANCES, Site, only, passwords, references

NAMES = ("acr-pull", "main-pull", "partner-pull")
NAMESPACES = ("shop", "web", "lab", "sandbox")
SEVERAL = "pull-secrets-several"
ASKING = "pull-secrets-on-request"
LABELLED = "pull-secrets-labels"


@pytest.fixture
def cluster(site: Site) -> Iterator[KubeCluster]:
    """A cluster with the namespaces of the scenarios. They have no secrets and no requests."""
    found = site.hangzhou
    found.apply_rbac(secret_names=NAMES)
    for namespace in NAMESPACES:
        found.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        for account in ("default", "builder"):
            path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
            found.request("POST", path, {"metadata": {"name": account}})
            body: dict[str, object] = {"imagePullSecrets": []}
            merge = "application/merge-patch+json"
            found.expect("PATCH", f"{path}/{account}", body, content_type=merge)
        annotate(found, namespace, None)
    yield found
    for namespace in NAMESPACES:
        annotate(found, namespace, None)
        for name in NAMES:
            found.request("DELETE", f"/api/v1/namespaces/{namespace}/secrets/{name}")
    found.apply_rbac()


def annotate(cluster: KubeCluster, namespace: str, asked: str | None) -> None:
    cluster.expect(
        "PATCH",
        f"/api/v1/namespaces/{namespace}",
        {"metadata": {"annotations": {REQUESTED_INSTANCES: asked}}},
        content_type="application/merge-patch+json",
    )


def test_several_pull_secrets_are_written_and_bound(site: Site, cluster: KubeCluster) -> None:
    with site.function(yaml.safe_dump(scenario(SEVERAL))) as function:
        report = function.timer()
    assert report["ok"]
    assert sorted(passwords(cluster, "shop", "main-pull")) == MAIN_HOSTS
    assert sorted(passwords(cluster, "shop", "partner-pull")) == PARTNER_HOSTS
    assert sorted(passwords(cluster, "web", "main-pull")) == MAIN_HOSTS
    assert passwords(cluster, "web", "partner-pull") == {}
    assert references(cluster, "shop") == ["main-pull"]
    assert references(cluster, "shop", "builder") == ["main-pull", "partner-pull"]
    assert references(cluster, "web", "builder") == ["main-pull"]


def test_a_pull_secret_is_removed_as_the_document_says(site: Site, cluster: KubeCluster) -> None:
    with site.function(yaml.safe_dump(scenario(SEVERAL))) as function:
        function.timer()
    emptied = scenario(SEVERAL)
    emptied["clusters"][0]["pullSecrets"][1]["watchNamespace"] = "none-any-more"
    with site.function(yaml.safe_dump(emptied)) as function:
        function.invoke(force=True)
    assert passwords(cluster, "shop", "partner-pull") == {}
    assert references(cluster, "shop", "builder") == ["main-pull"]


def test_namespaces_request_registries_by_annotation(site: Site, cluster: KubeCluster) -> None:
    (asked,) = re.findall(rf"kubectl annotate namespace lab {REQUESTED_INSTANCES}=(.*)", SCENARIOS)
    for name in ("lab", "sandbox"):
        annotate(cluster, name, asked)
    with site.function(yaml.safe_dump(scenario(ASKING))) as function:
        report = function.timer()
    assert report["ok"]
    assert sorted(passwords(cluster, "shop")) == MAIN_HOSTS
    assert sorted(passwords(cluster, "lab")) == PARTNER_HOSTS
    assert passwords(cluster, "sandbox") == {}


def test_configured_labels_and_annotations_are_written_without_a_new_token(
    site: Site, cluster: KubeCluster
) -> None:
    document = scenario(LABELLED)
    document["clusters"][0]["watchNamespace"] = "shop"
    plain = {**document, "defaults": {"watchNamespace": "shop"}}
    owner, argo = "example.com/owner", "argocd.argoproj.io/compare-options"

    def found() -> tuple[object, object]:
        metadata = cluster.get_secret("shop", "acr-pull")["metadata"]  # type: ignore[index]  # it is there
        return metadata["labels"].get(owner), metadata["annotations"].get(argo)

    with site.function(yaml.safe_dump(plain)) as function:
        function.timer()
    token = passwords(cluster, "shop")
    assert found() == (None, None)
    with site.function(yaml.safe_dump(document)) as function:
        changed, idle = only(function.timer(), "shop"), only(function.timer(), "shop")
    assert (changed["result"], changed["reason"]) == ("renewed", "metadata-changed")
    assert idle["result"] == "unchanged"
    assert found() == ("platform", "IgnoreExtraneous")
    with site.function(yaml.safe_dump(plain)) as function:
        assert only(function.timer(), "shop")["reason"] == "metadata-changed"
    assert found() == (None, None)
    assert passwords(cluster, "shop") == token
