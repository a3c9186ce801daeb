"""The ACK credential helper's settings and their conversion."""

from __future__ import annotations

from typing import Any

import pytest

from acr_refresher.core.ack_helper import (
    ConvertedConfig,
    HelperConfig,
    Target,
    convert_helper_config,
)

EE = {"instanceid": "cri-a", "regionid": "cn-hangzhou"}
ROLE_A, ROLE_B = "acs:ram::1:role/a", "acs:ram::2:role/b"
PROVIDER = "acs:ram::1:oidc-provider/ack-rrsa-c1"
RRSA = {"rrsarolearn": ROLE_A, "rrsaoidcproviderrolearn": PROVIDER}
ACK = Target("prod", "c1", "cn-shanghai")


def of(*registries: dict[str, Any], target: Target = ACK, **settings: Any) -> ConvertedConfig:
    return convert_helper_config(HelperConfig(registries, **settings), target)


def registry(*registries: dict[str, Any], **settings: Any) -> dict[str, Any]:
    (section,) = of(*registries, **settings).document["registries"]
    return dict(section)


def cluster(target: Target = ACK, **settings: Any) -> dict[str, Any]:
    (section,) = of(EE, target=target, **settings).document["clusters"]
    return dict(section)


def remarks(*registries: dict[str, Any], **settings: Any) -> str:
    return "\n".join(of(*registries, **settings).remarks)


# ---- registries ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "section"),
    [
        pytest.param(
            EE,
            {"name": "cri-a", "instanceId": "cri-a", "regionId": "cn-hangzhou"},
            id="same account",
        ),
        pytest.param(
            {"instanceid": "cri-a"},
            {"name": "cri-a", "instanceId": "cri-a", "regionId": "cn-shanghai"},
            id="in the cluster's region",
        ),
        pytest.param(
            {"instanceid": "", "regionid": "cn-beijing"},
            {"name": "personal", "regionId": "cn-beijing"},
            id="Personal Edition",
        ),
        pytest.param({}, {"name": "personal", "regionId": "cn-shanghai"}, id="nothing given"),
        pytest.param(
            {"instanceid": "cn-beijing:cri-b"},
            {"name": "cri-b", "instanceId": "cn-beijing:cri-b", "regionId": "cn-beijing"},
            id="as ECI writes it",
        ),
        pytest.param(
            {"instanceid": "CRI_X", "regionid": "cn-beijing"},
            {"name": "registry", "instanceId": "CRI_X", "regionId": "cn-beijing"},
            id="no name can be made of its ID",
        ),
        pytest.param(
            {**EE, "assumerolearn": ROLE_B, "expireduration": "43200"},
            {
                "name": "cri-a",
                "instanceId": "cri-a",
                "regionId": "cn-hangzhou",
                "assumeRoleARN": ROLE_B,
                "expireDuration": 43200,
            },
            id="another account",
        ),
    ],
)
def test_a_registry(found: dict[str, Any], section: dict[str, Any]) -> None:
    assert registry(found) == section


@pytest.mark.parametrize(
    "domains",
    [
        "a.example.com,b.example.com",
        " a.example.com , b.example.com, ",
        '"a.example.com","b.example.com"',
        ["a.example.com", "b.example.com"],
        "https://A.example.com/,a.example.com,b.example.com",
    ],
)
def test_domains_however_they_are_written(domains: object) -> None:
    assert registry({**EE, "domains": domains})["domains"] == ["a.example.com", "b.example.com"]


def test_no_registry_at_all_is_the_regions_personal_edition() -> None:
    assert registry() == {"name": "personal", "regionId": "cn-shanghai"}
    assert "the helper serves if none is configured" in remarks()


def test_an_instance_that_is_named_several_times_gets_numbered_names() -> None:
    sections = of(EE, {**EE, "instanceid": "cri-ab"}, EE, EE).document["registries"]
    assert [each["name"] for each in sections] == ["cri-a", "cri-ab", "cri-a-2", "cri-a-3"]


def test_an_unknown_region_is_a_placeholder() -> None:
    result = of({"instanceid": "cri-a"}, target=Target())
    assert result.document["registries"][0]["regionId"] == "REGION-ID"
    assert result.remarks[0].startswith("registries[0] is in the cluster's region")


def test_an_access_key_causes_a_remark_and_is_never_shown() -> None:
    result = of({**EE, "customaccesskey": "LTAI-hunter1", "customaccesskeysecret": "hunter2"})
    assert "hunter" not in str(result)
    assert "has an access key, which is not carried over" in result.remarks[0]


