"""Every comparison, as a table and as build/bench.json. Exit code 1 where a limit does not hold.

`python -m bench [MEASURE...]` makes some of them only.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from bench import cold_start, config_load, growth, hostile, one_cluster, request_cost, thousand
from bench.child import CORES
from bench.figures import Figure, print_table, write_json

MEASURES: Mapping[str, Callable[[], Iterable[Figure]]] = {
    "cold_start": cold_start.figures,
    "config_load": config_load.figures,
    "request_cost": request_cost.figures,
    "one_cluster": one_cluster.figures,
    "thousand": thousand.figures,
    "hostile": hostile.figures,
    "growth": growth.figures,
}
RESULT = Path("build/bench.json")
WIDTH = 150


def main(names: Sequence[str]) -> int:
    """Measure. 0 where every limit holds."""
    console = Console(width=WIDTH, highlight=False)
    if len(CORES) < 2:
        console.print(
            "[red]One core only: clients and servers share it, and wall times are off.[/]"
        )
    figures: list[Figure] = []
    for name in names or MEASURES:
        began = time.perf_counter()
        figures += MEASURES[name]()
        console.print(f"{name}: {time.perf_counter() - began:.0f} s")
    print_table(figures, console)
    write_json(figures, RESULT)
    missed = [figure.name for figure in figures if not figure.holds]
    for name in missed:
        console.print(f"[red]not within its limit:[/] {name}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
