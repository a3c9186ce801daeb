"""Several pull secrets in a cluster: which setting applies, and which contradict each other."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from acr_refresher.config.load import ConfigError, read_config
from acr_refresher.core.model import NO_METADATA, PullSecret

REGISTRIES = [
    {"name": "main", "instanceId": "cri-main", "regionId": "cn-hangzhou"},
    {"name": "partner", "instanceId": "cri-partner", "regionId": "cn-beijing"},
]
TWO: list[dict[str, Any]] = [{"secretName": "a"}, {"secretName": "b"}]


def document(own: dict[str, Any], shared: dict[str, Any] | None = None) -> str:
    cluster = {"name": "idc", "kubeconfig": "idc.yaml", **own}
    return yaml.safe_dump(
        {"registries": REGISTRIES, "clusters": [cluster], "defaults": shared or {}}
    )


def secrets(own: dict[str, Any], shared: dict[str, Any] | None = None) -> tuple[PullSecret, ...]:
    return read_config(document(own, shared), "config.yaml").clusters[0].pull_secrets


def problems(own: dict[str, Any], shared: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        read_config(document(own, shared), "config.yaml")
    return [f"{each.path}: {each.problem}" for each in refusal.value.problems]


# ---- precedence --------------------------------------------------------------------------------


def test_flat_keys_make_one() -> None:
    (secret,) = secrets({"secretName": "own", "registries": "main"})
    assert (secret.name, [item.name for item in secret.registries]) == ("own", ["main"])
    assert secret.allowed_on_request == ()


def test_each_of_a_list_has_its_own_settings() -> None:
    first, second = secrets(
        {
            "pullSecrets": [
                {
                    "secretName": "a",
                    "registries": "main",
                    "watchNamespace": "shop",
                    "serviceAccount": "*",
                    "expiringThreshold": "5m",
                },
                {"secretName": "b", "namespaceSelector": {"matchLabels": {"team": "web"}}},
            ]
        }
    )
    assert [item.name for item in first.registries] == ["main"]
    assert first.namespaces.patterns == ("shop",)
    assert first.service_accounts.selects("any-account")
    assert first.expiring_threshold.seconds == 300
    assert [item.name for item in second.registries] == ["main", "partner"]
    assert second.namespaces.patterns == ("all",)
    assert second.service_accounts.names == ("default",)


LAYERS = [
    pytest.param(
        {"watchNamespace": "own", "pullSecrets": [{"secretName": "a", "watchNamespace": "each"}]},
        {"watchNamespace": "shared"},
        "each",
        id="the secret before the cluster",
    ),
    pytest.param(
        {"watchNamespace": "own", "pullSecrets": [{"secretName": "a"}]},
        {"watchNamespace": "shared"},
        "own",
        id="the cluster's before the shared",
    ),
    pytest.param(
        {"pullSecrets": [{"secretName": "a"}]}, {"watchNamespace": "shared"}, "shared", id="shared"
    ),
    pytest.param(
        {"watchNamespace": "own"},
        {"pullSecrets": [{"secretName": "a", "watchNamespace": "each"}]},
        "own",
        id="the cluster's before a shared list's",
    ),
    pytest.param(
        {},
        {
            "watchNamespace": "shared",
            "pullSecrets": [{"secretName": "a", "watchNamespace": "each"}],
        },
        "each",
        id="a shared list's before what stands beside it",
    ),
    pytest.param({"pullSecrets": [{"secretName": "a"}]}, {}, "default", id="our default"),
]


@pytest.mark.parametrize(("own", "shared", "namespace"), LAYERS)
def test_the_nearest_setting_applies(
    own: dict[str, Any], shared: dict[str, Any], namespace: str
) -> None:
    (secret,) = secrets(own, shared)
    assert secret.namespaces.patterns == (namespace,)


def test_a_clusters_list_replaces_the_shared_list() -> None:
    names = [item.name for item in secrets({"pullSecrets": TWO}, {"pullSecrets": [TWO[0]]})]
    assert names == ["a", "b"]
    assert len(secrets({"pullSecrets": TWO}, {"secretName": "c"})) == 2


def test_registries_that_a_namespace_may_request() -> None:
    (secret,) = secrets({"registries": "main", "grantable": "partner"})
    assert [item.name for item in secret.allowed_on_request] == ["partner"]
    (secret,) = secrets({}, {"grantable": ["partner", "main"]})
    assert [item.name for item in secret.allowed_on_request] == ["partner", "main"]


# ---- contradictions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "shared", "problem"),
    [
        pytest.param(
            {"pullSecrets": [*TWO, TWO[0]]},
            {},
            'clusters[0].pullSecrets[2].secretName: "a" is also the secretName of'
            " clusters[0].pullSecrets[0]",
            id="one name twice",
        ),
        pytest.param(
            {"pullSecrets": TWO, "secretName": "c"},
            {},
            "clusters[0].secretName: is given, but each of clusters[0].pullSecrets has its own",
            id="a name beside the list",
        ),
        pytest.param(
            {"secretName": "c"},
            {"pullSecrets": TWO},
            "clusters[0].secretName: is given, but each of defaults.pullSecrets has its own",
            id="a name for an inherited list",
        ),
        pytest.param(
            {},
            {"pullSecrets": TWO, "secretName": "c"},
            "defaults.secretName: is given, but each of defaults.pullSecrets has its own",
            id="a name beside the shared list",
        ),
        pytest.param(
            {"pullSecrets": [{"secretName": "a", "registries": ["mian"]}]},
            {},
            'clusters[0].pullSecrets[0].registries[0]: "mian" is not the name of a registry',
            id="an unknown registry",
        ),
        pytest.param(
            {"grantable": "mian"},
            {},
            'clusters[0].grantable[0]: "mian" is not the name of a registry',
            id="an unknown grantable registry",
        ),
        pytest.param(
            {"pullSecrets": [{}]},
            {},
            "clusters[0].pullSecrets[0].secretName: is missing",
            id="no name",
        ),
        pytest.param(
            {"pullSecrets": [{"secretName": "a", "kubeconfig": "b"}]},
            {},
            "clusters[0].pullSecrets[0].kubeconfig: is not a known key",
            id="a key of the cluster",
        ),
        pytest.param({"pullSecrets": []}, {}, "clusters[0].pullSecrets: is empty", id="empty"),
        pytest.param(
            {"pullSecrets": ["a"]},
            {},
            "clusters[0].pullSecrets[0]: is text, not a mapping",
            id="names alone",
        ),
        pytest.param(
            {"pullSecrets": [{"secretName": "acr-credential-secret-aggregation"}]},
            {},
            'clusters[0].pullSecrets[0].secretName: "acr-credential-secret-aggregation" belongs to'
            " the ACK credential helper",
            id="the helper's name",
        ),
        pytest.param(
            {"pullSecrets": [{"secretName": 7}]},
            {},
            "clusters[0].pullSecrets[0].secretName: is a number, not text",
            id="a name that is no text",
        ),
    ],
)
def test_contradictions(own: dict[str, Any], shared: dict[str, Any], problem: str) -> None:
    assert problems(own, shared) == [problem]


def test_registries_of_one_host_may_be_in_pull_secrets_of_their_own() -> None:
    split = [
        {"secretName": "a", "registries": "main"},
        {"secretName": "b", "registries": "partner"},
    ]
    for own, shared in (({"pullSecrets": split}, {}), ({}, {"pullSecrets": split})):
        text = document(own, shared).replace("cri-main", "cri-main\n  domains: cr.example.com")
        text = text.replace("cri-partner", "cri-partner\n  domains: cr.example.com")
        assert len(read_config(text, "config.yaml").clusters[0].pull_secrets) == 2


def test_clusters_without_settings_share_their_pull_secrets() -> None:
    """They are made once, because every instance loads the configuration."""
    own: list[dict[str, Any]] = [{}, {"watchNamespace": "team-a"}, {}]
    clusters = [
        {"name": f"c{number}", "kubeconfig": f"{number}.yaml", **keys}
        for number, keys in enumerate(own)
    ]
    text = yaml.safe_dump(
        {"registries": REGISTRIES, "clusters": clusters, "defaults": {"pullSecrets": TWO}}
    )
    first, other, last = read_config(text, "config.yaml").clusters
    assert first.pull_secrets is last.pull_secrets
    assert [item.name for item in first.pull_secrets] == ["a", "b"]
    assert [item.namespaces.patterns for item in other.pull_secrets] == [("team-a",)] * 2


# ---- labels and annotations ----------------------------------------------------------------------

OWNER = {"example.com/owner": "platform"}
LONG_PREFIX = ".".join(["p" * 60] * 5)


def test_labels_and_annotations_apply_like_other_settings() -> None:
    first, second = secrets(
        {"pullSecrets": [{**TWO[0], "secretLabels": {}}, TWO[1]], "secretAnnotations": {"a": ""}},
        {"secretLabels": OWNER},
    )
    assert (first.metadata.labels, second.metadata.labels) == ((), tuple(OWNER.items()))
    assert first.metadata.annotations == second.metadata.annotations == (("a", ""),)


def test_without_labels_and_annotations_a_secret_has_none() -> None:
    (secret,) = secrets({})
    assert secret.metadata == NO_METADATA


@pytest.mark.parametrize("key", ["secretLabels", "secretAnnotations"])
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (
            "app.kubernetes.io/managed-by",
            '"app.kubernetes.io/managed-by" is set by acr-refresher itself',
        ),
        ("acr-refresher/content", '"acr-refresher/content" is set by acr-refresher itself'),
        ("Not A Key", '"Not A Key" is not the key of a label or annotation'),
        ("/name", '"/name" is not the key of a label or annotation'),
        ("a/b/c", '"a/b/c" is not the key of a label or annotation'),
        ("n" * 64, f'"{"n" * 64}" is not the key of a label or annotation'),
        (
            f"{LONG_PREFIX}/n",
            f'the prefix of "{LONG_PREFIX[:80]}…" is longer than 253 characters',
        ),
    ],
)
def test_keys_that_kubernetes_or_acr_refresher_does_not_allow(
    key: str, name: str, problem: str
) -> None:
    [found] = problems({key: {name: "x"}})
    assert found.startswith(f"clusters[0].{key}.")
    assert found.endswith(f": {problem}")


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        (
            {"secretLabels": {"a": "two words"}},
            'clusters[0].secretLabels.a: "two words" is not the value of a label',
        ),
        (
            {"secretLabels": {"a": True}},
            "clusters[0].secretLabels.a: is true or false, not text",
        ),
        (
            {"secretAnnotations": {"a": 7}},
            "clusters[0].secretAnnotations.a: is a number, not text",
        ),
        (
            {"secretAnnotations": {"a": "x" * 65_536}},
            "clusters[0].secretAnnotations: has 65537 bytes, more than 65536",
        ),
        ({"secretLabels": ["a"]}, "clusters[0].secretLabels: is a list, not a mapping"),
    ],
)
def test_values_that_kubernetes_does_not_allow(metadata: dict[str, Any], problem: str) -> None:
    assert problems(metadata) == [problem]
