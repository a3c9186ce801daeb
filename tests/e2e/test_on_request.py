"""Namespaces request registries by annotation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sites import (
    CLUSTERS,
    MAIN_HOSTS,
    PARTNER_HOSTS,
    REQUESTED_INSTANCES,
    Site,
    config_of,
    only,
    passwords,
    references,
    results,
)

Log = Callable[[], list[dict[str, Any]]]
ROLES = "k8s.aliyun.com/acr-user-arns"
PARTNER = "cri-partnerbj00000001"


def config(site: Site) -> str:
    defaults = {
        "registries": ["main"],
        "watchNamespace": f"{site.prefix}-shop,!{site.prefix}-sealed",
        "grantable": ["partner"],
    }
    return config_of(defaults, clusters=CLUSTERS[:1])


def annotate(site: Site, namespace: str, **annotations: str | None) -> None:
    names = {"instances": REQUESTED_INSTANCES, "roles": ROLES}
    site.hangzhou.expect(
        "PATCH",
        f"/api/v1/namespaces/{namespace}",
        {"metadata": {"annotations": {names[key]: value for key, value in annotations.items()}}},
        content_type="application/merge-patch+json",
    )


def test_a_namespace_gets_the_registry_that_it_requests(site: Site) -> None:
    shop, lab, other = (site.namespace(name) for name in ("shop", "lab", "other"))
    annotate(site, shop, instances=PARTNER)
    annotate(site, lab, instances=f"cn-beijing:{PARTNER}")
    with site.function(config(site)) as function:
        assert results(function.timer()) == {shop: "created", lab: "created"}
        assert function.timer()["clusters"][0]["requests"] == 3
    assert sorted(passwords(site.hangzhou, shop)) == sorted(MAIN_HOSTS + PARTNER_HOSTS)
    assert sorted(passwords(site.hangzhou, lab)) == PARTNER_HOSTS
    assert references(site.hangzhou, lab) == ["acr-pull"]
    assert passwords(site.hangzhou, other) == {}


def test_the_registry_is_removed_with_the_annotation(site: Site) -> None:
    shop, lab = site.namespace("shop"), site.namespace("lab")
    kept = [site.namespace(f"kept-{number}") for number in range(3)]
    for name in (shop, lab, *kept):
        annotate(site, name, instances=PARTNER)
    with site.function(config(site)) as function:
        function.timer()
        annotate(site, shop, instances=None)
        annotate(site, lab, instances=None)
        report = function.timer()
    assert only(report, shop)["reason"] == "registry-removed"
    assert only(report, lab)["result"] == "removed"
    assert sorted(passwords(site.hangzhou, shop)) == MAIN_HOSTS
    assert passwords(site.hangzhou, lab) == {}


def test_a_request_for_a_registry_that_is_not_grantable_gives_a_warning(
    site: Site, log: Log
) -> None:
    shop, lab, sealed = (site.namespace(name) for name in ("shop", "lab", "sealed"))
    for name in (shop, lab, sealed):
        annotate(site, name, instances="cri-elsewhere")
    with site.function(config(site)) as function:
        report = function.timer()
    assert results(report) == {shop: "created", lab: "skipped"}
    assert only(report, lab)["reason"] == "not-grantable"
    assert "grantable" in only(report, lab)["remedy"]
    for name in (shop, lab):
        warning = only(report, name)["warnings"][0]
        assert "cri-elsewhere is requested by annotation and not granted" in warning
    (line,) = (line for line in log() if line["event"] == "cluster.served")
    assert line["secrets_with_warnings"] == 2
    assert report["ok"]


def test_no_role_is_taken_from_an_annotation(site: Site) -> None:
    shop = site.namespace("shop")
    role = "acs:ram::2000000000000002:role/somebody-elses"
    annotate(site, shop, instances=PARTNER, roles=role)
    with site.function(config(site)) as function:
        report = function.timer()
        assumed = [call.parameters["RoleArn"] for call in function.cloud.calls("AssumeRole")]
    assert only(report, shop)["result"] == "created"
    assert "are ignored" in only(report, shop)["warnings"][0]
    assert role not in assumed
