"""Curves as an SVG: one panel for each thing that grows, both axes logarithmic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, MARGIN = 420, 320, 56
COLORS = {"wall": "#0b6e99", "CPU": "#d9730d"}
STYLE = "font-family: sans-serif; font-size: 12px; fill: #888"


@dataclass(frozen=True)
class Curve:
    """Seconds of a quantity (`wall`, `CPU`) at sizes of something."""

    quantity: str
    of: str
    sizes: Sequence[float]
    seconds: Sequence[float]


@dataclass(frozen=True)
class _Axis:
    """A logarithmic scale over whole decades."""

    low: int
    high: int
    start: float
    end: float

    @staticmethod
    def over(values: Sequence[float], start: float, end: float) -> _Axis:
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        return _Axis(low, max(high, low + 1), start, end)

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def decades(self) -> list[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]


def chart(curves: Sequence[Curve]) -> str:
    """All curves, those of one thing in one panel."""
    things = list(dict.fromkeys(curve.of for curve in curves))
    panels = [
        f'<g transform="translate({number * WIDTH} 0)">'
        + "".join(_panel([curve for curve in curves if curve.of == thing]))
        + "</g>"
        for number, thing in enumerate(things)
    ]
    size = f'viewBox="0 0 {WIDTH * len(things)} {HEIGHT}" style="{STYLE}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n' + "\n".join(panels) + "\n</svg>\n"


def _panel(curves: Sequence[Curve]) -> Iterator[str]:
    x = _Axis.over([size for curve in curves for size in curve.sizes], MARGIN, WIDTH - MARGIN)
    seconds = [value for curve in curves for value in curve.seconds]
    y = _Axis.over(seconds, HEIGHT - MARGIN, MARGIN)
    yield _text(WIDTH / 2, MARGIN / 2, f"seconds of a full rotation, by {curves[0].of}")
    for value in x.decades():
        yield _line(x.at(value), y.start, x.at(value), y.end)
        yield _text(x.at(value), y.start + 18, f"{value:g}")
    for value in y.decades():
        yield _line(x.start, y.at(value), x.end, y.at(value))
        yield _text(x.start - 22, y.at(value) + 4, f"{value:g}")
    for number, curve in enumerate(curves):
        yield from _drawn(curve, x, y, label_y=y.start + 38, label_x=x.start + 60 + 120 * number)


def _drawn(curve: Curve, x: _Axis, y: _Axis, *, label_x: float, label_y: float) -> Iterator[str]:
    color = COLORS[curve.quantity]
    places = [(x.at(a), y.at(b)) for a, b in zip(curve.sizes, curve.seconds, strict=True)]
    points = " ".join(f"{a},{b}" for a, b in places)
    yield f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>'
    for (a, b), value in zip(places, curve.seconds, strict=True):
        yield f'<circle cx="{a}" cy="{b}" r="4" fill="{color}"/>'
        yield _text(a, b - 9, f"{value:.2g}")
    yield _text(label_x, label_y, curve.quantity, color)


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#ccc" stroke-width="0.5"/>'


def _text(x: float, y: float, text: str, color: str = "") -> str:
    fill = f' style="fill: {color}"' if color else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="middle"{fill}>{escape(text)}</text>'
