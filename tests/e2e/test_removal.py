"""Secrets that are no longer wanted are unbound and removed, never too many at once."""

from __future__ import annotations

from acr_refresher.settings import SETTINGS
from sites import SECRET, Site, only, passwords, references


def test_a_deselected_namespace_is_unbound_and_cleared(site: Site) -> None:
    kept = [site.namespace(f"kept-{number}") for number in range(3)]
    old = site.namespace("old", default=("theirs",))
    with site.function() as function:
        function.timer()
    with site.function(watchNamespace=f"{site.prefix}-kept-*") as function:
        report = function.timer()
    assert only(report, old)["result"] == "removed"
    assert site.hangzhou.get_secret(old, SECRET) is None
    assert references(site.hangzhou, old) == ["theirs"]
    assert all(passwords(site.hangzhou, namespace) for namespace in kept)


def test_a_large_removal_must_be_allowed_explicitly(site: Site) -> None:
    """`force` alone does not allow the removal, and `allowRemoval` renews nothing."""
    old, kept = site.namespace("old"), site.namespace("kept")
    for number in range(SETTINGS.removal_guard_from - 2):
        site.namespace(f"old-{number}")
    with site.function() as function:
        function.timer()
    with site.function(watchNamespace=kept) as function:
        refused = function.invoke()
        forced = function.invoke(force=True)
        assert passwords(site.hangzhou, old)
        allowed = function.invoke(allowRemoval=True)
    for report in (refused, forced):
        outcome = only(report, old)
        assert (outcome["result"], outcome["reason"]) == ("failed", "removal-blocked")
        assert report["ok"] is False
    assert only(allowed, old)["result"] == "removed"
    assert only(allowed, kept)["result"] == "unchanged"
    assert passwords(site.hangzhou, old) == {}


def test_one_of_two_namespaces_is_removed_without_confirmation(site: Site) -> None:
    old, kept = site.namespace("old"), site.namespace("kept")
    with site.function() as function:
        function.timer()
    with site.function(watchNamespace=kept) as function:
        report = function.timer()
    assert only(report, old)["result"] == "removed"
    assert only(report, kept)["result"] == "unchanged"
