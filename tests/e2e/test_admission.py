"""Admission webhooks and quotas of a real API server: who refuses is named, and nothing is ok."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from localkube import KubeCluster
from sites import SECRET, Site, only, passwords, references
from webhooks import NAME, WATCHED, Webhook, webhook_on

pytestmark = pytest.mark.parametrize("site", ["real"], indirect=True)
STATUSES = (400, 401, 403, 404, 409, 413, 422, 500)
DENIED = f"denied by admission webhook {NAME}. Change the policy so that it allows this request."


@pytest.fixture(scope="module")
def webhook(real_clusters: list[KubeCluster]) -> Iterator[Webhook]:
    with webhook_on(real_clusters[0]) as webhook:
        yield webhook


@pytest.fixture(autouse=True)
def allowing(webhook: Webhook) -> None:
    webhook.behave()


def failure_in(report: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """The only failure of a namespace, after what no refusal may be taken for."""
    outcome = only(report, namespace)
    assert (report["ok"], outcome["result"]) == (False, "failed"), outcome
    (failure,) = outcome["failures"]
    return dict(failure)


@pytest.mark.parametrize("status", STATUSES)
def test_a_denial_with_any_status_fails_and_names_the_webhook(
    site: Site, webhook: Webhook, status: int
) -> None:
    """The secret, its binding and its removal are denied in turn."""
    shop = site.namespace("shop", labels=WATCHED)
    with site.function() as function:
        webhook.behave("secrets", denial=status)
        secret = failure_in(function.invoke(), shop)
        assert passwords(site.hangzhou, shop) == {}

        webhook.behave("serviceaccounts", denial=status)
        binding = failure_in(function.invoke(), shop)
        assert passwords(site.hangzhou, shop)
        assert references(site.hangzhou, shop) == []

        webhook.behave()
        assert function.invoke()["ok"]
    with site.function(watchNamespace="elsewhere") as function:
        webhook.behave("serviceaccounts", denial=status)
        unbinding = failure_in(function.invoke(), shop)
        assert references(site.hangzhou, shop) == [SECRET]

        webhook.behave("secrets", "DELETE", denial=status)
        removal = failure_in(function.invoke(), shop)
        assert passwords(site.hangzhou, shop)

        webhook.behave()
        assert only(function.invoke(), shop)["result"] == "removed"
    for failure in (secret, binding, unbinding, removal):
        assert failure["meaning"] == "denied"
        assert DENIED in failure["message"]
        assert failure["code"] == str(status)
    assert "own words" not in json.dumps([secret, binding, unbinding, removal])


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"hangs": True}, f"admission webhook {NAME} gives the API server no answer in time. Is"),
        ({"broken": True}, f"admission webhook {NAME} fails. Is it running?"),
    ],
    ids=["hangs", "down"],
)
def test_a_webhook_that_does_not_answer_is_named(
    site: Site, webhook: Webhook, behaviour: dict[str, Any], words: str
) -> None:
    shop, web = site.namespace("shop", labels=WATCHED), site.namespace("web")
    with site.function() as function:
        webhook.behave(**behaviour)
        report = function.invoke()
        failure = failure_in(report, shop)
        assert only(report, web)["result"] == "created"
        webhook.behave()
        assert only(function.invoke(), shop)["result"] == "created"
    assert failure["meaning"] == "unreachable"
    assert words in failure["message"]


def test_a_warning_is_in_the_report_once(site: Site, webhook: Webhook) -> None:
    for name in ("shop", "web"):
        site.namespace(name, labels=WATCHED)
    with site.function() as function:
        webhook.behave(warnings=["deny this soon\u202e", "deny this soon\u202e"])
        report = function.invoke()
    (hangzhou, beijing) = report["clusters"]
    assert report["ok"]
    assert hangzhou["warnings"] == ["the API server warns: deny this soon"]
    assert beijing["warnings"] == []


def test_a_quota_is_named(site: Site, webhook: Webhook) -> None:
    del webhook
    shop = site.namespace("shop")
    quotas = f"/api/v1/namespaces/{shop}/resourcequotas"
    hard = {"secrets": "0"}
    site.hangzhou.expect("POST", quotas, {"metadata": {"name": "small"}, "spec": {"hard": hard}})
    site.hangzhou.expect(
        "PATCH",
        f"{quotas}/small/status",
        {"status": {"hard": hard, "used": hard}},
        content_type="application/merge-patch+json",
    )
    with site.function() as function:
        failure = failure_in(function.invoke(), shop)
    assert failure["meaning"] == "denied"
    assert "denied by quota small. Raise the quota." in failure["message"]
