"""What a fleet costs, by build/bench.json. `python -m bench.scaling` puts it in docs/scaling.md."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.config_load import FEW, MANY, cold_cpu, cold_memory
from bench.figures import Figure
from bench.thousand import CLUSTERS, IDLE, LATENCY_SECONDS, NAMESPACES, ROTATED

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"
FIGURES = Path("build/bench.json")
BETWEEN = re.compile(r"(?<=<!-- measured -->\n).*(?=<!-- end -->)", re.DOTALL)

FLEETS = (10, 1_000, 10_000, 100_000)
SHARD = 500  # clusters: the default of shardSize
RUN_MINUTES = 5
RUNS_PER_ROTATION = 10
"""A token of an hour is renewed at the first run with less than 15 minutes left: the tenth."""
MINUTES_A_MONTH = 30 * 24 * 60

VCPU, GB = 1.0, 1.0
"""Of an instance. https://www.alibabacloud.com/help/en/functioncompute/fc-3-0/product-overview/billing-overview-1
has what its use costs, in compute units (CU), and what those cost."""
CU_A_VCPU_SECOND, CU_A_GB_SECOND, CU_AN_INVOCATION, USD_A_CU = 1.0, 0.15, 75 / 10_000, 0.000020

LIST_PAGE, CALLS_A_SECOND, LIST_SECONDS = 100, 10, RUN_MINUTES * 60 / 4
"""Clusters in one answer of Container Service, the default of rateLimits.cs, and what a run lets a
list take: a quarter of its time, which is that between two runs. A kubeconfig is one call."""

SMALL_VCPU = 0.35
"""As s.yaml has it."""
A_RUN_MB = 100
"""What a rotation of a thousand clusters takes besides: of 135 MB, 38 are those of a cold start."""
MEMORY_SIZES_MB = (512, 1024, 2048, 4096)
LEAST_TIMEOUT_SECONDS, MARGIN = 60, 3

PER_RUN = (
    "Invocations, requests and seconds are per run. Pairs are: nothing is due, everything is due.",
    "GB-seconds and prices are per month.",
    "",
    "*At most* is a fleet of ACK clusters whose instances are all cold in every run, and in which",
    "a cluster fails in every shard: then the platform runs the shard once more, on a cold",
    "instance too (`maxAsyncRetryAttempts: 1`), which finds the other clusters fresh. Most of it",
    f"is the wait for kubeconfigs, {CALLS_A_SECOND} per second (`rateLimits.cs`). Kubeconfigs in",
    "files do not wait. Clusters that hang until `clusterTimeout` cost more.",
)
LOADED = (
    f"Pairs are: with {VCPU:g} vCPU, with {SMALL_VCPU:g}. Each cold instance loads the complete",
    "config.yaml, whichever clusters it serves. The CPU is that of the machine it was measured on,",
    "not of Function Compute: the time-outs are three times what was measured, and a minute at",
    "least.",
)
LISTED = (
    "Only the coordinator requests the lists, one request per page of 100 clusters, within",
    "`rateLimits.cs`. Regions share that limit within an account. Shards request no lists. The",
    "seconds follow from the limit and were not measured at the cloud. A list may take a quarter",
    f"of the run's time, {LIST_SECONDS:.0f} s; the rate leaves half of that unused.",
)

ROUND_TRIPS = {IDLE: 3, ROTATED: 3 + NAMESPACES}
"""Of one cluster, one after another."""


@dataclass(frozen=True)
class Measured:
    """Seconds that an idle run and a full rotation of the bench's fleet take on one core.

    `cold` is the CPU (seconds) and the memory (MB) of a cold start, by clusters in config.yaml.
    """

    wall: Mapping[str, float]
    cold: Mapping[int, tuple[float, float]]

    @staticmethod
    def of(figures: list[Figure]) -> Measured:
        values = {figure.name: figure.value for figure in figures}
        wall = {of: round(values[f"{of}: wall"], 1) for of in ROUND_TRIPS}
        cold = {
            count: (round(values[cold_cpu(count)], 1), round(values[cold_memory(count)]))
            for count in (FEW, MANY)
        }
        return Measured(wall, cold)

    def seconds(self, of: str, clusters: int) -> float:
        """How long one invocation takes for so many clusters: it grows in a straight line."""
        return ROUND_TRIPS[of] * LATENCY_SECONDS + self.wall[of] * clusters / CLUSTERS

    def cold_start(self, clusters: int) -> tuple[float, float]:
        """The CPU and the memory of a new instance, for so many clusters in config.yaml."""
        (few_cpu, few_mb), (many_cpu, many_mb) = self.cold[FEW], self.cold[MANY]
        part = (clusters - FEW) / (MANY - FEW)
        return few_cpu + (many_cpu - few_cpu) * part, few_mb + (many_mb - few_mb) * part


@dataclass(frozen=True)
class Cost:
    """What a fleet needs. Seconds are of the longest invocation of a run.

    `usd_at_most`: every instance is cold at every run and fetches all its kubeconfigs from CS, and
    a cluster fails in every invocation that serves any, which the platform runs once more then
    (maxAsyncRetryAttempts: 1).
    """

    clusters: int
    invocations: int
    seconds: Mapping[str, float]
    gb_seconds: float
    usd: float
    usd_at_most: float


def cost(clusters: int, measured: Measured) -> Cost:
    """The model: shards of equal size, a coordinator that only starts them, the runs of a month."""
    shards = math.ceil(clusters / SHARD)
    alone = shards == 1
    each = clusters / shards
    seconds = {of: measured.seconds(of, math.ceil(each)) for of in ROUND_TRIPS}
    runs = MINUTES_A_MONTH / RUN_MINUTES
    rotations = runs / RUNS_PER_ROTATION

    def running(took: Mapping[str, float]) -> float:
        return shards * (took[IDLE] * (runs - rotations) + took[ROTATED] * rotations)

    coordinating = 0.0 if alone else runs * (1 + shards * LATENCY_SECONDS / 16)
    used = running(seconds) + coordinating
    invocations = shards if alone else shards + 1
    cold = {of: max(took, each / CALLS_A_SECOND) for of, took in seconds.items()}
    again = runs * shards * cold[IDLE]  # the other clusters are fresh by then
    loading = runs * (invocations + shards) * measured.cold_start(clusters)[0] / VCPU
    at_most = running(cold) + coordinating + again + loading
    return Cost(
        clusters,
        invocations,
        seconds,
        used * GB,
        _usd(used, runs * invocations),
        _usd(at_most, runs * (invocations + shards)),
    )


def _usd(seconds: float, invocations: float) -> float:
    units = seconds * (VCPU * CU_A_VCPU_SECOND + GB * CU_A_GB_SECOND)
    return (units + invocations * CU_AN_INVOCATION) * USD_A_CU


def lists(clusters: int) -> tuple[int, int, float, float]:
    """What it takes to discover them in one region.

    List requests a run, rateLimits.cs to set, seconds a run, USD a month. By the coordinator
    alone, some pages at once, so that their rate is what they wait for.
    """
    pages = math.ceil(clusters / LIST_PAGE)
    rate = max(CALLS_A_SECOND, 10 * math.ceil(pages / (LIST_SECONDS / 2) / 10))
    seconds = max(LATENCY_SECONDS, pages / rate)
    return pages, rate, seconds, _usd(seconds * MINUTES_A_MONTH / RUN_MINUTES, 0)


def to_set(cpu_seconds: float, mb: float, vcpu: float) -> tuple[int, int]:
    """The initializer's timeout (seconds) and the memorySize (MB), with room to spare."""
    needed = MARGIN * cpu_seconds / vcpu
    timeout = max(LEAST_TIMEOUT_SECONDS, 10 * math.ceil(needed / 10))
    return timeout, next(size for size in MEMORY_SIZES_MB if size >= 1.2 * (mb + A_RUN_MB))


