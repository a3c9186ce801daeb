"""`acr-refresher plan` and `refresh`, with an operator's own credentials."""

from __future__ import annotations

import json

import pytest

from acr_refresher.cli.refresh import INTERRUPTED
from acr_refresher.settings import SETTINGS
from localkube.double import Fault
from operators import command, interrupted_at, printed_secrets
from sites import (
    MAIN_HOSTS,
    PARTNER_HOSTS,
    BrokenSite,
    Site,
    later,
    passwords,
    references,
    results,
)


def test_a_plan_tells_what_would_change_and_changes_nothing(site: Site) -> None:
    shop, new = site.namespace("shop"), f"{site.prefix}-new"
    with site.function() as function:
        function.timer()
        before = passwords(site.hangzhou, shop)
        site.namespace("new")
        with later(50):
            result = command(function, "plan")
        with later(50):
            shown = json.loads(command(function, "plan", "-o", "json").stdout)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert f"+ {new}/acr-pull create the secret does not exist yet" in lines
    renewal = f"~ {shop}/acr-pull renew a token expires soon;"
    assert [line for line in lines if line.startswith(renewal)]
    assert "binds default" in lines
    assert lines[-1] == "Plan: 1 to create, 1 to renew, 0 to bind, 0 to remove, 0 unchanged."
    assert (shown["dryRun"], results(shown)) == (True, {shop: "planned", new: "planned"})
    assert passwords(site.hangzhou, shop) == before
    assert passwords(site.hangzhou, new) == {}
    assert printed_secrets(function, result) == []


def test_a_plan_tells_what_would_be_removed_and_what_stays(site: Site) -> None:
    kept = [site.namespace(f"shop-{number}") for number in range(4)]
    old = site.namespace("old")
    with site.function() as function:
        function.timer()
    with site.function(watchNamespace=f"{site.prefix}-shop-*") as function:
        result = command(function, "plan")
        assert f"- {old}/acr-pull  remove  the namespace is no longer selected" in result.stdout
        assert f"  = {len(kept)} unchanged" in result.stdout
        assert passwords(site.hangzhou, old) != {}


def test_a_plan_that_the_function_would_refuse_fails(site: Site) -> None:
    for number in range(SETTINGS.removal_guard_from):
        site.namespace(f"old-{number}")
    with site.function() as function:
        function.timer()
    with site.function(watchNamespace="elsewhere") as function:
        result = command(function, "plan")
        forced = command(function, "plan", "--force")
        allowed = command(function, "plan", "--allow-removal")
    assert result.exit_code == forced.exit_code == 1
    assert "more than 30 % of the cluster's secrets would be removed" in result.stdout
    assert "check watchNamespace" in result.stdout
    assert (allowed.exit_code, "10 to remove" in allowed.stdout) == (0, True)


def test_a_refresh_does_what_the_function_does(site: Site) -> None:
    shop = site.namespace("shop")
    web = site.namespace("web", site.beijing)
    with site.function() as function:
        first = command(function, "refresh", "--cluster", "prod-h*")
        tokens = passwords(site.hangzhou, shop)
        second = command(function, "refresh", "--force", "--reason", "leak", "-o", "json")
        assert printed_secrets(function, first) == []
    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout.splitlines()[0] == "prod-hangzhou"
    assert f"warning, prod-hangzhou/{shop}/acr-pull: registry partner: cannot check" in first.stdout
    assert first.stdout.splitlines()[-1].startswith("Done: 1 created, 0 renewed")
    assert references(site.hangzhou, shop) == ["acr-pull"]
    report = json.loads(second.stdout)
    assert results(report) == {shop: "renewed", web: "created"}
    assert (report["reason"], report["trigger"]) == ("leak", "manual")
    assert passwords(site.hangzhou, shop) != tokens


def test_namespaces_and_registries_narrow_it_down(site: Site) -> None:
    """A new secret gets the logins of all registries, whichever the request names."""
    shop, _ = site.namespace("shop"), site.namespace("web")
    with site.function() as function:
        options = ("--namespace", f"{site.prefix}-s*", "--registry", "main", "-o", "json")
        report = json.loads(command(function, "refresh", *options).stdout)
    assert results(report) == {shop: "created"}
    assert set(passwords(site.hangzhou, shop)) == {*MAIN_HOSTS, *PARTNER_HOSTS}


def test_one_broken_cluster_fails_the_command_and_the_others_are_served(
    broken: BrokenSite,
) -> None:
    broken.namespace("shop")
    web = broken.namespace("web", broken.beijing)
    broken.hangzhou.faults.add(Fault("GET", "/api/v1/namespaces", status=403, times=99))
    with broken.function() as function:
        result = command(function, "refresh")
    assert result.exit_code == 1
    assert "! denied: GET /api/v1/namespaces" in result.stdout
    assert "1 of 2 clusters failed" in result.stdout
    assert passwords(broken.beijing, web) != {}


@pytest.mark.parametrize("name", ["plan", "refresh"])
def test_names_that_match_nothing_are_refused(broken: BrokenSite, name: str) -> None:
    with broken.function() as function:
        result = command(function, name, "--cluster", "prdo", "--registry", "man")
        assert function.cloud.calls() == []
    assert (result.exit_code, result.stdout) == (2, "")
    cluster, registry = result.stderr.splitlines()
    assert cluster.startswith("--cluster prdo: no such cluster; ")
    assert registry == "--registry man: no such registry; did you mean main?"


def test_ctrl_c_tells_what_may_have_been_done(broken: BrokenSite) -> None:
    broken.namespace("shop")
    with broken.function() as function:
        done = interrupted_at(broken.hangzhou, "PATCH", function, "refresh")
        looked = interrupted_at(broken.hangzhou, "GET", function, "plan")
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == f"Interrupted. {INTERRUPTED}\n"
    assert (looked.returncode, looked.stderr) == (130, "Interrupted. Nothing was changed.\n")
