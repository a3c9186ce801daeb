"""The figures that the bench computes from its measurements."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.chart import Curve, chart
from bench.figures import AT_LEAST, AT_MOST, EXACTLY, Figure, compared, write_json
from bench.growth import off_line


@pytest.mark.parametrize(
    ("bound", "value", "holds"),
    [
        (AT_MOST, 9, True),
        (AT_MOST, 11, False),
        (AT_LEAST, 11, True),
        (AT_LEAST, 9, False),
        (EXACTLY, 10, True),
        (EXACTLY, 9, False),
    ],
)
def test_a_limit_without_a_comparison_is_on_the_value(
    bound: str, value: float, *, holds: bool
) -> None:
    assert Figure("f", value, "s", limit=10, bound=bound).holds is holds


def test_a_limit_with_a_comparison_is_on_the_ratio_of_rounds() -> None:
    figure = compared("f", "s", [2, 30, 2], [1, 20, 2], limit=1.5)
    assert (figure.value, figure.floor, figure.ratio, figure.holds) == (2, 2, 1.5, True)


def test_a_figure_without_a_limit_is_only_shown() -> None:
    assert Figure("f", 1e9, "s").holds


def test_the_figures_are_kept_as_json(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    write_json([Figure("f", 2, "s", floor=1, ratio=2, limit=1.5)], path)
    [kept] = json.loads(path.read_text())
    assert {key: kept[key] for key in ("name", "value", "unit", "floor")} == {
        "name": "f",
        "value": 2,
        "unit": "s",
        "floor": 1,
    }
    assert (kept["ratio"], kept["limit"], kept["holds"]) == (2, 1.5, False)


def test_linear_growth_has_no_deviation() -> None:
    assert off_line([10, 100, 1000], [12, 30, 210]) == pytest.approx(1)


def test_quadratic_growth_has_a_deviation() -> None:
    assert off_line([10, 100, 1000], [1, 100, 10_000]) > 1.15


def test_the_chart_is_well_formed_and_shows_every_point() -> None:
    curves = [
        Curve("wall", "clusters", [10, 100], [1, 5]),
        Curve("CPU", "clusters", [10, 100], [2, 9]),
    ]
    drawn = ET.fromstring(chart(curves))  # noqa: S314  # our own
    assert len(drawn.findall(".//{http://www.w3.org/2000/svg}circle")) == 4
