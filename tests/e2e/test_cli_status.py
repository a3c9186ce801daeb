"""`acr-refresher status`, on clusters in every state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from acr_refresher.settings import SETTINGS
from demo.stage import Stage
from localkube.double import Fault
from operators import command, printed_secrets
from sites import MAIN_HOSTS, PARTNER_HOSTS, BrokenSite, Site, later


def test_every_secret_is_told_most_urgent_first(site: Site) -> None:
    shop = site.namespace("shop", default=("theirs",), builder=())
    with site.function(serviceAccount="*") as function:
        function.timer()
        fresh = command(function, "status")
        site.namespace("web", site.beijing)
        calls = len(function.cloud.calls("GetAuthorizationToken"))
        with later(50):
            result = command(function, "status", "-o", "json")
        assert len(function.cloud.calls("GetAuthorizationToken")) == calls
        with later(70):
            expired = command(function, "status", "--cluster", "prod-h*")
    (heading, *_), row = fresh.stdout.splitlines(), fresh.stdout.splitlines()[2].split()
    assert heading.split()[:4] == ["state", "cluster", "namespace", "secret"]
    assert row[:4] == ["fresh", "prod-hangzhou", shop, "acr-pull"]
    assert "builder, default" in fresh.stdout
    assert all(host in fresh.stdout for host in (*MAIN_HOSTS, *PARTNER_HOSTS))
    assert (fresh.exit_code, fresh.stderr, printed_secrets(function, fresh)) == (0, "", [])
    shown = json.loads(result.stdout)
    assert [(each["cluster"], each["state"]) for each in shown["secrets"]] == [
        ("prod-beijing", "missing"),
        ("prod-hangzhou", "due"),
    ]
    assert (result.exit_code, shown["ok"], shown["unread"]) == (0, True, [])
    assert shown["secrets"][1]["registries"] == ["main", "partner"]
    assert (expired.exit_code, "1 expired" in expired.stdout) == (1, True)


def test_it_agrees_with_a_plan(site: Site) -> None:
    """After a registry was added, a namespace deselected, and a reference taken away."""
    shops = [site.namespace(f"shop-{number}") for number in range(SETTINGS.removal_guard_from - 1)]
    old = site.namespace("old")
    with site.function(registries=["main"]) as function:
        function.timer()
    account = f"/api/v1/namespaces/{shops[0]}/serviceaccounts/default"
    merge = "application/merge-patch+json"
    site.hangzhou.expect("PATCH", account, {"imagePullSecrets": []}, content_type=merge)
    kept = f"{site.prefix}-shop-*"
    with site.function(registries=["main"], watchNamespace=kept) as function:
        shown = states(function)
        assert shown == {
            shops[0]: "unbound",
            old: "removing",
            **dict.fromkeys(shops[1:], "fresh"),
        }
    with site.function(watchNamespace=kept) as function:
        assert states(function) == {old: "removing", **dict.fromkeys(shops, "due")}
        assert "9 to renew, 0 to bind, 1 to remove" in command(function, "plan").stdout
    with site.function(watchNamespace="elsewhere") as function:
        result = command(function, "status")
    assert (result.exit_code, "10 removal-blocked" in result.stdout) == (1, True)


def states(function: Stage) -> dict[str, str]:
    """By namespace, of a status in which all is well."""
    result = command(function, "status", "-o", "json")
    assert result.exit_code == 0
    return {each["namespace"]: each["state"] for each in json.loads(result.stdout)["secrets"]}


def test_a_cluster_that_cannot_be_read_is_told_and_the_others_are_read(
    broken: BrokenSite, tmp_path: Path
) -> None:
    web = broken.namespace("web", broken.beijing)
    broken.hangzhou.faults.add(Fault("GET", "/api/v1/secrets", status=403))
    with broken.function() as function:
        result = command(function, "status", "--html", str(tmp_path / "status.html"))
    assert result.exit_code == 1
    assert result.stdout.startswith("! prod-hangzhou: not read: GET /api/v1/secrets")
    assert web in result.stdout
    assert "1 missing, 1 cluster not read" in result.stdout
    page = (tmp_path / "status.html").read_text()
    assert "<b>prod-hangzhou</b>: GET /api/v1/secrets" in page
    assert web in page


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "yesterday"])
def test_no_date_in_an_annotation_breaks_the_table_or_the_page(
    broken: BrokenSite, tmp_path: Path, time: str
) -> None:
    shop, web = broken.namespace("shop"), broken.namespace("web")
    place = f"/api/v1/namespaces/{shop}/secrets/acr-pull"
    page = tmp_path / "status.html"
    with broken.function() as function:
        function.timer()
        annotations = broken.hangzhou.expect("GET", place)["metadata"]["annotations"]
        entries = json.loads(annotations["acr-refresher/entries"])
        for key in ("refreshed-at", "expires-at"):
            annotations[f"acr-refresher/{key}"] = time
        changed = [{**entry, "mintedAt": time, "expiresAt": time} for entry in entries]
        annotations["acr-refresher/entries"] = json.dumps(changed)
        merge = "application/merge-patch+json"
        body = {"metadata": {"annotations": annotations}}
        broken.hangzhou.expect("PATCH", place, body, content_type=merge)
        table = command(function, "status", "--html", str(page))
        document = json.loads(command(function, "status", "-o", "json").stdout)
    assert table.stderr == ""
    assert shop in table.stdout
    assert shop in page.read_text()
    assert {each["namespace"] for each in document["secrets"]} == {shop, web}


def test_a_page_that_cannot_be_written(broken: BrokenSite, tmp_path: Path) -> None:
    with broken.function() as function:
        result = command(function, "status", "--html", str(tmp_path / "nowhere" / "status.html"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "cannot be written" in result.stderr
