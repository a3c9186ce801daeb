"""What is no longer wanted goes: unbound first, and never too much of it at once."""

from __future__ import annotations

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


def test_too_large_a_removal_needs_force(site: Site) -> None:
    old, kept = site.namespace("old"), site.namespace("kept")
    with site.function() as function:
        function.timer()
    with site.function(watchNamespace=kept) as function:
        refused = function.invoke()
        assert passwords(site.hangzhou, old)
        allowed = function.invoke(force=True)
    assert (only(refused, old)["result"], only(refused, old)["reason"]) == (
        "failed",
        "removal-blocked",
    )
    assert refused["ok"] is False
    assert only(allowed, old)["result"] == "removed"
    assert passwords(site.hangzhou, old) == {}
