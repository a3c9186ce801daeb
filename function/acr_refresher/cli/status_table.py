"""The status as a table, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
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
        console.print(_table(status))
    console.print(Text(", ".join(_counts(status)) or "no pull secrets"))


def _table(status: Status) -> Table:
    drawn = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for heading in ("state", "cluster", "namespace", "secret", "expires in", "minted"):
        drawn.add_column(heading, no_wrap=True)
    for heading in ("service accounts", "registry hosts"):
        drawn.add_column(heading, overflow="fold")
    for one in status.secrets:
        drawn.add_row(
            Text(one.state.value, COLOURS.get(one.state, "bright_red")),
            *map(Text, _cells(one, status.at)),
        )
    return drawn


def _cells(one: Standing, now: datetime) -> Iterator[str]:
    """As texts, not as the markup that rich would look for in them."""
    yield from (one.cluster, one.namespace, one.secret)
    yield span(one.expires_at - now) if one.expires_at else "-"
    yield f"{span(now - one.refreshed_at)} ago" if one.refreshed_at else "-"
    yield ", ".join(one.service_accounts) or "-"
    yield "\n".join(one.hosts) or "-"


def _counts(status: Status) -> Iterator[str]:
    states = [one.state for one in status.secrets]
    yield from (f"{states.count(state)} {state.value}" for state in State if state in states)
    if status.unread:
        yield f"{counted(len(status.unread), 'cluster', 'clusters')} not read"
