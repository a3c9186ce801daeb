"""Whatever config.yaml or the ACK helper's configuration says, it is read or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from acr_refresher.config.helper_document import read_helper_document
from acr_refresher.config.load import Config, read_config
from acr_refresher.config.strict import InvalidInput
from acr_refresher.core.ack_helper import Target, convert_helper_config
from fuzzing import altered, assert_linear, fuzzed, garbled, texts, values

CONFIG = {
    "registries": [
        {
            "name": "main",
            "instanceId": "cri-main",
            "regionId": "cn-hangzhou",
            "domains": ["main.example.com"],
            "assumeRoleARN": "acs:ram::1234567890123456:role/pull",
            "externalId": "word",
            "repositories": ["shop/*"],
        }
    ],
    "defaults": {"expiringThreshold": "15m", "watchNamespace": "all"},
    "clusters": [
        {
            "name": "prod",
            "clusterId": "c1",
            "regionId": "cn-hangzhou",
            "registries": ["main"],
            "watchNamespace": ["shop", "team-*"],
            "serviceAccount": ["default"],
            "namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]},
            "secretLabels": {"team": "platform"},
        },
        {"name": "idc", "kubeconfig": "kubeconfigs/idc.yaml", "proxyUrl": "http://proxy:3128"},
        {"name": "edge", "kubeconfigSecret": {"name": "edge", "regionId": "cn-beijing"}},
    ],
    "discover": [{"regions": ["cn-hangzhou"], "names": ["prod-*"], "tags": {"a": "b"}}],
    "sls": {"project": "acr", "logstore": "outcomes", "regionId": "cn-hangzhou"},
    "concurrency": 64,
    "clusterTimeout": "20s",
}
EXAMPLE = (Path(__file__).parents[2] / "function" / "config.yaml").read_text(encoding="utf-8")
HELPER = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "acr-configuration", "namespace": "kube-system"},
    "data": {
        "acr-registry-info": '- instanceId: cri-a\n  regionId: cn-hangzhou\n  domains: "a,b"\n',
        "rrsa": "enable: true",
        "watch-namespace": "all",
        "service-account": "*",
        "expiring-threshold": "15m",
    },
}


def refusal(act: Callable[[], object]) -> InvalidInput | None:
    try:
        act()
    except InvalidInput as refused:
        return refused
    return None


def check(act: Callable[[], object]) -> None:
    """A refusal has problems, each of them short."""
    refused = refusal(act)
    if refused is not None:
        assert refused.problems
        assert max(len(str(problem)) for problem in refused.problems) < 3000


def dumped(document: Any) -> str:
    try:
        return yaml.safe_dump(document, allow_unicode=True)
    except ValueError:  # an integer that Python refuses to print
        return json.dumps(None)


def read(text: str) -> Config:
    return read_config(text, "config.yaml", Path("/nowhere"))


def test_what_is_altered_here_is_sound() -> None:
    assert refusal(lambda: read(dumped(CONFIG))) is None
    assert refusal(lambda: read_helper_document(dumped(HELPER), "x")) is None


@fuzzed(200)
@given(altered(CONFIG) | values)
def test_an_altered_configuration_is_read_or_refused(document: object) -> None:
    check(lambda: read(dumped(document)))


@fuzzed(200)
@given(garbled(EXAMPLE) | garbled(dumped(CONFIG)))
def test_a_garbled_configuration_is_read_or_refused(text: str) -> None:
    check(lambda: read(text))


def imported(text: str, target: Target) -> None:
    convert_helper_config(read_helper_document(text, "x.yaml"), target)


@fuzzed(150)
@given(altered(HELPER) | values, st.builds(Target, texts, texts, texts))
def test_an_altered_helper_configuration_is_converted_or_refused(
    document: object, target: Target
) -> None:
    check(lambda: imported(dumped(document), target))


@fuzzed(200)
@given(garbled(dumped(HELPER)))
def test_a_garbled_helper_configuration_is_converted_or_refused(text: str) -> None:
    check(lambda: imported(text, Target()))


@fuzzed(200)
@given(garbled(HELPER["data"]["acr-registry-info"]))  # type: ignore[index]  # a mapping
def test_garbled_registries_are_converted_or_refused(text: str) -> None:
    document = {"data": {"acr-registry-info": text}}
    check(lambda: imported(json.dumps(document), Target()))


# ---- steps ---------------------------------------------------------------------------------------


def clusters(size: int) -> str:
    listed = [{"name": f"c{at}", "kubeconfig": f"c{at}.yaml"} for at in range(size)]
    return dumped({**CONFIG, "clusters": listed})


def same_clusters(size: int) -> str:
    return dumped({**CONFIG, "clusters": [{"name": "c", "kubeconfig": "c.yaml"}] * size})


def registries(size: int) -> str:
    listed = [
        {"name": f"r{at}", "instanceId": f"cri-{at}", "regionId": "cn-hangzhou"}
        for at in range(size)
    ]
    return dumped({"registries": listed, "clusters": CONFIG["clusters"][1:]})  # type: ignore[index]  # a list


FAMILIES: dict[str, Callable[[int], str]] = {
    "clusters": clusters,
    "clusters of one name": same_clusters,
    "registries": registries,
    "namespaces": lambda size: dumped(
        {**CONFIG, "defaults": {"watchNamespace": [f"n{at}" for at in range(size)]}}
    ),
    "namespaces in a text": lambda size: dumped(
        {**CONFIG, "defaults": {"watchNamespace": "a," * size}}
    ),
    "labels": lambda size: dumped(
        {**CONFIG, "defaults": {"secretLabels": {f"l{at}": "a" for at in range(size)}}}
    ),
    "unknown keys": lambda size: dumped({**CONFIG, **{f"key{at}": 1 for at in range(size)}}),
    "repeated keys": lambda size: "registries: []\n" * size,
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_configuration_takes_steps_by_its_size(family: str) -> None:
    assert_linear(lambda size: check(lambda: read(FAMILIES[family](size))), 50)


HELPER_FAMILIES: dict[str, Callable[[int], str]] = {
    "registries": lambda size: "- instanceId: cri-a\n" * size,
    "other names": lambda size: "".join(f"- instanceId: cri-{at}\n" for at in range(size)),
    "domains": lambda size: "domains: " + '"a",' * size,
    "lines of domains": lambda size: 'domains: "a","b"\n' * size,
    "stars": lambda size: "a: *\n" * size,
    "spaces": lambda size: "domains" + " " * size + "\n" + "-" * size,
}


@pytest.mark.parametrize("family", HELPER_FAMILIES)
def test_a_helper_configuration_takes_steps_by_its_size(family: str) -> None:
    def convert(size: int) -> None:
        text = json.dumps({"data": {"acr-registry-info": HELPER_FAMILIES[family](size)}})
        check(lambda: imported(text, Target()))

    assert_linear(convert, 100)
