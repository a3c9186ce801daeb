"""How wall and CPU grow with clusters and with namespaces: figures, and docs/growth.svg."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench.chart import Curve, chart
from bench.child import Json
from bench.figures import Figure
from bench.fleet import FIRST, ROTATION, doubles

CLUSTERS, NAMESPACES_OF_EACH = (10, 100, 1000), 5
NAMESPACES, CLUSTERS_OF_EACH = (1, 20, 200), 20
ROUNDS = 5
LIMIT = 1.15

CHART = Path(__file__).resolve().parents[2] / "docs" / "growth.svg"


def figures() -> Iterator[Figure]:
    """Full rotations of fleets of growing size, with API servers that answer at once."""
    curves = [*_by_clusters(), *_by_namespaces()]
    CHART.write_text(chart(curves), encoding="utf-8")
    for curve in curves:
        name = f"growth of {curve.quantity} with {curve.of}: off a straight line by"
        yield Figure(name, off_line(curve.sizes, curve.seconds), "times", limit=LIMIT)


def off_line(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The largest factor between a value and the straight line that fits all of them best."""
    fitted = _line(sizes, values)
    factors = [value / fit for value, fit in zip(values, fitted, strict=True)]
    return max(max(factor, 1 / factor) for factor in factors)


def _line(sizes: Sequence[float], values: Sequence[float]) -> list[float]:
    """Least squares of the relative errors: small fleets count as much as large ones."""
    weights = [1 / value**2 for value in values]

    def mean(terms: Sequence[float]) -> float:
        return sum(w * term for w, term in zip(weights, terms, strict=True)) / sum(weights)

    center, level = mean(sizes), mean(values)
    products = [(x - center) * (y - level) for x, y in zip(sizes, values, strict=True)]
    slope = mean(products) / mean([(x - center) ** 2 for x in sizes])
    return [level + slope * (x - center) for x in sizes]


def _by_clusters() -> list[Curve]:
    with doubles(max(CLUSTERS), NAMESPACES_OF_EACH) as (fleet, _), fleet.instance() as instance:
        fleet.handle(instance, FIRST)
        globs = [f"cluster-{'0' * (5 - len(str(size)))}*" for size in CLUSTERS]  # of four digits
        events = [{**ROTATION, "clusters": [glob]} for glob in globs]
        runs = _rotations([partial(fleet.handle, instance, event) for event in events])
    return _curves(f"clusters of {NAMESPACES_OF_EACH} namespaces", CLUSTERS, runs)


def _by_namespaces() -> list[Curve]:
    with ExitStack() as scene:
        rotations = []
        for size in NAMESPACES:
            fleet, _ = scene.enter_context(doubles(CLUSTERS_OF_EACH, size))
            instance = scene.enter_context(fleet.instance())
            fleet.handle(instance, FIRST)
            rotations.append(partial(fleet.handle, instance, ROTATION))
        runs = _rotations(rotations)
    return _curves(f"namespaces in each of {CLUSTERS_OF_EACH} clusters", NAMESPACES, runs)


def _rotations(sizes: Sequence[Callable[[], Json]]) -> list[tuple[float, float]]:
    """Seconds of wall and of CPU for each size: the least of rounds of all sizes in turn.

    What else the machine does only adds to them, and it is not to meet one size alone.
    """
    rounds = [[rotate() for rotate in sizes] for _ in range(ROUNDS)]
    return [
        (min(one["wall_s"] for one in measured), min(one["cpu_s"] for one in measured))
        for measured in zip(*rounds, strict=True)
    ]


def _curves(of: str, sizes: Sequence[int], runs: Sequence[tuple[float, float]]) -> list[Curve]:
    walls, cpus = zip(*runs, strict=True)
    return [Curve("wall", of, sizes, walls), Curve("CPU", of, sizes, cpus)]
