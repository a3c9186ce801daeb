"""A role has the same external ID wherever the same caller assumes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from acr_refresher.config.load import ConfigError, load_config

MAIN = {"name": "main", "instanceId": "cri-main", "regionId": "cn-hangzhou"}
CLUSTER = {"name": "prod", "clusterId": "c1", "regionId": "cn-hangzhou"}
FIRST = "acs:ram::1:role/first"
LAST = "acs:ram::2:role/last"
RRSA = {
    "rrsaRoleARN": "acs:ram::3:role/rrsa",
    "rrsaOIDCProviderRoleARN": "acs:ram::3:oidc-provider/ack-rrsa-c1",
}
REQUIRED = {"arn": LAST, "externalId": "tenant-7"}


def write(folder: Path, *registries: dict[str, Any], **more: Any) -> Path:
    path = folder / "config.yaml"
    document = {"registries": [*registries], "clusters": [CLUSTER], **more}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def problems(folder: Path, *registries: dict[str, Any], **more: Any) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_config(write(folder, *registries, **more))
    return str(refused.value).splitlines()


@pytest.mark.parametrize(
    ("one", "other", "problem"),
    [
        (
            {"assumeRoleARN": LAST, "externalId": "tenant-7"},
            {"assumeRoleARN": LAST},
            'no externalId, but "tenant-7"',
        ),
        ({"assumeRoleARN": LAST}, {"assumeRoleARN": REQUIRED}, 'externalId "tenant-7", but none'),
        (
            {"assumeRoleARN": [FIRST, REQUIRED]},
            {"assumeRoleARN": [FIRST, {**REQUIRED, "externalId": "tenant-8"}]},
            'externalId "tenant-8", but "tenant-7"',
        ),
        (
            {**RRSA, "assumeRoleARN": REQUIRED},
            {**RRSA, "assumeRoleARN": LAST},
            'no externalId, but "tenant-7"',
        ),
    ],
    ids=["one and none", "none and one", "two, in a chain", "after RRSA"],
)
def test_a_caller_assumes_a_role_with_one_external_id(
    tmp_path: Path, one: dict[str, Any], other: dict[str, Any], problem: str
) -> None:
    found = problems(tmp_path, {**MAIN, **one}, {**MAIN, "name": "other", **other})
    remedy = "give both the external ID that the role's trust policy requires, or none"
    place = "registries[0].assumeRoleARN"
    assert found == [f'registries[1].assumeRoleARN: "{LAST}" has {problem} in {place}; {remedy}']


def test_a_kubeconfig_secret_counts_too(tmp_path: Path) -> None:
    secret = {"name": "idc", "regionId": "cn-hangzhou", "assumeRoleARN": LAST}
    clusters = [{"name": "idc", "kubeconfigSecret": secret}]
    (found,) = problems(tmp_path, {**MAIN, "assumeRoleARN": REQUIRED}, clusters=clusters)
    assert found.startswith(f'clusters[0].kubeconfigSecret.assumeRoleARN: "{LAST}" has no')


def test_another_caller_may_have_another_external_id(tmp_path: Path) -> None:
    """A trust policy has a statement for each."""
    direct = {**MAIN, "assumeRoleARN": REQUIRED}
    by_way = {**MAIN, "name": "other", "assumeRoleARN": [FIRST, LAST]}
    by_rrsa = {**MAIN, "name": "third", "assumeRoleARN": LAST, **RRSA}
    assert len(load_config(write(tmp_path, direct, by_way, by_rrsa)).registries) == 3


def test_a_wrong_external_id_contradicts_nothing(tmp_path: Path) -> None:
    unreadable = {**MAIN, "name": "other", "assumeRoleARN": [{"arn": LAST, "externalId": 7}, 7]}
    found = problems(tmp_path, {**MAIN, "assumeRoleARN": REQUIRED}, unreadable)
    assert not [problem for problem in found if "in registries[0]" in problem]
