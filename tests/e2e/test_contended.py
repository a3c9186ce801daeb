"""Competing controllers in a cluster: what comes back after each repair is `contended`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from localkube import KubeCluster
from sites import SECRET, Site, later, only, passwords, references

MERGE = "application/merge-patch+json"


def unbind(cluster: KubeCluster, namespace: str) -> None:
    """Write the service account as it is in Git: without our reference."""
    cluster.expect(
        "PATCH",
        f"/api/v1/namespaces/{namespace}/serviceaccounts/default?fieldManager=argocd-controller",
        {"imagePullSecrets": [{"name": "theirs"}]},
        content_type=MERGE,
    )


def rewrite(cluster: KubeCluster, namespace: str) -> None:
    """Write other data into the Secret, as a controller that copies Secrets does."""
    data = {".dockerconfigjson": base64.b64encode(b'{"auths":{}}').decode()}
    cluster.expect(
        "PATCH",
        f"/api/v1/namespaces/{namespace}/secrets/{SECRET}?fieldManager=reflector",
        {"data": data},
        content_type=MERGE,
    )


def delete(cluster: KubeCluster, namespace: str) -> None:
    cluster.expect("DELETE", f"/api/v1/namespaces/{namespace}/secrets/{SECRET}")


@pytest.mark.parametrize(
    ("change", "repaired", "words"),
    [
        pytest.param(
            unbind,
            "bound",
            "(argocd-controller) removed the Secret from service accounts",
            id="binding",
        ),
        pytest.param(rewrite, "renewed", "(reflector) changed the data of the Secret", id="data"),
        pytest.param(delete, "created", "deleted the Secret", id="deleted"),
    ],
)
def test_what_comes_back_after_three_repairs_is_contended(
    site: Site, change: Callable[[KubeCluster, str], None], repaired: str, words: str
) -> None:
    shop = site.namespace("shop", default=("theirs",))
    outcomes: list[dict[str, Any]] = []
    with site.function() as function:
        with later(1):  # an account that is no older than the secret may be new
            function.invoke()
        for number in range(3):
            change(site.hangzhou, shop)
            with later(5 * (number + 1)):
                report = function.invoke()
            outcomes.append(only(report, shop))
        with later(20):
            idle = only(function.invoke(), shop)
    assert [each["result"] for each in outcomes] == [repaired, repaired, "contended"]
    assert report["ok"] is False
    [warning] = [text for text in outcomes[-1]["warnings"] if text.startswith("contended")]
    assert words in warning
    assert passwords(site.hangzhou, shop)
    assert SECRET in references(site.hangzhou, shop)
    assert idle["result"] == "contended"
    assert idle["bound"] == []
    with site.function() as function, later(90):
        assert only(function.invoke(), shop)["result"] in {"renewed", "unchanged"}


def test_an_account_that_is_made_after_the_secret_is_no_contention(site: Site) -> None:
    shop = site.namespace("shop")
    with site.function(serviceAccount="*") as function:
        function.invoke()
        for number in range(4):
            site.hangzhou.create_service_account(shop, f"new-{number}", [])
            with later(5 * (number + 1)):
                outcome = only(function.invoke(), shop)
            assert (outcome["result"], outcome["bound"]) == ("bound", [f"new-{number}"])
    recorded = site.hangzhou.get_secret(shop, SECRET)
    assert recorded
    assert "acr-refresher/repairs" not in json.dumps(recorded)


def test_an_immutable_secret_is_not_created_again_in_each_run(site: Site) -> None:
    shop = site.namespace("shop")
    with site.function() as function:
        function.invoke()
        path = f"/api/v1/namespaces/{shop}/secrets/{SECRET}"
        site.hangzhou.expect("PATCH", path, {"immutable": True}, content_type=MERGE)
        before = site.hangzhou.get_secret(shop, SECRET)
        outcome = only(function.invoke(), shop)
        assert site.hangzhou.get_secret(shop, SECRET) == before
        assert (outcome["result"], outcome["reason"]) == ("contended", "fresh")
        with later(50):
            renewed = only(function.invoke(), shop)
    assert renewed["result"] == "renewed"
    after = site.hangzhou.get_secret(shop, SECRET)
    assert after
    assert "immutable" not in after


def test_a_secret_whose_label_was_changed_is_contended_and_left_alone(site: Site) -> None:
    shop = site.namespace("shop")
    with site.function() as function:
        function.invoke()
        path = f"/api/v1/namespaces/{shop}/secrets/{SECRET}"
        labels = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "platform"}}}
        site.hangzhou.expect("PATCH", path, labels, content_type=MERGE)
        before = site.hangzhou.get_secret(shop, SECRET)
        outcome = only(function.invoke(), shop)
    assert (outcome["result"], outcome["reason"]) == ("contended", "label-changed")
    assert outcome["remedy"]
    assert site.hangzhou.get_secret(shop, SECRET) == before