def block(measured: Measured) -> str:
    """What stands in the page: the measurements, and the model made of them."""
    tables = (_measurements(measured), _table(measured), _cold_starts(measured), _discovery())
    return "\n".join(line for table in tables for line in (*table, ""))


def read_measured(text: str) -> Measured:
    """The measurements in such a block."""
    found = {of: re.search(rf"\| {re.escape(of)} \| ([0-9.]+) s \|", text) for of in ROUND_TRIPS}
    cold = {
        count: re.search(rf"\| {_cold(count)} \| ([0-9.]+) s of CPU, ([0-9]+) MB \|", text)
        for count in (FEW, MANY)
    }
    return Measured(
        {of: float(one[1]) for of, one in found.items() if one},
        {count: (float(one[1]), float(one[2])) for count, one in cold.items() if one},
    )


def _measurements(measured: Measured) -> Iterator[str]:
    yield "| measured, on one core | wall |"
    yield "|---|---|"
    for of, seconds in measured.wall.items():
        yield f"| {of} | {seconds} s |"
    for count, (cpu_seconds, mb) in measured.cold.items():
        yield f"| {_cold(count)} | {cpu_seconds} s of CPU, {mb:.0f} MB |"


def _cold(clusters: int) -> str:
    return f"cold start, {clusters:,} in config.yaml"


