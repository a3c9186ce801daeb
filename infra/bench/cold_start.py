"""A cold start: CPU from nothing to a handler that is ready, against importing its packages."""

from __future__ import annotations

from collections.abc import Iterator

from bench.child import CLIENT_CORE, Json, child
from bench.figures import Figure, compared
from bench.fleet import FIRST, doubles

ROUNDS = 5
LIMIT = 0.6


def figures() -> Iterator[Figure]:
    """New processes in turn; then what the first invocation adds, which loads what it needs."""
    ready, imported, first = [], [], []
    for _ in range(ROUNDS):
        ready.append(_started("load"))
        imported.append(_started("import_packages"))
        first.append(_first_invocation())
    yield compared(
        "cold start: CPU to a ready handler",
        "s",
        [one["cpu_s"] for one in ready],
        [one["cpu_s"] for one in imported],
        limit=LIMIT,
    )
    yield compared(
        "cold start and first rotation: CPU",
        "s",
        first,
        [one["cpu_s"] for one in imported],
    )
    yield compared(
        "cold start: memory after",
        "MB",
        [one["peak_mb"] for one in ready],
        [one["peak_mb"] for one in imported],
    )


def _started(question: str) -> Json:
    with child("bench.instance", CLIENT_CORE) as instance:
        return instance(question)


def _first_invocation() -> float:
    """CPU seconds of a new process until it has served a cluster of one namespace."""
    with doubles(1, 1) as (fleet, _servers), fleet.instance() as instance:
        ready = instance("load")
        return float(ready["cpu_s"] + fleet.handle(instance, FIRST)["cpu_s"])
