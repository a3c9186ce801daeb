"""Every problem of a config.yaml is reported at once: where, what is wrong, what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from acr_refresher.config.load import ConfigError, load_config
from config_documents import (
    CLUSTER,
    REGISTRY,
    SOUND,
    problems,
    problems_of_bytes,
    with_cluster,
    with_registry,
    with_selector,
)


@pytest.mark.parametrize(
    ("document", "place", "problem", "remedy"),
    [
        # ---- keys and types
        (
            with_cluster(clusterTimeout="20s"),
            "clusters[0].clusterTimeout",
            "is not a known key",
            "put it at the top level, beside clusters",
        ),
        (
            {**SOUND, "watchNamespace": "all"},
            "watchNamespace",
            "is not a known key",
            "put it under defaults, clusters, discover",
        ),
        (
            with_cluster(watchNamespaces="default"),
            "clusters[0].watchNamespaces",
            "is not a known key",
            "did you mean watchNamespace?",
        ),
        (
            with_selector({"matchLabels": {"a": "b"}, "matchlabels": {}}),
            "clusters[0].namespaceSelector.matchlabels",
            "is not a known key",
            "did you mean matchLabels?",
        ),
        (
            {**SOUND, "an odd key": 1},
            '"an odd key"',
            "is not a known key",
            (
                "use one of: registries, defaults, clusters, discover, concurrency, clusterTimeout,"
                " shardSize, rateLimits, sls"
            ),
        ),
        (
            SOUND | {7: "x"},
            "[7]",
            "is a key that is not text",
            "put it in quotes",
        ),
        (
            {**SOUND, "clusters": {}},
            "clusters",
            "is a mapping, not a list",
            "write a list",
        ),
        (
            {**SOUND, "clusters": []},
            "clusters",
            "is empty",
            "name at least one, or leave the key out",
        ),
        (
            {**SOUND, "clusters": [CLUSTER, "idc"]},
            "clusters[1]",
            "is text, not a mapping",
            "write keys and values",
        ),
        (
            {**SOUND, "concurrency": 0},
            "concurrency",
            "is 0, less than 1",
            "use 1 or more",
        ),
        (
            {**SOUND, "clusterTimeout": "11m"},
            "clusterTimeout",
            "11m is out of range",
            "use 1s to 10m",
        ),
        (
            {**SOUND, "clusterTimeout": 20},
            "clusterTimeout",
            "is not a duration",
            'write it with units, such as "15m" or "1h30m"',
        ),
        (
            {**SOUND, "shardSize": 5001},
            "shardSize",
            "is 5001, more than 5000",
            "use 5000 or less",
        ),
        (
            {**SOUND, "rateLimits": {"sts": 0}},
            "rateLimits.sts",
            "is 0, less than 0.1",
            "use 0.1 or more",
        ),
        (
            {**SOUND, "rateLimits": {"cr": "20/s"}},
            "rateLimits.cr",
            "is text, not a number",
            "write a number without quotes",
        ),
        (
            {**SOUND, "rateLimits": {"acr": 20}},
            "rateLimits.acr",
            "is not a known key",
            "did you mean cr?",
        ),
        (
            {**SOUND, "rateLimits": 20},
            "rateLimits",
            "is a number, not a mapping",
            "write keys and values",
        ),
        (
            [],
            "config.yaml",
            "is a list, not a mapping",
            "write keys and values",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_named_with_its_place_and_remedy(
    document: object, place: str, problem: str, remedy: str
) -> None:
    assert f"{place}: {problem}; {remedy}" in problems(document)


def test_an_error_holds_each_problem_and_has_a_line_for_it(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"clusters": [{"name": "A"}], "concurrency": "many"}))
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    assert len(refused.value.problems) == 4
    assert str(refused.value).splitlines() == [str(each) for each in refused.value.problems]


def test_a_valid_document_has_no_problem() -> None:
    assert problems(SOUND) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "config.yaml: is empty, not a mapping; write keys and values"),
        (b"a: [b\n", "config.yaml: is not valid YAML in line 2, column 1: "),
        (b"a: !!python/name:os.system x\n", "config.yaml: is not valid YAML in line 1, column 4: "),
        (
            b"a: !!bool perhaps\n",
            "config.yaml: is not valid YAML in line 1, column 4: found a value",
        ),
        (b"a: 2026-99-99\n", "is not a valid timestamp; put it in quotes if it is text"),
        (b"a: \x01\n", "config.yaml: has the control character U+0001 in line 1; remove it"),
        (b"a: \xff\n", "is not UTF-8 text; save it as UTF-8"),
        (b"[" * 50_000, "config.yaml: is nested deeper than 32 levels; flatten it"),
        (b"[" * 50 + b"]" * 50, "config.yaml: is nested deeper than 32 levels; flatten it"),
        (b"clusters: &a [*a]\n", "line 1, column 15: found an alias within what it stands for"),
        (b"a: 1\na: 2\n", "a: is in line 1 and again in line 2; keep one of them"),
        (
            b"clusters:\n- name: a\n  name: b\n",
            "clusters[0].name: is in line 2 and again in line 3; keep one of them",
        ),
    ],
)
def test_text_that_is_not_yaml_is_a_problem_with_its_line(content: bytes, problem: str) -> None:
    assert any(problem in line for line in problems_of_bytes(content))


def test_a_file_that_cannot_be_read_is_named_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file or directory") as missing:
        load_config(tmp_path / "config.yaml")
    assert missing.value.problems[0].path == str(tmp_path / "config.yaml")


def test_every_problem_is_reported_at_once() -> None:
    document = {
        "registries": [{**REGISTRY, "regionId": 7}, {**REGISTRY, "domain": "a.example.com"}],
        "clusters": [{"name": "A", "registries": ["mian"]}],
    }
    paths = [line.partition(": ")[0] for line in problems(document)]
    assert paths == [
        "registries[0].regionId",
        "registries[1].domain",
        "clusters[0].name",
        "registries[1].name",
        "clusters[0].registries[0]",
        "clusters[0]",
    ]


WRONG = {"not": "this"}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        *(
            (with_registry(**{key: WRONG}), f"registries[0].{key}")
            for key in (
                "instanceId",
                "regionId",
                "domains",
                "verify",
                "expireDuration",
            )
        ),
        *(
            (with_cluster(**{key: WRONG}), f"clusters[0].{key}")
            for key in (
                "name",
                "clusterId",
                "regionId",
                "registries",
                "grantable",
                "secretName",
                "serviceAccount",
                "pullSecrets",
                "externalId",
                "privateEndpoint",
            )
        ),
    ],
)
def test_a_wrong_value_is_one_problem(document: object, path: str) -> None:
    """Nothing else is concluded from it, such as that the key is missing."""
    assert {line.partition(": ")[0] for line in problems(document)} == {path}


@pytest.mark.parametrize(
    "document",
    [
        with_registry(customAccessKeySecret="s3cr3t"),
        with_registry(assumeRoleARN={"token": "s3cr3t"}),
        with_registry(domains="https://user:s3cr3t@a.example.com"),
        with_cluster(kubeconfig="users:\n- user:\n    token: s3cr3t\n"),
        with_cluster(regionId="AccessKeySecret=s3cr3t"),
    ],
)
def test_no_secret_gets_into_a_message(document: object) -> None:
    found = problems(document)
    assert found
    assert "s3cr3t" not in "\n".join(found)


def test_a_secret_left_in_the_wrong_key_is_masked_and_a_long_value_cut() -> None:
    key = "q7Gd0TzWcL4xVb92NsKeRf5YhAuJmP"
    (line,) = problems(with_cluster(regionId=key))
    assert line == (
        'clusters[0].regionId: "**********" is not a region ID; use an ID such as cn-hangzhou'
    )
    (line,) = problems(with_cluster(regionId="x" * 500))
    assert f'"{"x" * 80}…" is not' in line


KEYS = st.sampled_from(
    [
        "registries",
        "clusters",
        "discover",
        "defaults",
        "name",
        "kubeconfig",
        "clusterId",
        "watchNamespace",
        "pullSecrets",
        "secretName",
        "grantable",
        "instanceId",
        "domains",
        "assumeRoleARN",
        "externalId",
        "arn",
        "kubeconfigSecret",
        "inCluster",
        "rrsaRoleARN",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates()
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(), inner, max_size=4)
    ),
)
SYNTAX = st.text("a1:-[]{}&*!|>\"'%@#?, \n\t.", max_size=40).map(str.encode)


@given(VALUES)
def test_no_document_raises_anything_but_a_config_error(document: object) -> None:
    assert problems(document)


@given(st.binary(max_size=60) | SYNTAX)
def test_no_bytes_raise_anything_but_a_config_error(content: bytes) -> None:
    assert problems_of_bytes(content)