def _table(measured: Measured) -> Iterator[str]:
    yield ("| clusters | invocations | requests | seconds | GB-seconds | USD | USD at most |")
    yield "|---|---|---|---|---|---|---|"
    for clusters in FLEETS:
        one = cost(clusters, measured)
        requests = (f"{clusters * trips:,}" for trips in ROUND_TRIPS.values())
        seconds = (f"{seconds:.1f}" for seconds in one.seconds.values())
        yield (
            f"| {clusters:,} | {one.invocations:,} | {', '.join(requests)} | {', '.join(seconds)} |"
            f" {one.gb_seconds:,.0f} | {one.usd:,.2f} | {one.usd_at_most:,.2f} |"
        )
    yield from ("", *PER_RUN)


def _cold_starts(measured: Measured) -> Iterator[str]:
    yield (
        "| clusters in config.yaml | CPU, memory | seconds | initializer `timeout` | `memorySize` |"
    )
    yield "|---|---|---|---|---|"
    for clusters in FLEETS:
        cpu_seconds, mb = measured.cold_start(clusters)
        settings = [to_set(cpu_seconds, mb, vcpu) for vcpu in (VCPU, SMALL_VCPU)]
        seconds = (f"{cpu_seconds / vcpu:.1f}" for vcpu in (VCPU, SMALL_VCPU))
        timeouts = (str(timeout) for timeout, _ in settings)
        yield (
            f"| {clusters:,} | {cpu_seconds:.1f} s, {mb:.0f} MB | {', '.join(seconds)} |"
            f" {', '.join(timeouts)} | {settings[0][1]} or more |"
        )
    yield from ("", *LOADED)


def _discovery() -> Iterator[str]:
    yield (
        "| clusters in one region | list requests | `rateLimits.cs` | seconds to the first |"
        " USD per month |"
    )
    yield "|---|---|---|---|---|"
    for clusters in FLEETS:
        pages, rate, seconds, usd = lists(clusters)
        yield f"| {clusters:,} | {pages:,} | {rate} | {seconds:.1f} | {usd:,.2f} |"
    yield from ("", *LISTED)


def main() -> None:
    """Bring the page up to what was measured last."""
    kept = json.loads(FIGURES.read_text(encoding="utf-8"))
    figures = [Figure(one["name"], one["value"], one["unit"]) for one in kept]
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(BETWEEN.sub(block(Measured.of(figures)), page), encoding="utf-8")


if __name__ == "__main__":
    main()
