"""The status as a table, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from acr_refresher.cli.printable import printable
from acr_refresher.cli.standing import Standing, State, Status
from acr_refresher.cli.words import counted, span
from acr_refresher.core.record import rfc3339

COLOURS = {
    State.FRESH: "green",
    State.DUE: "yellow",
    State.UNBOUND: "yellow",
    State.LEAVING: "bright_black",
}
ACCOUNTS = "service accounts"
HEADINGS = (
    "state",
    "cluster",
    "namespace",
    "secret",
    "expires in",
    "minted",
    ACCOUNTS,
    "registry hosts",
)
BETWEEN_COLUMNS = 3
WIDE = 1000
"""Columns, where what is written is not a terminal: lines are never broken."""


def to_json(status: Status) -> dict[str, Any]:
    """The status for programs."""
    return {
        "at": rfc3339(status.at),
        "ok": status.ok,
        "unread": [
            {"cluster": one.cluster, "why": one.why, "failed": one.failed} for one in status.unread
        ],
        "secrets": [
            {
                "cluster": one.cluster,
                "namespace": one.namespace,
                "secret": one.secret,
                "state": one.state.value,
                "registries": list(one.registries),
                "registryHosts": list(one.hosts),
                "serviceAccounts": list(one.service_accounts),
                "refreshedAt": rfc3339(one.refreshed_at) if one.refreshed_at else None,
                "expiresAt": rfc3339(one.expires_at) if one.expires_at else None,
            }
            for one in status.secrets
        ],
    }


def show(status: Status) -> None:
    """Print it for people."""
    status = printable(status)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDE
    for one in status.unread:
        state = "not read" if one.failed else "skipped"
        console.print(Text(f"! {one.cluster}: {state}: {one.why}", "bright_red"))
    if status.secrets:
        console.print(_drawn(status, console.width))
    console.print(Text(", ".join(_counts(status)) or "no pull secrets"))


def _drawn(status: Status, width: int) -> Table:
    """A table where all of it has room, else a paragraph for each secret."""
    rows = [tuple(_cells(one, status.at)) for one in status.secrets]
    return _table(status, rows) if _table_width(rows) <= width else _paragraphs(status)


def _table(status: Status, rows: Sequence[Sequence[str]]) -> Table:
    drawn = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for heading in HEADINGS:
        drawn.add_column(heading, no_wrap=heading != ACCOUNTS)
    for one, cells in zip(status.secrets, rows, strict=True):
        drawn.add_row(_state(one), *map(Text, cells[1:]))
    return drawn


def _table_width(rows: Sequence[Sequence[str]]) -> int:
    """The least in which no word of the table is broken. Service accounts may be on many lines."""
    words = [[heading] for heading in HEADINGS]
    for row in rows:
        for column, cell in zip(words, row, strict=True):
            column.extend(cell.split(" " if column[0] == ACCOUNTS else "\n"))
    widths = [max(map(cell_len, column)) for column in words]
    return sum(widths) + BETWEEN_COLUMNS * (len(widths) - 1)


def _cells(one: Standing, now: datetime) -> Iterator[str]:
    yield from (one.state.value, one.cluster, one.namespace, one.secret)
    yield span(one.expires_at - now) if one.expires_at else "-"
    yield f"{span(now - one.refreshed_at)} ago" if one.refreshed_at else "-"
    yield ", ".join(one.service_accounts) or "-"
    yield "\n".join(one.hosts) or "-"


def _paragraphs(status: Status) -> Table:
    drawn = Table.grid(padding=(0, 2, 0, 0))
    drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")  # what is longer than a line goes on in the next
    for one in status.secrets:
        drawn.add_row(_state(one), Text("\n".join(_paragraph(one, status.at))))
    return drawn


def _paragraph(one: Standing, now: datetime) -> Iterator[str]:
    """Under each other what stands in the table, as far as there is any."""
    yield f"{one.cluster} {one.namespace}/{one.secret}"
    times = (
        f"expires in {span(one.expires_at - now)}" if one.expires_at else "",
        f"minted {span(now - one.refreshed_at)} ago" if one.refreshed_at else "",
    )
    yield from filter(None, [", ".join(filter(None, times))])
    if one.service_accounts:
        yield f"{ACCOUNTS}: {', '.join(one.service_accounts)}"
    yield from one.hosts


def _state(one: Standing) -> Text:
    return Text(one.state.value, COLOURS.get(one.state, "bright_red"))


def _counts(status: Status) -> Iterator[str]:
    states = [one.state for one in status.secrets]
    yield from (f"{states.count(state)} {state.value}" for state in State if state in states)
    if status.unread:
        yield f"{counted(len(status.unread), 'cluster', 'clusters')} not read"
