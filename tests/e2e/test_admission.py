"""Admission webhooks and quotas of a real API server: who refuses is named, and nothing is ok."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import Result

from localkube import KubeCluster
from operators import command
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


FAILING = {
    "hangs": (
        {"hangs": True},
        f"admission webhook {NAME} gives the API server no answer in time. Is it running?",
    ),
    "down": ({"broken": True}, f"admission webhook {NAME} fails. Is it running?"),
}


@pytest.mark.parametrize(("behaviour", "words"), FAILING.values(), ids=FAILING)
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


# ---- check ---------------------------------------------------------------------------------------


def findings(result: Result, *verdicts: str) -> list[dict[str, Any]]:
    return [each for each in json.loads(result.stdout)["findings"] if each["verdict"] in verdicts]


@pytest.mark.parametrize(
    ("resource", "tried"),
    [
        ("secrets", "write acr-pull in {} (dry run)"),
        ("serviceaccounts", "bind service account default in {} (dry run)"),
    ],
)
def test_check_finds_a_policy_that_would_deny(
    site: Site, webhook: Webhook, resource: str, tried: str
) -> None:
    shop = site.namespace("shop", labels=WATCHED)
    with site.function() as function:
        webhook.behave(resource, denial=404)
        denied = command(function, "check", "-o", "json")
        webhook.behave(warnings=["deny this soon"])
        allowed = command(function, "check", "-o", "json")
    (finding,) = findings(denied, "missing", "unreachable")
    assert (denied.exit_code, allowed.exit_code) == (1, 0)
    assert finding["subject"] == "cluster prod-hangzhou"
    assert finding["what"] == tried.format(shop)
    assert DENIED in finding["why"]
    assert "the API server warns: deny this soon" in {
        each["why"] for each in findings(allowed, "warning")
    }
    assert site.hangzhou.get_secret(shop, SECRET) is None
    assert references(site.hangzhou, shop) == []


@pytest.mark.parametrize(("behaviour", "words"), FAILING.values(), ids=FAILING)
def test_check_finds_a_webhook_that_does_not_answer(
    site: Site, webhook: Webhook, behaviour: dict[str, Any], words: str
) -> None:
    site.namespace("shop", labels=WATCHED)
    with site.function() as function:
        webhook.behave("secrets", **behaviour)
        result = command(function, "check", "-o", "json")
    (finding,) = findings(result, "missing", "unreachable")
    assert (result.exit_code, finding["verdict"]) == (1, "unreachable")
    assert words in finding["why"]


def test_check_tries_an_existing_secret_and_leaves_it(site: Site, webhook: Webhook) -> None:
    shop = site.namespace("shop", labels=WATCHED)
    with site.function() as function:
        function.invoke()
        before = site.hangzhou.get_secret(shop, SECRET)
        webhook.behave("secrets", "UPDATE", denial=403)
        denied = command(function, "check", "-o", "json")
        webhook.behave()
        allowed = command(function, "check", "-o", "json")
    assert (denied.exit_code, allowed.exit_code) == (1, 0)
    assert before
    assert site.hangzhou.get_secret(shop, SECRET) == before
    assert webhook.asked[:2] == ["UPDATE secrets", "UPDATE serviceaccounts"]


def test_check_makes_the_lists_that_a_run_makes(
    site: Site, webhook: Webhook, unreadable: KubeCluster
) -> None:
    """A Secret of another team, which cannot be decrypted, is named."""
    del webhook
    with replace(site, hangzhou=unreadable).function() as function:
        result = command(function, "check", "-o", "json")
    found = [each["why"] for each in json.loads(result.stdout)["findings"]]
    assert any("the API server cannot decrypt locked/tls of secrets" in why for why in found)
