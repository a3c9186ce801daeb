"""The ACK credential helper's settings and what becomes of each."""

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
        pytest.param({}, {"name": "personal", "regionId": "cn-shanghai"}, id="nothing said"),
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
    assert "the helper serves where none is named" in remarks()


def test_one_instance_named_several_times_is_told_apart() -> None:
    sections = of(EE, {**EE, "instanceid": "cri-ab"}, EE, EE).document["registries"]
    assert [each["name"] for each in sections] == ["cri-a", "cri-ab", "cri-a-2", "cri-a-3"]


def test_an_unknown_region_stays_to_be_written() -> None:
    result = of({"instanceid": "cri-a"}, target=Target())
    assert result.document["registries"][0]["regionId"] == "REGION-ID"
    assert result.remarks[0].startswith("registries[0] is in the cluster's region")


def test_an_access_key_is_told_of_and_never_shown() -> None:
    result = of({**EE, "customaccesskey": "LTAI-hunter1", "customaccesskeysecret": "hunter2"})
    assert "hunter" not in str(result)
    assert "has an access key, which is not carried over" in result.remarks[0]


@pytest.mark.parametrize(
    ("found", "remark"),
    [
        ({**EE, "expireduration": "1h"}, "expireDuration that is no number"),
        ({**EE, "colour": "hunter2"}, "settings that are not carried over: colour"),
        (EE, "with the function's own role"),
    ],
)
def test_what_is_told_of_a_registry(found: dict[str, Any], remark: str) -> None:
    assert remark in remarks(found)
    assert "hunter2" not in str(of(found))


def test_a_registry_with_a_role_needs_no_remark() -> None:
    assert remarks({**EE, "assumerolearn": ROLE_B}) == ""


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
        pytest.param({**EE, **RRSA}, False, "RRSA is not enabled", id="not enabled"),
        pytest.param({**EE, "rrsarolearn": ROLE_A}, True, "one of them is missing", id="half"),
        pytest.param({"regionid": "cn-beijing", **RRSA}, True, "Personal Edition", id="personal"),
    ],
)
def test_rrsa_without_effect_is_told_of(found: dict[str, Any], rrsa: bool, remark: str) -> None:
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
def test_the_way_to_the_cluster(target: Target, section: dict[str, Any]) -> None:
    assert cluster(target) == section


def test_what_is_not_known_of_the_cluster_is_asked_for() -> None:
    assert "write clusterId and regionId" in remarks(EE, target=Target())
    assert "clusters[0] has no region" in remarks(EE, target=Target(cluster_id="c1"))


@pytest.mark.parametrize(
    ("said", "expected"),
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
def test_namespaces(said: object, expected: object) -> None:
    assert cluster(watch_namespace=said)["watchNamespace"] == expected


def test_all_namespaces_come_with_a_remark() -> None:
    assert '"all,kube-*"' in remarks(EE, watch_namespace="all")


@pytest.mark.parametrize(
    ("said", "expected"),
    [("*", "*"), ("default,*", "*"), ("Default", ["default"]), ("a, b", ["a", "b"])],
)
def test_service_accounts(said: str, expected: object) -> None:
    assert cluster(service_account=said)["serviceAccount"] == expected


def test_what_is_not_said_is_left_to_the_defaults_which_are_the_same() -> None:
    assert set(cluster()) == {"name", "clusterId", "regionId"}


def test_the_threshold_is_kept() -> None:
    assert cluster(expiring_threshold="15m")["expiringThreshold"] == "15m"


def test_other_settings_are_named() -> None:
    assert "notify-email is not carried over" in remarks(EE, others=("notify-email",))
