"""The page of `status --html`, as a browser shows it."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from acr_refresher.cli.status_page import status_page
from acr_refresher.core.secret_status import (
    FleetStatus,
    SecretStatus,
    State,
    UnreadCluster,
    by_urgency,
)
from browser import rendered
from factories import MINUTE, NOW

EVIL = "<script>document.title='owned'</script>\"'&"


def standing(
    cluster: str, namespace: str, state: State, minutes: int | None = None
) -> SecretStatus:
    expires_at = None if minutes is None else NOW + timedelta(minutes=minutes)
    return SecretStatus(
        cluster=cluster,
        namespace=namespace,
        secret="acr-pull",
        state=state,
        hosts=("a.example.com",),
        service_accounts=("default",),
        refreshed_at=expires_at and expires_at - 60 * MINUTE,
        expires_at=expires_at,
    )


STATUS = FleetStatus(
    NOW,
    by_urgency(
        [
            standing("prod", "shop", State.FRESH, 50),
            standing("prod", "web", State.FRESH, 50),
            standing("prod", "api", State.DUE, 9),
            standing("idc", "old", State.EXPIRED, -7),
            standing("idc", "new", State.MISSING),
            standing("idc", "slip", State.REMOVAL_BLOCKED, 40),
            standing("prod", "ci", State.UNBOUND, 45),
            standing("prod", "left", State.REMOVING, 45),
            standing(EVIL, EVIL, State.CONFLICT),
        ]
    ),
    (
        UnreadCluster("edge", f"no answer {EVIL}", failed=True),
        UnreadCluster("test", "is stopped", failed=False),
    ),
)


class Shown(HTMLParser):
    """The rows, marks and lanes that are not hidden."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.rows: list[tuple[str, str]] = []
        self.marks: list[str] = []
        self.lanes: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "hidden" in given or "data-cluster" not in given:
            return
        if tag == "tr":
            self.rows.append((given["data-cluster"], given["data-state"]))
        elif given["class"] == "mark":
            self.marks.append(given["title"])
        else:
            self.lanes.append(given["data-cluster"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "status.html"
    file.write_text(status_page(STATUS), encoding="utf-8")
    return file


def test_everything_is_shown_most_urgent_first(file: Path) -> None:
    document = rendered(file)
    shown = Shown(document)
    assert shown.rows == [
        ("idc", "expired"),
        ("idc", "missing"),
        (EVIL, "conflict"),
        ("idc", "removal-blocked"),
        ("prod", "due"),
        ("prod", "unbound"),
        ("prod", "removing"),
        ("prod", "fresh"),
        ("prod", "fresh"),
    ]
    assert shown.lanes == sorted(["idc", "prod", EVIL])
    assert "2 fresh: 2026-01-31 12:50:00 UTC" in shown.marks
    assert '<output id="shown">9 secrets</output>' in document
    assert "-7m 00s" in document
    assert "edge" in document


@pytest.mark.parametrize(
    ("fragment", "rows", "lanes"),
    [
        (
            "cluster=idc",
            [("idc", each) for each in ("expired", "missing", "removal-blocked")],
            ["idc"],
        ),
        ("state=due&state=missing", [("idc", "missing"), ("prod", "due")], None),
        ("cluster=prod&state=fresh", [("prod", "fresh"), ("prod", "fresh")], ["prod"]),
        ("cluster=nowhere", [], []),
    ],
)
def test_it_is_filtered_by_cluster_and_state(
    file: Path, fragment: str, rows: list[tuple[str, str]], lanes: list[str] | None
) -> None:
    document = rendered(file, fragment)
    shown = Shown(document)
    assert shown.rows == rows
    assert lanes is None or shown.lanes == lanes
    number = f"{len(rows)} secret{'' if len(rows) == 1 else 's'}"
    assert f'<output id="shown">{number}</output>' in document
    pressed = re.findall(r'data-state="(\w+)" aria-pressed="true"', document)
    assert pressed == [state for state in ("missing", "due", "fresh") if f"={state}" in fragment]


def test_names_are_no_markup(file: Path) -> None:
    document = rendered(file)
    assert "<title>Pull secrets" in document
    assert file.read_text().count("<script>") == 1
