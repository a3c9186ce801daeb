"""What is wrong with a config.yaml is said all at once: where, what, and what would be right."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from acr_refresher.config import ConfigError, load_config

REGISTRY = {"name": "main", "instanceId": "cri-main", "regionId": "cn-hangzhou"}
CLUSTER = {"name": "prod", "clusterId": "c1", "regionId": "cn-hangzhou"}
IDC = {"name": "idc", "kubeconfig": "idc.yaml"}


def problems_of_bytes(content: bytes) -> list[str]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_bytes(content)
        try:
            load_config(path)
        except ConfigError as refused:
            return str(refused).splitlines()
        return []


def problems(document: object) -> list[str]:
    return problems_of_bytes(yaml.safe_dump(document).encode())


def with_registry(**changes: object) -> dict[str, object]:
    return {"registries": [{**REGISTRY, **changes}], "clusters": [CLUSTER]}


def with_cluster(**changes: object) -> dict[str, object]:
    return {"registries": [REGISTRY], "clusters": [{**CLUSTER, **changes}]}


def with_sls(**section: object) -> dict[str, object]:
    return {"registries": [REGISTRY], "clusters": [CLUSTER], "sls": section}


def with_selector(selector: object) -> dict[str, object]:
    return with_cluster(namespaceSelector=selector)


SOUND: dict[object, object] = {"registries": [REGISTRY], "clusters": [CLUSTER]}


@pytest.mark.parametrize(
    ("document", "place", "problem", "remedy"),
    [
        # ---- the logstore
        (with_sls(logstore="outcomes"), "sls.project", "is missing", "add it"),
        (
            with_sls(project="Logs"),
            "sls.project",
            '"Logs" is not the name of a log project',
            "use 3 to 63 lower-case letters, digits and '-'",
        ),
        (
            with_sls(project="logs", logstore="a b"),
            "sls.logstore",
            '"a b" is not the name of a logstore',
            "use 2 to 63 lower-case letters, digits, '-' and '_'",
        ),
        (
            with_sls(project="logs", endpoint="https://log.example.com"),
            "sls.endpoint",
            '"https://log.example.com" is not an endpoint of SLS',
            "use one such as cn-hangzhou-intranet.log.aliyuncs.com, without scheme and project",
        ),
        # ---- a registry
        (
            with_registry(instanceId="crI-x"),
            "registries[0].instanceId",
            '"crI-x" is not the ID of an Enterprise Edition instance',
            (
                "use the one that the Container Registry console shows, cri-… or <region>:cri-…;"
                " leave the key out for Personal Edition"
            ),
        ),
        (
            with_registry(regionId="hangzhou"),
            "registries[0].regionId",
            '"hangzhou" is not a region ID',
            "use one such as cn-hangzhou",
        ),
        (
            with_registry(assumeRoleARN="acs:ram::1:user/x"),
            "registries[0].assumeRoleARN",
            '"acs:ram::1:user/x" is not the ARN of a RAM role',
            "use acs:ram::<account ID>:role/<role name>",
        ),
        (
            with_registry(domains=["ok.example.com", "https://a.example.com/x"]),
            "registries[0].domains[1]",
            '"https://a.example.com/x" is not a host name',
            "use a lower-case host or host:port, without scheme and path",
        ),
        (
            with_registry(domains=[]),
            "registries[0].domains",
            "is empty",
            "name at least one, or leave the key out",
        ),
        (
            with_registry(expireDuration=3599),
            "registries[0].expireDuration",
            "is 3599, less than 3600",
            "use 3600 or more",
        ),
        (
            with_registry(expireDuration=43201),
            "registries[0].expireDuration",
            "is 43201, more than 43200",
            "use 43200 or less",
        ),
        (
            with_registry(expireDuration="3600"),
            "registries[0].expireDuration",
            "is text, not a whole number",
            "write a number without quotes",
        ),
        (
            with_registry(regionId=None),
            "registries[0].regionId",
            "is empty",
            "give it a value or leave the key out",
        ),
        (
            {"registries": [{"name": "main", "instanceId": "cri-main"}], "clusters": [CLUSTER]},
            "registries[0].regionId",
            "is missing",
            "add it",
        ),
        (
            {"registries": [REGISTRY, REGISTRY], "clusters": [CLUSTER]},
            "registries[1].name",
            '"main" is that of registries[0] too',
            "give each its own",
        ),
        # ---- the way to a cluster
        (
            {"registries": [REGISTRY], "clusters": [{"name": "prod"}]},
            "clusters[0]",
            "does not say how to reach the cluster",
            (
                "add clusterId and regionId of an ACK cluster, the path of a kubeconfig, a"
                " kubeconfigSecret, or inCluster: true"
            ),
        ),
        (
            {"registries": [REGISTRY], "clusters": [{"name": "prod", "clusterId": "c1"}]},
            "clusters[0].regionId",
            "is missing",
            "add it",
        ),
        (
            with_cluster(kubeconfig="prod.yaml"),
            "clusters[0]",
            "has kubeconfig and clusterId, regionId",
            "keep one way to the cluster",
        ),
        (
            {"registries": [REGISTRY], "clusters": [{"name": "idc", "kubeconfig": ""}]},
            "clusters[0].kubeconfig",
            "is not the path of a file",
            "keep the kubeconfig in a file of its own and give its path, relative to config.yaml",
        ),
        (
            with_cluster(clusterId="prod"),
            "clusters[0].clusterId",
            '"prod" is not an ACK cluster ID',
            "use the one that the ACK console shows, c…",
        ),
        (
            {"registries": [REGISTRY], "clusters": [CLUSTER, {**CLUSTER, "name": "other"}]},
            "clusters[1].clusterId",
            '"c1" is that of clusters[0] too',
            "give each its own",
        ),
        (
            {
                "registries": [REGISTRY],
                "clusters": [IDC, {"name": "other", "kubeconfig": "./idc.yaml"}],
            },
            "clusters[1].kubeconfig",
            '"idc.yaml" is that of clusters[0] too',
            "give each its own",
        ),
        # ---- what a cluster is served with
        (
            with_cluster(registries=["mian"]),
            "clusters[0].registries[0]",
            '"mian" is not the name of a registry',
            "did you mean main?",
        ),
        (
            {
                "registries": [REGISTRY, {**REGISTRY, "instanceId": "cri-main2"}],
                "clusters": [{**CLUSTER, "registries": ["other"]}],
            },
            "clusters[0].registries[0]",
            '"other" is not the name of a registry',
            "use one of: main",
        ),
        (
            {**SOUND, "defaults": {"registries": "main,other"}},
            "defaults.registries[1]",
            '"other" is not the name of a registry',
            "use one of: main",
        ),
        (
            with_cluster(watchNamespace="!kube-*,!x"),
            "clusters[0].watchNamespace",
            "only leaves out namespaces",
            'name those to serve as well, such as "all"',
        ),
        (
            with_cluster(watchNamespace="default,!all"),
            "clusters[0].watchNamespace",
            "leaves out every namespace",
            "leave out by name or glob",
        ),
        (
            with_cluster(watchNamespace=["Team", "team-["]),
            "clusters[0].watchNamespace[0]",
            '"Team" is not a namespace or a pattern of namespaces',
            'use exact names, globs such as "team-*", "all", and "!" before what to leave out',
        ),
        (
            with_cluster(watchNamespace="a,b,a"),
            "clusters[0].watchNamespace",
            'names "a" more than once',
            "name each once",
        ),
        (
            with_cluster(serviceAccount=["*", "builder"]),
            "clusters[0].serviceAccount",
            'names others beside "*", which is every service account',
            "keep one of them",
        ),
        (
            with_cluster(serviceAccount="build-*"),
            "clusters[0].serviceAccount[0]",
            '"build-*" is not the name of a service account',
            'use exact names, or "*" alone for every one',
        ),
        (
            with_cluster(secretName="acr-credential-secret-aggregation"),
            "clusters[0].secretName",
            '"acr-credential-secret-aggregation" belongs to the ACK credential helper',
            "use a name that does not begin with acr-credential-",
        ),
        (
            with_cluster(secretName="Pull"),
            "clusters[0].secretName",
            '"Pull" is not the name of a secret',
            "use at most 253 lower-case letters, digits, '-' and '.'",
        ),
        *(
            (
                with_cluster(expiringThreshold=threshold),
                "clusters[0].expiringThreshold",
                "is not a duration",
                'use one with units, such as "15m" or "1h30m"',
            )
            for threshold in (900, "", "soon")
        ),
        *(
            (
                with_cluster(expiringThreshold=threshold),
                "clusters[0].expiringThreshold",
                "is out of range",
                "use more than 0s and less than 12h",
            )
            for threshold in ("0s", "12h")
        ),
        (
            with_selector({}),
            "clusters[0].namespaceSelector",
            "requires nothing",
            "add matchLabels or matchExpressions",
        ),
        (
            with_selector({"matchLabels": {"pull": True}}),
            "clusters[0].namespaceSelector.matchLabels.pull",
            "is true or false, not text",
            "write text, in quotes where it looks like another type",
        ),
        (
            with_selector({"matchLabels": {"pull": "a b"}}),
            "clusters[0].namespaceSelector.matchLabels.pull",
            '"a b" is not the value of a label',
            "use at most 63 letters, digits, '-', '_' and '.'",
        ),
        (
            with_selector({"matchExpressions": [{"key": "a", "operator": "in", "values": ["b"]}]}),
            "clusters[0].namespaceSelector.matchExpressions[0].operator",
            '"in" is unknown',
            "use 'In', 'NotIn', 'Exists' or 'DoesNotExist'",
        ),
        (
            with_selector({"matchExpressions": [{"key": "a", "operator": "NotIn"}]}),
            "clusters[0].namespaceSelector.matchExpressions[0]",
            "has no values, which NotIn needs",
            "add values: […]",
        ),
        (
            with_selector(
                {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}
            ),
            "clusters[0].namespaceSelector.matchExpressions[0]",
            "has values, which Exists does not take",
            "leave them out",
        ),
        # ---- keys and types
        (
            with_cluster(clusterTimeout="20s"),
            "clusters[0].clusterTimeout",
            "is not a known key",
            "put it at the top, beside clusters",
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
            "is a key, but not text",
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
            "is out of range",
            "use 1s to 10m",
        ),
        (
            {**SOUND, "clusterTimeout": 20},
            "clusterTimeout",
            "is not a duration",
            'use one with units, such as "15m" or "1h30m"',
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


def test_a_sound_document_has_no_problem() -> None:
    assert problems(SOUND) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "config.yaml: is empty, not a mapping; write keys and values"),
        (b"a: [b\n", "config.yaml: is not valid YAML in line 2, column 1: "),
        (b"a: !!python/name:os.system x\n", "config.yaml: is not valid YAML in line 1, column 4: "),
        (b"a: !!bool perhaps\n", "config.yaml: is not valid YAML; quote what looks like a date"),
        (b"a: 2026-99-99\n", "config.yaml: is not valid YAML; quote what looks like a date"),
        (b"a: \x01\n", "config.yaml: is not valid YAML; quote what looks like a date"),
        (b"a: \xff\n", "is not UTF-8 text; save it as UTF-8"),
        (b"[" * 50_000, "config.yaml: is not valid YAML"),
        (b"[" * 50 + b"]" * 50, "config.yaml: is nested deeper than 32 levels; flatten it"),
        (b"clusters: &a [*a]\n", "clusters[0]: is a list, not a mapping; write keys and values"),
        (b"a: 1\na: 2\n", "a: stands in line 1 and again in line 2; keep one"),
        (
            b"clusters:\n- name: a\n  name: b\n",
            "clusters[0].name: stands in line 2 and again in line 3; keep one",
        ),
    ],
)
def test_what_is_not_sound_yaml_is_said_with_its_line(content: bytes, problem: str) -> None:
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
        'clusters[0].regionId: "**********" is not a region ID; use one such as cn-hangzhou'
    )
    (line,) = problems(with_cluster(regionId="x" * 500))
    assert f'"{"x" * 80}…" is not' in line


KEYS = st.sampled_from(
    ["registries", "clusters", "defaults", "name", "kubeconfig", "clusterId", "watchNamespace"]
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
