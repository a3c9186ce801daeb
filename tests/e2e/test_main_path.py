"""The main job with real parts: what a platform team sees in its clusters after each run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from sites import (
    MAIN_HOSTS,
    PARTNER_HOSTS,
    SECRET,
    Site,
    later,
    only,
    passwords,
    references,
    results,
)

Log = Callable[[], list[dict[str, Any]]]


def test_a_timer_creates_secrets_and_binds_them(site: Site) -> None:
    shop = site.namespace("shop", default=("docker-hub",))
    web = site.namespace("web", site.beijing)
    with site.function() as function:
        report = function.timer()
    assert results(report) == {shop: "created", web: "created"}
    for cluster, namespace in ((site.hangzhou, shop), (site.beijing, web)):
        assert sorted(passwords(cluster, namespace)) == sorted(MAIN_HOSTS + PARTNER_HOSTS)
    assert references(site.hangzhou, shop) == ["docker-hub", SECRET]
    assert references(site.beijing, web) == [SECRET]


def test_the_secret_has_its_type_its_labels_and_its_expiry(site: Site) -> None:
    shop = site.namespace("shop")
    with site.function() as function:
        report = function.timer()
    secret = site.hangzhou.get_secret(shop, SECRET)
    assert secret
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    assert secret["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "acr-refresher"}
    annotations = secret["metadata"]["annotations"]
    assert annotations["acr-refresher/expires-at"] == only(report, shop)["expiresAt"]
    assert annotations["acr-refresher/run"] == report["run"]


def test_a_run_with_nothing_to_do_makes_three_lists_per_cluster_and_issues_no_token(
    site: Site,
) -> None:
    for name in ("a", "b", "c"):
        site.namespace(name)
    with site.function() as function:
        function.timer()
        function.cloud.journal.clear()
        report = function.timer()
        assert set(results(report).values()) == {"unchanged"}
        assert [cluster["requests"] for cluster in report["clusters"]] == [3, 3]
        assert function.cloud.calls("GetAuthorizationToken") == []


def test_the_first_run_makes_two_writes_per_namespace_and_a_rotation_makes_one(site: Site) -> None:
    for name in ("a", "b", "c"):
        site.namespace(name)
    with site.function() as function:
        created = function.timer()["clusters"][0]
        rotated = function.invoke(force=True)["clusters"][0]
    assert created["requests"] == 3 + 2 * 3
    assert rotated["requests"] == 3 + 3


def test_tokens_and_sessions_are_minted_once_for_all_clusters(site: Site) -> None:
    for name in ("a", "b"):
        site.namespace(name)
        site.namespace(name, site.beijing)
    with site.function() as function:
        function.timer()
        tokens = Counter(
            c.parameters["InstanceId"] for c in function.cloud.calls("GetAuthorizationToken")
        )
        roles = Counter(call.parameters["RoleArn"] for call in function.cloud.calls("AssumeRole"))
    assert tokens == {"cri-acmehz0000000001": 1, "cri-partnerbj00000001": 1}
    assert roles == dict.fromkeys(
        (
            "acs:ram::1000000000000001:role/acr-refresher-cluster",
            "acs:ram::3000000000000003:role/acr-refresher-cluster",
            "acs:ram::2000000000000002:role/acr-refresher-registry",
        ),
        1,
    )


def test_a_secret_is_renewed_before_it_expires(site: Site) -> None:
    shop = site.namespace("shop")
    with site.function() as function:
        function.timer()
        before = passwords(site.hangzhou, shop)
        with later(44):
            assert only(function.timer(), shop)["result"] == "unchanged"
        with later(46):
            outcome = only(function.timer(), shop)
        after = passwords(site.hangzhou, shop)
    assert (outcome["result"], outcome["reason"]) == ("renewed", "near-expiry")
    assert all(before[host] != after[host] for host in MAIN_HOSTS + PARTNER_HOSTS)


def test_an_expired_secret_is_renewed_with_the_reason_expired(site: Site) -> None:
    shop = site.namespace("shop")
    with site.function() as function:
        function.timer()
        with later(90):
            assert only(function.timer(), shop)["reason"] == "expired"


def test_each_cluster_has_its_own_threshold(site: Site) -> None:
    shop = site.namespace("shop")
    with site.function(expiringThreshold="50m") as function:
        function.timer()
        with later(11):
            assert only(function.timer(), shop)["reason"] == "near-expiry"


def test_force_rotates_only_the_requested_secrets(site: Site) -> None:
    team, other = site.namespace("team-a"), site.namespace("other")
    site.namespace("team-b", site.beijing)
    with site.function() as function:
        function.timer()
        before = {name: passwords(site.hangzhou, name) for name in (team, other)}
        report = function.invoke(
            clusters=["*-hangzhou"],
            namespaces=[f"{site.prefix}-team-*"],
            registries=["main"],
            force=True,
            reason="suspected leak",
        )
        after = {name: passwords(site.hangzhou, name) for name in (team, other)}
    assert results(report) == {team: "renewed"}
    assert report["reason"] == "suspected leak"
    assert {host for host, token in after[team].items() if token != before[team][host]} == set(
        MAIN_HOSTS
    )
    assert after[other] == before[other]


def test_a_dry_run_says_what_it_would_do_and_does_nothing(site: Site) -> None:
    shop = site.namespace("shop")
    with site.function() as function:
        report = function.invoke(dryRun=True)
        assert function.cloud.calls("GetAuthorizationToken") == []
    assert only(report, shop)["result"] == "planned"
    assert only(report, shop)["reason"] == "secret-missing"
    assert passwords(site.hangzhou, shop) == {}
    assert references(site.hangzhou, shop) == []


def test_a_star_binds_every_service_account_and_also_later_accounts(site: Site) -> None:
    shop = site.namespace("shop", default=(), builder=("theirs",))
    with site.function(serviceAccount="*") as function:
        function.timer()
        assert references(site.hangzhou, shop, "builder") == ["theirs", SECRET]
        site.hangzhou.create_service_account(shop, "runner")
        outcome = only(function.timer(), shop)
    assert (outcome["result"], outcome["bound"]) == ("bound", ["runner"])
    assert references(site.hangzhou, shop, "runner") == [SECRET]


def test_a_missing_service_account_is_reported_as_waiting_and_bound_later(site: Site) -> None:
    shop = site.namespace("shop")
    with site.function(serviceAccount="default,runner") as function:
        assert only(function.timer(), shop)["waitingFor"] == ["runner"]
        assert only(function.timer(), shop)["result"] == "waiting"
        site.hangzhou.create_service_account(shop, "runner")
        assert only(function.timer(), shop)["result"] == "bound"
    assert references(site.hangzhou, shop, "runner") == [SECRET]


def test_a_reference_that_somebody_removed_is_added_again(site: Site) -> None:
    shop = site.namespace("shop", default=("theirs",))
    with site.function() as function:
        function.timer()
        rewrite_references(site, shop, "theirs", "newer")
        assert only(function.timer(), shop)["result"] == "bound"
    assert references(site.hangzhou, shop) == ["theirs", "newer", SECRET]


def test_a_secret_that_somebody_else_created_is_never_changed(site: Site, log: Log) -> None:
    taken, shop = site.namespace("taken"), site.namespace("shop")
    site.hangzhou.create_secret(taken, SECRET, stringData={"theirs": "untouched"})
    with site.function() as function:
        for event in ({}, {"force": True}):
            report = function.invoke(**event)
            assert only(report, taken)["result"] == "conflict"
            assert "secretName" in only(report, taken)["remedy"]
    secret = site.hangzhou.get_secret(taken, SECRET)
    assert secret
    assert (secret["type"], "labels" in secret["metadata"]) == ("Opaque", False)
    assert references(site.hangzhou, taken) == []
    assert references(site.hangzhou, shop) == [SECRET]
    assert "secret.conflict" in {line["event"] for line in log()}


def test_an_edited_secret_is_written_again(site: Site) -> None:
    shop = site.namespace("shop")
    with site.function() as function:
        function.timer()
        path = f"/api/v1/namespaces/{shop}/secrets/{SECRET}"
        nothing = {"data": {".dockerconfigjson": "eyJhdXRocyI6e319"}}
        merge = "application/merge-patch+json"
        site.hangzhou.expect("PATCH", path, nothing, content_type=merge)
        outcome = only(function.timer(), shop)
    assert (outcome["result"], outcome["reason"]) == ("renewed", "data-drifted")
    assert sorted(passwords(site.hangzhou, shop)) == sorted(MAIN_HOSTS + PARTNER_HOSTS)


@pytest.mark.parametrize(
    ("unusable", "reason"),
    [
        pytest.param({"type": "Opaque"}, "wrong-type", id="another-type"),
        pytest.param(
            {
                "type": "kubernetes.io/dockerconfigjson",
                "stringData": {".dockerconfigjson": "{}"},
                "immutable": True,
            },
            "data-drifted",
            id="immutable",
        ),
    ],
)
def test_a_secret_of_ours_that_cannot_be_changed_is_replaced(
    site: Site, unusable: dict[str, Any], reason: str
) -> None:
    shop = site.namespace("shop")
    labels = {"app.kubernetes.io/managed-by": "acr-refresher"}
    body = {"metadata": {"name": SECRET, "labels": labels}, **unusable}
    site.hangzhou.expect("POST", f"/api/v1/namespaces/{shop}/secrets", body)
    with site.function() as function:
        outcome = only(function.timer(), shop)
    assert (outcome["result"], outcome["reason"]) == ("renewed", reason)
    assert sorted(passwords(site.hangzhou, shop)) == sorted(MAIN_HOSTS + PARTNER_HOSTS)


def test_a_changed_configuration_is_applied_at_once_with_new_tokens(site: Site) -> None:
    shop = site.namespace("shop")
    with site.function(registries=["main"]) as function:
        function.timer()
    assert sorted(passwords(site.hangzhou, shop)) == MAIN_HOSTS
    with site.function(registries=["main", "partner"]) as function:
        assert only(function.timer(), shop)["reason"] == "registry-missing"
    assert sorted(passwords(site.hangzhou, shop)) == sorted(MAIN_HOSTS + PARTNER_HOSTS)
    with site.function(registries=["partner"]) as function:
        assert only(function.timer(), shop)["reason"] == "registry-removed"
    assert sorted(passwords(site.hangzhou, shop)) == PARTNER_HOSTS


def test_a_terminating_namespace_is_skipped(site: Site) -> None:
    ending = site.namespace("ending")
    finalizer = {"metadata": {"finalizers": ["example.com/hold"]}}
    path = f"/api/v1/namespaces/{ending}"
    merge = "application/merge-patch+json"
    site.hangzhou.expect("PATCH", path, finalizer, content_type=merge)
    site.hangzhou.expect("DELETE", path)
    with site.function() as function:
        outcome = only(function.timer(), ending)
    site.hangzhou.expect("PATCH", path, {"metadata": {"finalizers": []}}, content_type=merge)
    assert (outcome["result"], outcome["reason"]) == ("skipped", "namespace-terminating")


def test_namespaces_are_selected_by_label(site: Site) -> None:
    chosen = site.namespace("chosen", labels={"team": site.prefix})
    site.namespace("other", labels={"team": "other"})
    selector = {"matchExpressions": [{"key": "team", "operator": "In", "values": [site.prefix]}]}
    with site.function(watchNamespace="all", namespaceSelector=selector) as function:
        assert results(function.timer()) == {chosen: "created"}


def rewrite_references(site: Site, namespace: str, *names: str) -> None:
    """Write the complete list, as other tools do."""
    site.hangzhou.expect(
        "PATCH",
        f"/api/v1/namespaces/{namespace}/serviceaccounts/default",
        {"imagePullSecrets": [{"name": name} for name in names]},
        content_type="application/merge-patch+json",
    )
