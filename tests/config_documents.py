"""Configuration documents with one mistake each, and the problems that are reported."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from acr_refresher.config.load import ConfigError, load_config

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
