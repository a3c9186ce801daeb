"""Spans of time, and what is printed: columns, colours, and lines that are never broken."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rich.text import Text

from acr_refresher.cli.render import columns, format_span, show


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0m 00s"),
        (59.7, "1m 00s"),
        (725, "12m 05s"),
        (3900, "1h 05m"),
        (90000, "1d 01h"),
        (-30, "-0m 30s"),
    ],
)
def test_a_span_is_short(seconds: float, words: str) -> None:
    assert format_span(timedelta(seconds=seconds)) == words


ROWS = [(Text("short", "red"), Text("a " * 60)), (Text("much longer"), Text("b"))]


def test_outside_of_a_terminal_no_line_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    show(columns(ROWS), Text("x" * 500))
    assert capsys.readouterr().out.splitlines() == [
        f"short        {'a ' * 59}a",
        "much longer  b",
        "x" * 500,
    ]


def test_on_a_terminal_a_long_cell_continues_in_its_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    show(columns(ROWS), Text("x" * 500))
    first, second, *_, last = capsys.readouterr().out.splitlines()
    assert first == f"short        {'a ' * 13}a"
    assert second.startswith(" " * 13 + "a")
    assert last == "x" * 500, "what can be copied is not broken"


@pytest.mark.parametrize("no_color", ["", "1"])
def test_no_color_is_honoured(
    no_color: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm")
    show(Text("bad", "red"))
    assert ("\x1b[31m" in capsys.readouterr().out) is (no_color == "")
