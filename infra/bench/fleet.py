"""A fleet of clusters to measure with, how it is named, and the function before it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.child import CLIENT_CORE, SERVER_CORE, Ask, Json, child
from demo.company import LOG_PROJECT

REGISTRIES = [
    {"name": "main", "instanceId": "cri-acmehz0000000001", "regionId": "cn-hangzhou"},
    {
        "name": "partner",
        "instanceId": "cri-partnerbj00000001",
        "regionId": "cn-beijing",
        "assumeRoleARN": "acs:ram::2000000000000002:role/acr-refresher-registry",
    },
]
STRANGERS_SECRET = "strangers"
FIRST, ROTATION = {"action": "refresh"}, {"action": "refresh", "force": True}


@dataclass(frozen=True)
class Fleet:
    """Clusters that are being served, the function's configuration for them, and its cloud."""

    clusters: int
    namespaces: int
    folder: Path
    proxy: str
    credentials: Mapping[str, str]

    def instance(self) -> AbstractContextManager[Ask]:
        """A new instance of the function, deployed for this fleet."""
        return child(
            "bench.instance",
            CLIENT_CORE,
            ACR_REFRESHER_CONFIG=str(self.folder / "config.yaml"),
            ACR_REFRESHER_LOCAL_CLOUD=self.proxy,
        )

    def handle(self, instance: Ask, event: Mapping[str, object]) -> Json:
        """One invocation. RuntimeError where anything in the fleet came out wrong."""
        result = instance("handle", event=event, credentials=self.credentials)
        if not result["ok"]:
            raise RuntimeError(f"the run did not serve its fleet: {result['results']}")
        if result["unsent"]:
            raise RuntimeError(f"{result['unsent']} outcomes were not recorded")
        return result

    def send(self, clients: Ask, client: str, secret: Json, **work: object) -> Json:
        """What another client makes of the requests of a run."""
        return clients(
            "send",
            client=client,
            folder=str(self.folder),
            clusters=self.clusters,
            secret=secret,
            **{"namespaces": self.namespaces, "at_once": 1, **work},
        )


@contextmanager
def doubles(clusters: int, namespaces: int) -> Iterator[tuple[Fleet, Ask]]:
    """A fleet of API doubles, and what asks their process."""
    with folder_for(clusters) as folder, child("bench.servers", SERVER_CORE) as servers:
        opened = servers("open", folder=str(folder), clusters=clusters, namespaces=namespaces)
        yield Fleet(clusters, namespaces, folder, opened["proxy"], opened["credentials"]), servers


@contextmanager
def folder_for(clusters: int) -> Iterator[Path]:
    """The function's config.yaml, with room beside it for the kubeconfigs."""
    with tempfile.TemporaryDirectory(prefix="acr-refresher-bench-") as name:
        folder = Path(name)
        (folder / "kubeconfigs").mkdir()
        (folder / "config.yaml").write_text(_config(clusters), encoding="utf-8")
        yield folder


def cluster_names(count: int) -> list[str]:
    return [f"cluster-{number:04}" for number in range(count)]


def namespace_names(count: int) -> list[str]:
    return [f"team-{number:04}" for number in range(count)]


def kubeconfig_path(folder: Path, cluster: str) -> Path:
    return folder / "kubeconfigs" / f"{cluster}.yaml"


def _config(clusters: int) -> str:
    return yaml.safe_dump(
        {
            "registries": REGISTRIES,
            "defaults": {"watchNamespace": "team-*"},
            "sls": {"project": LOG_PROJECT.name, "logstore": "outcomes"},  # as it is deployed
            "clusters": [
                {"name": name, "kubeconfig": f"kubeconfigs/{name}.yaml"}
                for name in cluster_names(clusters)
            ],
        }
    )