@pytest.mark.parametrize(
    ("found", "remark"),
    [
        ({**EE, "expireduration": "1h"}, "expireDuration that is not a number"),
        (
            {**EE, "size": "hunter2", "colour": "hunter2"},
            "settings that are not carried over: colour, size",
        ),
        (EE, "with the function's own role"),
    ],
)
def test_remarks_about_a_registry(found: dict[str, Any], remark: str) -> None:
    assert remark in remarks(found)
    assert "hunter2" not in str(of(found))


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(EE, id="in a region of its own"),
        pytest.param({"instanceid": "cri-a"}, id="in the cluster's region"),
        pytest.param({**EE, "expireduration": "43200"}, id="with a number of seconds"),
    ],
)
def test_a_registry_with_a_role_needs_no_remark(found: dict[str, Any]) -> None:
    assert remarks({**found, "assumerolearn": ROLE_B}) == ""


def test_a_registry_whose_region_is_given_needs_not_the_clusters() -> None:
    result = of({**EE, "assumerolearn": ROLE_B}, target=Target("prod", "c1"))
    assert result.remarks == ("clusters[0] has no region: set regionId (or use --region)",)


# ---- RRSA ----------------------------------------------------------------------------------------


def test_rrsa_is_kept() -> None:
    found = {**EE, **RRSA, "assumerolearn": ROLE_B}
    section = registry(found, rrsa=True)
    assert section["rrsaRoleARN"] == ROLE_A
    assert section["rrsaOIDCProviderRoleARN"] == PROVIDER
    assert section["assumeRoleARN"] == ROLE_B
    assert "infra/rbac/rrsa-role.yaml" in remarks(found, rrsa=True)


@pytest.mark.parametrize(
    ("found", "rrsa", "remark"),
    [
        pytest.param({**EE, **RRSA}, False, "effect: the helper's RRSA is not enabled", id="off"),
        pytest.param({**EE, "rrsarolearn": ROLE_A}, True, "one of them is missing", id="half"),
        pytest.param({"regionid": "cn-beijing", **RRSA}, True, "Personal Edition", id="personal"),
    ],
)
def test_rrsa_without_effect_causes_a_remark(
    found: dict[str, Any], rrsa: bool, remark: str
) -> None:
    assert remark in remarks(found, rrsa=rrsa)


def test_rrsa_that_is_off_is_left_out() -> None:
    assert "rrsaRoleARN" not in registry({**EE, **RRSA})
    assert "rrsaRoleARN" not in registry({"regionid": "cn-beijing", **RRSA}, rrsa=True)


# ---- the cluster ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "section"),
    [
        (ACK, {"name": "prod", "clusterId": "c1", "regionId": "cn-shanghai"}),
        (Target(cluster_id="c1"), {"name": "c1", "clusterId": "c1", "regionId": "REGION-ID"}),
        (Target("idc"), {"name": "idc", "kubeconfig": "kubeconfigs/idc.yaml"}),
        (Target(), {"name": "imported", "kubeconfig": "kubeconfigs/imported.yaml"}),
    ],
)
def test_the_access_to_the_cluster(target: Target, section: dict[str, Any]) -> None:
    assert cluster(target) == section


def test_remarks_ask_for_unknown_facts_about_the_cluster() -> None:
    assert "set clusterId and regionId" in remarks(EE, target=Target())
    assert "clusters[0] has no region" in remarks(EE, target=Target(cluster_id="c1"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("all", "all"),
        ("ALL", "all"),
        ("*", "all"),
        ("shop,all", "all"),
        ("Default", ["default"]),
        ("shop, web,,shop", ["shop", "web"]),
        (["shop", "web"], ["shop", "web"]),
    ],
)
def test_namespaces(given: object, expected: object) -> None:
    assert cluster(watch_namespace=given)["watchNamespace"] == expected


def test_selecting_all_namespaces_causes_a_remark() -> None:
    assert '"all,kube-*"' in remarks(EE, watch_namespace="all")


@pytest.mark.parametrize(
    ("given", "expected"),
    [("*", "*"), ("default,*", "*"), ("Default", ["default"]), ("a, b", ["a", "b"])],
)
def test_service_accounts(given: str, expected: object) -> None:
    assert cluster(service_account=given)["serviceAccount"] == expected


def test_settings_that_are_not_given_keep_the_same_defaults() -> None:
    assert set(cluster()) == {"name", "clusterId", "regionId"}


def test_the_threshold_is_kept() -> None:
    assert cluster(expiring_threshold="15m")["expiringThreshold"] == "15m"


def test_other_settings_are_named() -> None:
    assert "notify-email is not carried over" in remarks(EE, others=("notify-email",))
