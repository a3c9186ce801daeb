"""Answers that are lost or come from elsewhere: the outcome says what is there."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from localkube.double import Fault
from operators import command
from sites import SECRET, BrokenSite, later, only, passwords, references

SECRETS = f"/secrets/{SECRET}"
ACCOUNTS = "/serviceaccounts/"


def lost(method: str, path: str) -> Fault:
    """The requests take effect, and no answer to any of them arrives."""
    return Fault(method, path, None, lost_answer=True)


def not_found(method: str, path: str) -> Fault:
    """A webhook or a proxy answers 404 in place of the API server."""
    return Fault(method, path, None, status=404)


def due_and(broken: BrokenSite, fault: Fault) -> tuple[dict[str, Any], str, dict[str, str]]:
    """The outcome of a due secret under a fault, its namespace, and the tokens before."""
    shop = broken.namespace("shop")
    with broken.function() as function:
        function.timer()
        before = passwords(broken.hangzhou, shop)
        with later(50):
            broken.hangzhou.faults.add(fault)
            outcome = only(function.invoke(), shop)
    broken.hangzhou.faults.clear()
    return outcome, shop, before


def test_a_secret_whose_answers_are_all_lost_is_created_and_bound(broken: BrokenSite) -> None:
    shop = broken.namespace("shop")
    broken.hangzhou.faults.add(lost("PATCH", SECRETS))
    with broken.function() as function:
        outcome = only(function.invoke(), shop)
    assert (outcome["result"], outcome["failures"]) == ("created", [])
    assert passwords(broken.hangzhou, shop)
    assert references(broken.hangzhou, shop) == [SECRET]


def test_a_renewal_whose_answers_are_all_lost_has_its_new_expiry(broken: BrokenSite) -> None:
    outcome, shop, before = due_and(broken, lost("PATCH", SECRETS))
    assert (outcome["result"], outcome["failures"]) == ("renewed", [])
    assert passwords(broken.hangzhou, shop) != before
    secret = broken.hangzhou.get_secret(shop, SECRET)
    assert secret
    assert secret["metadata"]["annotations"]["acr-refresher/expires-at"] == outcome["expiresAt"]


def test_a_binding_whose_answers_are_all_lost_is_bound(broken: BrokenSite) -> None:
    shop = broken.namespace("shop")
    broken.hangzhou.faults.add(lost("PATCH", ACCOUNTS))
    with broken.function() as function:
        outcome = only(function.invoke(), shop)
    assert (outcome["result"], outcome["bound"]) == ("created", ["default"])


def test_a_removal_whose_answers_are_all_lost_is_done(broken: BrokenSite) -> None:
    shop, _ = broken.namespace("shop"), broken.namespace("kept")
    with broken.function() as function:
        function.invoke()
    broken.hangzhou.faults.add(lost("DELETE", SECRETS))
    with broken.function(watchNamespace=f"{broken.prefix}-kept") as function:
        assert only(function.invoke(), shop)["result"] == "removed"
    assert passwords(broken.hangzhou, shop) == {}


def test_a_404_for_the_write_of_a_secret_is_not_taken_for_a_namespace_that_is_gone(
    broken: BrokenSite,
) -> None:
    outcome, shop, before = due_and(broken, not_found("PATCH", SECRETS))
    assert (outcome["result"], outcome["reason"]) == ("kept", "near-expiry")
    assert "does a webhook, or a proxy" in outcome["failures"][0]["message"]
    assert passwords(broken.hangzhou, shop) == before


def test_a_404_for_a_binding_is_not_taken_for_an_account_that_is_gone(broken: BrokenSite) -> None:
    shop = broken.namespace("shop")
    broken.hangzhou.faults.add(not_found("PATCH", ACCOUNTS))
    with broken.function() as function:
        outcome = only(function.invoke(), shop)
    assert (outcome["result"], outcome["serviceAccounts"]) == ("failed", [])
    assert outcome["failures"][0]["subject"] == "service account default"


@pytest.mark.parametrize("path", [SECRETS, ACCOUNTS], ids=["secret", "service account"])
def test_unregister_does_not_take_a_404_for_done(broken: BrokenSite, path: str) -> None:
    shop = broken.namespace("shop")
    method = "DELETE" if path == SECRETS else "PATCH"
    with broken.function() as function:
        function.invoke()
        broken.hangzhou.faults.add(not_found(method, path))
        failed = command(function, "unregister", "prod-hangzhou", "--yes")
        broken.hangzhou.faults.clear()
        done = command(function, "unregister", "prod-hangzhou", "--yes")
    assert (failed.exit_code, "0 removed, 1 failed" in failed.stdout) == (1, True)
    assert "But the list shows it" in failed.stdout.replace("\n", " ")
    assert (done.exit_code, references(broken.hangzhou, shop)) == (0, [])


def test_unregister_says_what_is_there_in_the_end(broken: BrokenSite) -> None:
    """A run of a configuration that still has the cluster creates a pull secret again."""
    shop = broken.namespace("shop")
    lists = itertools.count(1)
    with broken.function() as function:
        function.invoke()

        def create_again() -> None:
            if next(lists) == 3:  # after the question and the removal
                function.invoke()

        broken.hangzhou.faults.add(Fault("GET", "/api/v1/secrets", 3, meanwhile=create_again))
        result = command(function, "unregister", "prod-hangzhou", "--yes")
    assert (result.exit_code, "1 removed, 0 failed" in result.stdout) == (1, True)
    assert result.stderr.splitlines() == [
        f"pull secret {shop}/{SECRET} is still there: start the command again"
    ]
    assert passwords(broken.hangzhou, shop)


def test_unregister_unbinds_an_account_that_was_created_meanwhile(broken: BrokenSite) -> None:
    shop = broken.namespace("shop")
    path = f"/api/v1/namespaces/{shop}/serviceaccounts"
    body = {"metadata": {"name": "late"}, "imagePullSecrets": [{"name": SECRET}]}
    with broken.function() as function:
        function.invoke()
        broken.hangzhou.faults.add(
            Fault("DELETE", SECRETS, meanwhile=lambda: broken.hangzhou.expect("POST", path, body))
        )
        result = command(function, "unregister", "prod-hangzhou", "--yes")
    assert (result.exit_code, result.stderr) == (0, "")
    assert references(broken.hangzhou, shop, "late") == []
