"""What a fleet costs, by build/bench.json. `python -m bench.scaling` puts it in docs/scaling.md."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure
from bench.thousand import CLUSTERS, IDLE, LATENCY_SECONDS, NAMESPACES, ROTATED

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"
FIGURES = Path("build/bench.json")
BETWEEN = re.compile(r"(?<=<!-- measured -->\n).*(?=<!-- end -->)", re.DOTALL)

FLEETS = (10, 1_000, 10_000, 100_000)
SHARD = 500  # clusters: the default of shardSize
TICK_MINUTES = 5
ROTATION_TICKS = 10
"""A token of an hour is renewed at the first tick with less than 15 minutes left: the tenth."""
MINUTES_A_MONTH = 30 * 24 * 60

VCPU, GB = 1.0, 1.0
"""Of an instance. https://www.alibabacloud.com/help/en/functioncompute/fc-3-0/product-overview/billing-overview-1
has what its use costs, in compute units (CU), and what those cost."""
CU_A_VCPU_SECOND, CU_A_GB_SECOND, CU_AN_INVOCATION, USD_A_CU = 1.0, 0.15, 75 / 10_000, 0.000020

ROUND_TRIPS = {IDLE: 3, ROTATED: 3 + NAMESPACES}
"""Of one cluster, one after another."""


@dataclass(frozen=True)
class Measured:
    """Seconds that an idle tick and a full rotation of the bench's fleet take on one core."""

    wall: Mapping[str, float]

    @staticmethod
    def of(figures: list[Figure]) -> Measured:
        values = {figure.name: figure.value for figure in figures}
        return Measured({of: round(values[f"{of}: wall"], 1) for of in ROUND_TRIPS})

    def seconds(self, of: str, clusters: int) -> float:
        """How long one invocation takes for so many clusters: it grows in a straight line."""
        return ROUND_TRIPS[of] * LATENCY_SECONDS + self.wall[of] * clusters / CLUSTERS


@dataclass(frozen=True)
class Cost:
    """What a fleet needs. Seconds are of the longest invocation of a tick."""

    clusters: int
    invocations: int
    seconds: Mapping[str, float]
    gb_seconds: float
    usd: float


def cost(clusters: int, measured: Measured) -> Cost:
    """The model: shards alike in size, a coordinator that only starts them, ticks of a month."""
    shards = math.ceil(clusters / SHARD)
    alone = shards == 1
    each = clusters / shards
    seconds = {of: measured.seconds(of, math.ceil(each)) for of in ROUND_TRIPS}
    ticks = MINUTES_A_MONTH / TICK_MINUTES
    rotations = ticks / ROTATION_TICKS
    running = shards * (seconds[IDLE] * (ticks - rotations) + seconds[ROTATED] * rotations)
    coordinating = 0.0 if alone else ticks * (1 + shards * LATENCY_SECONDS / 16)
    used = running + coordinating
    invocations = ticks * (shards if alone else shards + 1)
    units = used * (VCPU * CU_A_VCPU_SECOND + GB * CU_A_GB_SECOND) + invocations * CU_AN_INVOCATION
    return Cost(clusters, shards if alone else shards + 1, seconds, used * GB, units * USD_A_CU)


def block(measured: Measured) -> str:
    """What stands in the page: the measurements, and the model made of them."""
    return "\n".join((*_measurements(measured), "", *_table(measured), ""))


def read_measured(text: str) -> Measured:
    """The measurements in such a block."""
    found = {of: re.search(rf"\| {re.escape(of)} \| ([0-9.]+) s \|", text) for of in ROUND_TRIPS}
    return Measured({of: float(one[1]) for of, one in found.items() if one})


def _measurements(measured: Measured) -> Iterator[str]:
    yield "| measured, on one core | wall |"
    yield "|---|---|"
    for of, seconds in measured.wall.items():
        yield f"| {of} | {seconds} s |"


def _table(measured: Measured) -> Iterator[str]:
    yield (
        "| clusters | invocations a tick | requests of an idle tick, of a rotation |"
        " seconds of an idle tick, of a rotation | GB-seconds a month | USD a month |"
    )
    yield "|---|---|---|---|---|---|"
    for clusters in FLEETS:
        one = cost(clusters, measured)
        requests = (f"{clusters * trips:,}" for trips in ROUND_TRIPS.values())
        seconds = (f"{seconds:.1f}" for seconds in one.seconds.values())
        yield (
            f"| {clusters:,} | {one.invocations:,} | {', '.join(requests)} | {', '.join(seconds)} |"
            f" {one.gb_seconds:,.0f} | {one.usd:,.2f} |"
        )


def main() -> None:
    """Bring the page up to what was measured last."""
    kept = json.loads(FIGURES.read_text(encoding="utf-8"))
    figures = [Figure(one["name"], one["value"], one["unit"]) for one in kept]
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(BETWEEN.sub(block(Measured.of(figures)), page), encoding="utf-8")


if __name__ == "__main__":
    main()
