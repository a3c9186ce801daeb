"""1,000 clusters of 20 namespaces, 100 ms away: an idle run, a full rotation, the cloud."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from bench.child import CLIENT_CORE, Ask, Json, child
from bench.figures import EXACTLY, Figure, compared
from bench.fleet import FIRST, ROTATION, Fleet, doubles

CLUSTERS, NAMESPACES, LATENCY_SECONDS = 1000, 20, 0.1
IDLE_ROUNDS, ROTATIONS = 2, 3
IDLE, ROTATED = f"idle run, {CLUSTERS} x {NAMESPACES}", f"full rotation, {CLUSTERS} x {NAMESPACES}"

IDLE_WALL_SECONDS, IDLE_MB = 15, 256
ROTATION_WALL_SECONDS, ROTATION_MB, ROTATION_CPU_RATIO = 60, 320, 1.5


def figures() -> Iterator[Figure]:
    """One first run, then idle runs, then rotations in turn with the floor.

    All by one instance, warm: what the first run has to load is in the figures of the cold start.
    """
    with doubles(CLUSTERS, NAMESPACES) as (fleet, servers), fleet.instance() as instance:
        fleet.handle(instance, FIRST)
        servers("delay", seconds=LATENCY_SECONDS)
        yield from _calls(servers("count")["calls"])
        yield from _idle(fleet, servers, instance)
        yield from _rotation(fleet, servers, instance)


def _calls(calls: Json) -> Iterator[Figure]:
    """Two registries, one of them through a role."""
    for action, limit in (("AssumeRole", 1), ("GetAuthorizationToken", 2)):
        name = f"{action} calls a run, {CLUSTERS} clusters"
        yield Figure(name, calls[action], "calls", limit=limit, bound=EXACTLY)


def _idle(fleet: Fleet, servers: Ask, instance: Ask) -> Iterator[Figure]:
    runs = [fleet.handle(instance, FIRST) for _ in range(IDLE_ROUNDS)]
    asked = servers("count")["requests"] / IDLE_ROUNDS
    yield Figure(f"{IDLE}: requests", asked, "requests", limit=3 * CLUSTERS, bound=EXACTLY)
    yield Figure(f"{IDLE}: wall", _median(runs, "wall_s"), "s", limit=IDLE_WALL_SECONDS)
    yield Figure(f"{IDLE}: CPU", _median(runs, "cpu_s"), "s")
    yield Figure(f"{IDLE}: memory", runs[-1]["peak_mb"], "MB", limit=IDLE_MB)


def _rotation(fleet: Fleet, servers: Ask, instance: Ask) -> Iterator[Figure]:
    ours, floors = [], []
    secret = servers("secret")
    with child("bench.clients", CLIENT_CORE) as clients:
        for _ in range(ROTATIONS):
            servers("count")
            ours.append(fleet.handle(instance, ROTATION))
            asked = servers("count")["requests"]
            floors.append(fleet.send(clients, "bare", secret))
    limit = (3 + NAMESPACES) * CLUSTERS
    yield Figure(f"{ROTATED}: requests", asked, "requests", limit=limit, bound=EXACTLY)
    yield Figure(f"{ROTATED}: wall", _median(ours, "wall_s"), "s", limit=ROTATION_WALL_SECONDS)
    yield compared(
        f"{ROTATED}: CPU",
        "s",
        [one["cpu_s"] for one in ours],
        [one["cpu_s"] for one in floors],
        limit=ROTATION_CPU_RATIO,
    )
    yield Figure(f"{ROTATED}: memory", ours[-1]["peak_mb"], "MB", limit=ROTATION_MB)


def _median(measured: list[Json], key: str) -> float:
    return median(float(one[key]) for one in measured)
