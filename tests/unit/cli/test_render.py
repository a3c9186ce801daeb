"""Reasons and spans of time, in words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from acr_refresher.cli.render import format_span


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
