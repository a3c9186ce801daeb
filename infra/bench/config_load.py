"""Loading config.yaml of many clusters, which every cold instance does before its first run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.child import CLIENT_CORE, Json, child
from bench.figures import Figure, compared

FEW, MANY = 1, 100_000
ROUNDS = 2
LIMIT_SECONDS, LIMIT_MB = 8, 250
LIMIT_RATIO = 1.0

_ABOVE = """\
registries:
  - name: main
    instanceId: cri-acmehz0000000001
    regionId: cn-hangzhou
defaults:
  watchNamespace: team-*
clusters:
"""


def figures() -> Iterator[Figure]:
    """New instances, with one cluster and with many; and what PyYAML takes for the same text."""
    with tempfile.TemporaryDirectory(prefix="acr-refresher-bench-") as name:
        few, many = (_written(Path(name), clusters) for clusters in (FEW, MANY))
        small = _started(few)
        large = [_started(many) for _ in range(ROUNDS)]
        plain = [_parsed(many) for _ in range(ROUNDS)]
    yield Figure(cold_cpu(FEW), small["cpu_s"], "s")
    yield Figure(cold_memory(FEW), small["peak_mb"], "MB")
    load = [one["cpu_s"] - small["cpu_s"] for one in large]
    yield Figure(cold_cpu(MANY), min(one["cpu_s"] for one in large), "s", limit=LIMIT_SECONDS)
    yield Figure(cold_memory(MANY), large[0]["peak_mb"], "MB", limit=LIMIT_MB)
    yield compared(
        f"config.yaml of {MANY:,} clusters: CPU, beside yaml.load of it",
        "s",
        load,
        [one["cpu_s"] for one in plain],
        limit=LIMIT_RATIO,
    )


def cold_cpu(clusters: int) -> str:
    return f"cold start, {clusters:,} in config.yaml: CPU"


def cold_memory(clusters: int) -> str:
    return f"cold start, {clusters:,} in config.yaml: memory"


def _written(folder: Path, clusters: int) -> Path:
    """ACK clusters that say nothing but how to reach them, as those of a large fleet."""
    path = folder / f"{clusters}.yaml"
    sections = (
        f"  - name: cluster-{number:06}\n    clusterId: c{number:032x}\n    regionId: cn-hangzhou\n"
        for number in range(clusters)
    )
    with path.open("w", encoding="utf-8") as file:
        file.write(_ABOVE)
        file.writelines(sections)
    return path


def _started(config: Path) -> Json:
    with child("bench.instance", CLIENT_CORE, ACR_REFRESHER_CONFIG=str(config)) as instance:
        return instance("load")


def _parsed(config: Path) -> Json:
    with child("bench.instance", CLIENT_CORE) as instance:
        return instance("parse", path=str(config))
