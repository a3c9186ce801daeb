"""The ACK credential helper's configuration in the forms that it is really found in."""

from __future__ import annotations

import json

import pytest

from acr_refresher.config.helper_document import _DOMAINS, read_helper_document
from acr_refresher.config.strict import InvalidInput
from acr_refresher.core.ack_helper import HelperConfig

EE = {"instanceid": "cri-a", "regionid": "cn-hangzhou"}
FULL = HelperConfig(
    registries=({**EE, "domains": "a.example.com,b.example.com"},),
    watch_namespace="all",
    service_account="default",
    expiring_threshold="15m",
)

CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: acr-configuration
  namespace: kube-system
data:
  acr-api-version: "2018-12-01"
  acr-registry-info: |
    - instanceId: "cri-a"           # the instance
      regionId: "cn-hangzhou"
      domains: "a.example.com,b.example.com"
  expiring-threshold: 15m
  service-account: default
  watch-namespace: all
"""
DATA_ALONE = """
acr-registry-info: |
  - instanceId: cri-a
    regionId: cn-hangzhou
    domains: a.example.com,b.example.com
watch-namespace: "all"
service-account: "default"
expiring-threshold: "15m"
"""
QUOTED_APART = """
data:
  acr-registry-info: |
    - instanceId: cri-a
      regionId: cn-hangzhou
      domains: "a.example.com", "b.example.com"   # both
  expiring-threshold: 15m
  service-account: default
  watch-namespace: all
"""
JSON_INSIDE = """
data:
  acr-registry-info: '[{"instanceId": "cri-a", "regionId": "cn-hangzhou", "domains":
    "a.example.com,b.example.com"}]'
  expiring-threshold: 15m
  service-account: default
  watch-namespace: all
"""
ADD_ON = {
    "AcrInstanceInfo": [
        {
            "InstanceId": "cri-a",
            "regionId": "cn-hangzhou",
            "domains": "a.example.com,b.example.com",
            "assumeRoleARN": None,
        }
    ],
    "enableRRSA": False,
    "expiringThreshold": "15m",
    "serviceAccount": "default",
    "watchNamespace": "all",
}
INSTALLED = {"name": "managed-aliyun-acr-credential-helper", "config": json.dumps(ADD_ON)}
OF_KUBECTL = {
    "kind": "List",
    "items": [
        "not an object",
        {"metadata": {"name": "other"}, "data": {"watch-namespace": "theirs"}},
        {
            "metadata": {"name": "acr-configuration"},
            "data": {
                "acr-registry-info": json.dumps(ADD_ON["AcrInstanceInfo"]),
                "watch-namespace": "all",
                "service-account": "default",
                "expiring-threshold": "15m",
            },
        },
    ],
}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(CONFIG_MAP, id="ConfigMap"),
        pytest.param(DATA_ALONE, id="its data alone"),
        pytest.param(QUOTED_APART, id="domains quoted one by one"),
        pytest.param(JSON_INSIDE, id="JSON inside"),
        pytest.param(json.dumps(ADD_ON), id="add-on"),
        pytest.param(json.dumps(INSTALLED), id="add-on with its configuration as text"),
        pytest.param(json.dumps([{"name": "nginx"}, INSTALLED]), id="among other add-ons"),
        pytest.param(json.dumps({**INSTALLED, "config": ADD_ON}), id="add-on, parsed"),
        pytest.param(json.dumps(OF_KUBECTL), id="List"),
    ],
)
def test_it_is_read_in_whatever_form(text: str) -> None:
    assert read_helper_document(text, "cm.yaml") == FULL


@pytest.mark.parametrize(
    "text",
    [
        "acr-registry-info:\nwatch-namespace: shop",
        'acr-registry-info: ""\nwatch-namespace: shop',
        "acr-registry-info: |\n  # - instanceId: cri-xxx\nwatch-namespace: shop",
        "watch-namespace: shop",
    ],
)
def test_an_empty_shell(text: str) -> None:
    assert read_helper_document(text, "cm.yaml") == HelperConfig(watch_namespace="shop")


def test_one_registry_that_is_in_no_list() -> None:
    found = read_helper_document("acr-registry-info: 'instanceId: cri-a'", "cm.yaml")
    assert found.registries == ({"instanceid": "cri-a"},)


def test_stars_without_quotes() -> None:
    found = read_helper_document("watch-namespace: *\nservice-account: *\n", "cm.yaml")
    assert (found.watch_namespace, found.service_account) == ("*", "*")


@pytest.mark.parametrize(
    "text",
    [
        'rrsa: "enable: true"',
        "rrsa: {enable: true}",
        "rrsa: true",
        '{"enableRRSA": true}',
        '{"enableRRSA": "true"}',
    ],
)
def test_rrsa_enabled(text: str) -> None:
    assert read_helper_document(text, "cm.yaml").rrsa
    assert not read_helper_document(text.replace("true", "false"), "cm.yaml").rrsa


def test_settings_of_another_kind_are_kept_by_name_alone() -> None:
    found = read_helper_document("watch-namespace: a\nnotify-email: a@b.c\n", "cm.yaml")
    assert found.others == ("notify-email",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "cm.yaml: has none of the keys", id="empty"),
        pytest.param("just text", "cm.yaml: has none of the keys", id="text"),
        pytest.param("kind: Secret", "cm.yaml: has none of the keys", id="another thing"),
        pytest.param("[]", "cm.yaml: has none of the keys", id="none of the list"),
        pytest.param("a: [", "cm.yaml: is not valid YAML in line", id="broken"),
        pytest.param(
            "acr-registry-info: just text", "acr-registry-info: is not a list", id="no list"
        ),
        pytest.param(
            "acr-registry-info: [cri-a]", "acr-registry-info[0]: is not a registry", id="IDs alone"
        ),
        pytest.param(
            "acr-registry-info: '- a: ['",
            "acr-registry-info: is not valid YAML",
            id="broken inside",
        ),
    ],
)
def test_what_cannot_be_understood_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_helper_document(text, "cm.yaml")
    (found,) = refusal.value.problems
    assert str(found).startswith(problem)
    assert found.remedy


def test_many_empty_lines_are_each_looked_at_once() -> None:
    """The expression that repairs `domains` stays within a line, so it cannot start over."""
    found = _DOMAINS.search("\n" * 50 + "- domains: a, b")

    assert found is not None
    assert found.start() == 50


# ---- several documents, and repeated keys --------------------------------------------------------

OTHERS = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
"""


