"""Which numbers of the alerts depend on the timer's tick, by docs/operations.md."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sls.alerts import ALERTS, rows
from sls.history import moment, runs, served, unserved
from sls.logstore import FOLDER

OPERATIONS = FOLDER.parents[1] / "docs" / "operations.md"
ROW = re.compile(r"\| `alert\.([a-z-]+)\.json` \| `(-?\d+)s?` \| (\d) \|")
DOCUMENTED = {
    (name, seconds.strip("-")): int(ticks)
    for name, seconds, ticks in ROW.findall(OPERATIONS.read_text(encoding="utf-8"))
}
LONGEST_LIFE = "46800"
"""Seconds: a token's longest life, and an hour. It does not depend on the tick."""


def test_the_document_names_each_window_and_no_other() -> None:
    found = {(name, seconds) for name in ALERTS for seconds in windows(name)}
    assert DOCUMENTED.keys() == found


def test_it_counts_ticks_of_five_minutes() -> None:
    assert all(int(seconds) == ticks * 300 for (_, seconds), ticks in DOCUMENTED.items())


@pytest.mark.parametrize("period", [5, 10, 15])
def test_with_all_of_them_changed_a_failing_cluster_rings_all_the_time(period: int) -> None:
    """Right after a tick, and right before the next."""
    alerts = {name: with_tick(name, period) for name in ALERTS}
    well = [served(f"c{n}") for n in range(30)]
    records = runs(range(0, 12 * period, period), *well, unserved("prod"))
    for minute in (8 * period, 9 * period - 1):
        so_far = [record for record in records if record["__time__"] <= seconds_at(minute)]
        assert rows(so_far, moment(minute), alerts).keys() == {"failing-cluster"}


def windows(name: str) -> set[str]:
    """The seconds in an alert's query, and those that it looks back."""
    [query] = ALERTS[name]["configuration"]["queryList"]
    within = re.findall(r"(?<!LIMIT )\b[1-9]\d{2,}\b(?!\.)", query["query"])
    return {*within, query["start"].strip("-s")} - {LONGEST_LIFE}


def with_tick(name: str, minutes: int) -> dict[str, Any]:
    """An alert, changed for another tick as the document says."""
    text = json.dumps(ALERTS[name])
    for (which, seconds), ticks in DOCUMENTED.items():
        if which == name:
            text = re.sub(rf"\b{seconds}(?=s?\b)", str(ticks * minutes * 60), text)
    changed: dict[str, Any] = json.loads(text)
    return changed


def seconds_at(minute: int) -> int:
    return int(moment(minute).timestamp())
