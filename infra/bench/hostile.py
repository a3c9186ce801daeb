"""A hostile cluster among 150: what it costs the others in a full rotation."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import yaml

from bench.child import SERVER_CORE, Json, starting_on
from bench.figures import Figure, compared
from bench.fleet import FIRST, ROTATION, Fleet, doubles
from localkube.hostile import hostile_servers

CLUSTERS, NAMESPACES, LATENCY_SECONDS = 150, 5, 0.1
ROUNDS = 3
ATTACK = "large-pages"
"""Valid pages without end: of all attacks, it is read for the longest time."""
WALL_RATIO, MEMORY_RATIO = 1.3, 1.5
"""A large answer takes some 30 MB more than an instance of 115 MB that serves small clusters."""
NAME = f"1 hostile among {CLUSTERS}"


def figures() -> Iterator[Figure]:
    """Rotations with and without the hostile cluster in turn, each by an instance of its own."""
    with ExitStack() as scene:
        fleet, servers = scene.enter_context(doubles(CLUSTERS, NAMESPACES))
        folder = Path(scene.enter_context(tempfile.TemporaryDirectory()))
        with starting_on(SERVER_CORE):
            scene.enter_context(hostile_servers(folder))
        joined = _with_hostile(fleet, folder)
        honest_only = scene.enter_context(fleet.instance())
        with_hostile = scene.enter_context(joined.instance())
        fleet.handle(honest_only, FIRST)
        _served(joined, with_hostile(**_question(joined, FIRST)))
        servers("delay", seconds=LATENCY_SECONDS)
        floors, ours = [], []
        for _ in range(ROUNDS):
            floors.append(fleet.handle(honest_only, ROTATION))
            ours.append(_served(joined, with_hostile(**_question(joined, ROTATION))))
    for name, unit, key, limit in (
        ("visits of the honest clusters", "s", "served_s", WALL_RATIO),
        ("memory", "MB", "peak_mb", MEMORY_RATIO),
    ):
        values, compare = [[run[key] for run in runs] for runs in (ours, floors)]
        yield compared(f"{NAME}: {name}", unit, values, compare, limit=limit)


def _with_hostile(fleet: Fleet, attacks: Path) -> Fleet:
    """The same fleet with a hostile cluster, which comes first."""
    folder = attacks / "fleet"
    folder.mkdir()
    config = yaml.safe_load((fleet.folder / "config.yaml").read_text(encoding="utf-8"))
    for cluster in config["clusters"]:
        cluster["kubeconfig"] = str(fleet.folder / cluster["kubeconfig"])
    hostile = {"name": ATTACK, "kubeconfig": str(attacks / f"{ATTACK}.yaml")}
    config["clusters"] = [hostile, *config["clusters"]]
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return replace(fleet, folder=folder)


def _question(fleet: Fleet, event: Json) -> Json:
    return {"question": "handle", "event": event, "credentials": fleet.credentials}


def _served(fleet: Fleet, result: Json) -> Json:
    """The run. RuntimeError if it did not serve every honest cluster, and them alone."""
    if result["failed"] != [ATTACK] or set(result["results"]) - {"created", "renewed", "unchanged"}:
        raise RuntimeError(f"{result['failed']} failed of {fleet.clusters}: {result['results']}")
    return result