@pytest.mark.parametrize(
    "text",
    [
        f"---\n{CONFIG_MAP}\n---\n{OTHERS}",
        f"{OTHERS}\n---\n{CONFIG_MAP}",
        f"---\n---\n{OTHERS}\n---\n# nothing\n---\n{CONFIG_MAP}\n...\n",
        f"\ufeff---\n{CONFIG_MAP}\n---\n",
    ],
)
def test_the_config_map_is_found_among_several_documents(text: str) -> None:
    assert read_helper_document(text, "x.yaml") == FULL


def test_several_documents_without_the_config_map_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"x\.yaml: has none of the keys of the ACK credential"):
        read_helper_document(f"{OTHERS}---{OTHERS}", "x.yaml")


def test_a_forgotten_dash_between_two_registries_is_a_problem_with_its_lines() -> None:
    text = """
data:
  watch-namespace: all
  acr-registry-info: |
    - instanceId: cri-a
      regionId: cn-hangzhou
      instanceId: cri-b
      regionId: cn-beijing
"""
    with pytest.raises(InvalidInput) as refused:
        read_helper_document(text, "x.yaml")

    remedy = "keep one of them, or write - before each registry if a dash is missing"
    assert [str(each) for each in refused.value.problems] == [
        f"acr-registry-info[0].{key}: is in line {first} and again in line {first + 2} of"
        f" acr-registry-info; {remedy}"
        for key, first in (("instanceId", 1), ("regionId", 2))
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("data: {watch-namespace: a}\ndata: {}\n", "data: is in line 1 and again in line 2"),
        (
            'data: {"acr-registry-info": "{a: 1, a: 2}"}',
            "acr-registry-info.a: is in line 1 and again in line 1 of acr-registry-info",
        ),
        (
            '{"config": "{watch-namespace: 1, watch-namespace: 2}"}',
            "config.watch-namespace: is in line 1 and again in line 1 of config",
        ),
        (
            "data: {rrsa: '{enable: true, enable: false}'}",
            "rrsa.enable: is in line 1 and again in line 1 of rrsa",
        ),
        ('data: {acr-registry-info: "a\\n---\\nb"}', "is several documents"),
        (
            "data: {acr-registry-info: '!!int x'}",
            "acr-registry-info: is not valid YAML in line 1, column 1: found a value",
        ),
    ],
)
def test_a_repeated_key_is_a_problem_everywhere(text: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_helper_document(text, "x.yaml")

    assert problem in str(refused.value)
