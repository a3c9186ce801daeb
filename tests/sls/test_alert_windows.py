"""docs/operations.md lists the numbers in alerts that depend on the timer's period."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sls.alerts import ALERTS, rows
from sls.history import moment, runs, served, unserved
from sls.logstore import FOLDER

OPERATIONS = FOLDER.parents[1] / "docs" / "operations.md"
ROW = re.compile(r"\| `(?:queries/)?alert\.([a-z-]+)\.(?:json|sql)` \| `(-?\d+)s?` \| (\d) \|")
DOCUMENTED = {
    (name, seconds.strip("-")): int(periods)
    for name, seconds, periods in ROW.findall(OPERATIONS.read_text(encoding="utf-8"))
}
LONGEST_LIFE = "46800"
"""Seconds: a token's longest life plus an hour. It does not depend on the timer."""


def test_the_document_names_each_window_and_no_other() -> None:
    found = {(name, seconds) for name in ALERTS for seconds in windows(name)}
    assert DOCUMENTED.keys() == found


def test_the_document_counts_periods_of_five_minutes() -> None:
    assert all(int(seconds) == periods * 300 for (_, seconds), periods in DOCUMENTED.items())


@pytest.mark.parametrize("period", [5, 10, 15])
def test_with_all_windows_changed_a_failing_cluster_fires_all_the_time(period: int) -> None:
    """Right after a run, and right before the next."""
    alerts = {name: with_period(name, period) for name in ALERTS}
    well = [served(f"c{n}") for n in range(30)]
    records = runs(range(0, 12 * period, period), *well, unserved("prod"))
    for minute in (8 * period, 9 * period - 1):
        so_far = [record for record in records if record["__time__"] <= seconds_at(minute)]
        assert rows(so_far, moment(minute), alerts).keys() == {"failing-cluster"}


def windows(name: str) -> set[str]:
    """The seconds in an alert's query, and the seconds that it looks back."""
    [query] = ALERTS[name]["configuration"]["queryList"]
    within = re.findall(r"(?<!LIMIT )\b[1-9]\d{2,}\b(?!\.)", query["query"])
    return {*within, query["start"].strip("-s")} - {LONGEST_LIFE}


def with_period(name: str, minutes: int) -> dict[str, Any]:
    """An alert, changed for another period of the timer as the document says."""
    text = json.dumps(ALERTS[name])
    for (which, seconds), periods in DOCUMENTED.items():
        if which == name:
            text = re.sub(rf"\b{seconds}(?=s?\b)", str(periods * minutes * 60), text)
    changed: dict[str, Any] = json.loads(text)
    return changed


def seconds_at(minute: int) -> int:
    return int(moment(minute).timestamp())
