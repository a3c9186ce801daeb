"""What was measured, and whether it is within its limit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import eq, ge, le
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

AT_MOST, AT_LEAST, EXACTLY = "at most", "at least", "exactly"
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    AT_MOST: le,
    AT_LEAST: ge,
    EXACTLY: eq,
}


@dataclass(frozen=True)
class Figure:
    """One measurement.

    `floor` is the same from what it is compared with, in the same run; `ratio` is value to floor.
    The `limit` is on the ratio where there is one, else on the value; None: it is only shown.
    """

    name: str
    value: float
    unit: str
    floor: float | None = None
    ratio: float | None = None
    limit: float | None = None
    bound: str = AT_MOST

    @property
    def holds(self) -> bool:
        """Whether it is within its limit."""
        judged = self.value if self.ratio is None else self.ratio
        return self.limit is None or _COMPARISONS[self.bound](judged, self.limit)


def compared(
    name: str,
    unit: str,
    values: Sequence[float],
    floors: Sequence[float],
    limit: float | None = None,
    bound: str = AT_MOST,
) -> Figure:
    """Medians over rounds that alternated. The ratio is the median of the rounds' own ratios."""
    ratios = [value / floor for value, floor in zip(values, floors, strict=True)]
    return Figure(name, median(values), unit, median(floors), median(ratios), limit, bound)


def write_json(figures: Iterable[Figure], path: Path) -> None:
    """A list of {name, value, unit, floor, ratio, limit, bound, holds}."""
    path.parent.mkdir(exist_ok=True)
    listed = [asdict(figure) | {"holds": figure.holds} for figure in figures]
    path.write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")


def print_table(figures: Iterable[Figure], console: Console) -> None:
    """A line a figure."""
    table = Table("figure", "value", "compared with", "ratio", "limit", "holds")
    for figure in figures:
        limit = "" if figure.limit is None else f"{figure.bound} {_short(figure.limit)}"
        holds = "" if figure.limit is None else ("yes" if figure.holds else "[red]NO[/]")
        table.add_row(
            figure.name,
            f"{_short(figure.value)} {figure.unit}",
            _short(figure.floor),
            _short(figure.ratio),
            limit,
            holds,
        )
    console.print(table)


def _short(number: float | None) -> str:
    if number is None:
        return ""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
