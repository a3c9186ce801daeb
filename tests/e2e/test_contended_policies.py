"""Policies of a real API server that change our Secrets as they are written, or require labels."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from localkube import KubeCluster
from sites import SECRET, Site, only, passwords, references
from webhooks import WATCHED, Webhook, webhook_on

pytestmark = pytest.mark.parametrize("site", ["real"], indirect=True)
LABEL = "/metadata/labels/app.kubernetes.io~1managed-by"


@pytest.fixture(scope="module")
def policy(real_clusters: list[KubeCluster]) -> Iterator[Webhook]:
    with webhook_on(real_clusters[0], "mutating") as webhook:
        yield webhook


def test_a_policy_that_makes_secrets_immutable_is_named_at_once(
    site: Site, policy: Webhook
) -> None:
    """The Secret is not deleted and created again in each run."""
    shop = site.namespace("shop", labels=WATCHED)
    immutable = {"op": "add", "path": "/immutable", "value": True}
    policy.behave("secrets", "CREATE", patch=[immutable])
    with site.function() as function:
        first = only(function.invoke(), shop)
        created = site.hangzhou.get_secret(shop, SECRET)
        second = only(function.invoke(), shop)
    assert (first["result"], second["result"]) == ("contended", "contended")
    assert any("(immutable)" in warning for warning in first["warnings"])
    assert site.hangzhou.get_secret(shop, SECRET) == created
    assert passwords(site.hangzhou, shop)
    assert references(site.hangzhou, shop) == [SECRET]


def test_a_policy_that_changes_our_label_is_named_at_once(site: Site, policy: Webhook) -> None:
    shop = site.namespace("shop", labels=WATCHED)
    policy.behave("secrets", patch=[{"op": "replace", "path": LABEL, "value": "platform"}])
    with site.function() as function:
        first = only(function.invoke(), shop)
        created = site.hangzhou.get_secret(shop, SECRET)
        second = only(function.invoke(), shop)
    assert first["result"] == "contended"
    assert any("label app.kubernetes.io/managed-by" in each for each in first["warnings"])
    assert (second["result"], second["reason"]) == ("contended", "label-changed")
    assert site.hangzhou.get_secret(shop, SECRET) == created


def test_a_label_that_a_policy_requires_can_be_configured(site: Site, policy: Webhook) -> None:
    shop = site.namespace("shop", labels=WATCHED)
    policy.behave("secrets", requires="example.com/owner")
    with site.function() as function:
        denied = only(function.invoke(), shop)
    assert denied["failures"][0]["meaning"] == "denied"
    with site.function(secretLabels={"example.com/owner": "platform"}) as function:
        report = function.invoke()
    assert report["ok"]
    assert passwords(site.hangzhou, shop)
