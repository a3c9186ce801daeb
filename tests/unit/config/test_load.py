"""What a config.yaml means, and that the checked-in schema and example agree with it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from acr_refresher.config.document import json_schema
from acr_refresher.config.load import Config, load_config
from acr_refresher.core.model import AckAccess, Cluster, KubeconfigAccess, Logstore, Registry, Role
from acr_refresher.core.select import LabelRequirement, NamespaceSelection, Operator

FUNCTION = Path(__file__).parents[3] / "function"
MAIN = {"name": "main", "instanceId": "cri-main", "regionId": "cn-hangzhou"}
PARTNER = {"name": "partner", "instanceId": "cri-partner", "regionId": "cn-beijing"}
ROLE = "acs:ram::1000000000000001:role/refresher"


def loaded(folder: Path, **document: object) -> Config:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"registries": [MAIN, PARTNER], **document}))
    return load_config(path)


def cluster_of(
    folder: Path, own: dict[str, object], shared: dict[str, object] | None = None
) -> Cluster:
    cluster = {"name": "prod", "clusterId": "c1", "regionId": "cn-hangzhou", **own}
    (result,) = loaded(folder, clusters=[cluster], defaults=shared or {}).clusters
    return result


def test_a_cluster_without_settings_gets_every_registry_and_the_helpers_defaults(
    tmp_path: Path,
) -> None:
    cluster = cluster_of(tmp_path, {})
    secret = cluster.pull_secrets[0]
    assert [registry.name for registry in secret.registries] == ["main", "partner"]
    assert secret.name == "acr-pull"
    assert secret.namespaces == NamespaceSelection(("default",))
    assert secret.service_accounts.names == ("default",)
    assert secret.expiring_threshold == timedelta(minutes=15)
    assert cluster.access == AckAccess("c1", "cn-hangzhou")


def test_registries_have_their_settings_and_defaults_for_the_rest(tmp_path: Path) -> None:
    far = {
        **PARTNER,
        "domains": "a.example.com, b:5000",
        "assumeRoleARN": ROLE,
        "expireDuration": 43200,
    }
    clusters = [{"name": "idc", "kubeconfig": "idc.yaml"}]
    assert loaded(tmp_path, registries=[MAIN, far], clusters=clusters).registries == (
        Registry("main", "cri-main", "cn-hangzhou"),
        Registry(
            "partner",
            "cri-partner",
            "cn-beijing",
            domains=("a.example.com", "b:5000"),
            role_chain=(Role(ROLE),),
            session_duration=timedelta(hours=12),
        ),
    )


def test_outcomes_are_written_to_a_logstore_if_there_is_one(tmp_path: Path) -> None:
    clusters = [{"name": "idc", "kubeconfig": "idc.yaml"}]
    assert loaded(tmp_path, clusters=clusters).logstore is None
    sls: dict[str, object] = {"project": "logs"}
    assert loaded(tmp_path, clusters=clusters, sls=sls).logstore == Logstore("logs", "outcomes")
    sls |= {
        "logstore": "pulls",
        "regionId": "cn-beijing",
        "endpoint": "cn-beijing-intranet.log.aliyuncs.com",
    }
    assert loaded(tmp_path, clusters=clusters, sls=sls).logstore == Logstore(
        "logs", "pulls", "cn-beijing", "cn-beijing-intranet.log.aliyuncs.com"
    )


def test_an_ack_cluster_is_reached_through_its_role(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, {"assumeRoleARN": ROLE})
    assert cluster.access == AckAccess("c1", "cn-hangzhou", (Role(ROLE),))


def test_a_kubeconfigs_path_stays_relative_to_the_configuration(tmp_path: Path) -> None:
    config = loaded(tmp_path, clusters=[{"name": "idc", "kubeconfig": "kube/idc.yaml"}])
    assert config.clusters[0].access == KubeconfigAccess("kube/idc.yaml")


def test_a_clusters_settings_precede_the_defaults_key_by_key(tmp_path: Path) -> None:
    shared: dict[str, object] = {"secretName": "shared", "serviceAccount": "builder"}
    secret = cluster_of(tmp_path, {"secretName": "own"}, shared).pull_secrets[0]
    assert (secret.name, secret.service_accounts.names) == ("own", ("builder",))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param(
            {"watchNamespace": "a, b"}, NamespaceSelection(("a", "b")), id="text with commas"
        ),
        pytest.param(
            {"watchNamespace": ["all", "!x-*"]}, NamespaceSelection(("all",), ("x-*",)), id="list"
        ),
        pytest.param(
            {"namespaceSelector": {"matchLabels": {"team": "a"}}},
            NamespaceSelection(("all",), labels=(LabelRequirement("team", Operator.IN, ("a",)),)),
            id="by label alone",
        ),
        pytest.param(
            {
                "watchNamespace": "team-[ab]",
                "namespaceSelector": {
                    "matchExpressions": [{"key": "example.com/pull", "operator": "Exists"}]
                },
            },
            NamespaceSelection(
                ("team-[ab]",), labels=(LabelRequirement("example.com/pull", Operator.EXISTS),)
            ),
            id="by label and name",
        ),
    ],
)
def test_namespaces(
    tmp_path: Path, settings: dict[str, object], expected: NamespaceSelection
) -> None:
    assert cluster_of(tmp_path, settings).pull_secrets[0].namespaces == expected


@pytest.mark.parametrize(
    ("given", "names"),
    [("*", ()), (["*"], ()), ("default,builder", ("default", "builder")), (["a.b"], ("a.b",))],
)
def test_service_accounts(tmp_path: Path, given: object, names: tuple[str, ...]) -> None:
    secret = cluster_of(tmp_path, {"serviceAccount": given}).pull_secrets[0]
    assert secret.service_accounts.names == names


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("15m", timedelta(minutes=15)),
        ("1h30m", timedelta(minutes=90)),
        ("900s", timedelta(minutes=15)),
        ("15 minutes", timedelta(minutes=15)),
        ("11h59m59s", timedelta(hours=12, seconds=-1)),
    ],
)
def test_thresholds(tmp_path: Path, given: str, expected: timedelta) -> None:
    secret = cluster_of(tmp_path, {"expiringThreshold": given}).pull_secrets[0]
    assert secret.expiring_threshold == expected


def test_concurrency(tmp_path: Path) -> None:
    clusters = [{"name": "idc", "kubeconfig": "idc.yaml"}]
    assert loaded(tmp_path, clusters=clusters).concurrency == 64
    assert loaded(tmp_path, clusters=clusters, concurrency=8).concurrency == 8


def test_how_much_one_cluster_and_one_invocation_may_take(tmp_path: Path) -> None:
    clusters = [{"name": "idc", "kubeconfig": "idc.yaml"}]
    usual = loaded(tmp_path, clusters=clusters)
    assert (usual.cluster_timeout, usual.shard_size) == (timedelta(seconds=20), 500)
    chosen = loaded(tmp_path, clusters=clusters, clusterTimeout="1m30s", shardSize=50)
    assert (chosen.cluster_timeout, chosen.shard_size) == (timedelta(seconds=90), 50)


def test_rate_limits_stay_below_what_is_documented_and_are_set_one_by_one(tmp_path: Path) -> None:
    clusters = [{"name": "idc", "kubeconfig": "idc.yaml"}]
    usual = loaded(tmp_path, clusters=clusters).rate_limits
    assert usual == {"sts": 50, "cr": 20, "cs": 10, "kms": 50}
    for service, documented in {"sts": 100, "kms": 450}.items():
        assert usual[service] * 1.5 < documented, "even in a busy second"
    rate_limits: dict[str, object] = {"cs": 2.5, "sts": 5}
    set_here = loaded(tmp_path, clusters=clusters, rateLimits=rate_limits).rate_limits
    assert set_here == {**usual, "cs": 2.5, "sts": 5}


def test_the_example_is_valid() -> None:
    config = load_config(FUNCTION / "config.yaml")
    served = {
        each.name: [item.name for item in each.pull_secrets[0].registries]
        for each in config.clusters
    }
    assert served == {
        "prod-hangzhou": ["main", "partner"],
        "prod-beijing": ["main", "partner"],
        "idc": ["main"],
    }


def test_the_schema_beside_the_example_is_current() -> None:
    """If not, run `make schema`."""
    assert json.loads((FUNCTION / "config.schema.json").read_text()) == json_schema()


def test_every_key_in_the_schema_is_described() -> None:
    schema = json_schema()
    sections: dict[str, Any] = {"": schema, **schema["$defs"]}
    undescribed = [
        f"{name}.{key}"
        for name, section in sections.items()
        for key, each in section["properties"].items()
        if not each.get("description")
    ]
    assert undescribed == []
