"""The status as a table, and as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from acr_refresher.cli.exit import FAILED, exit_on_errors
from acr_refresher.cli.options import (
    DEFAULT_CONFIG,
    Clusters,
    ConfigFile,
    Output,
    OutputFormat,
    Region,
)
from acr_refresher.cli.progress import Step, progress
from acr_refresher.cli.refresh import check_names, cluster_count, request_for
from acr_refresher.cli.render import format_span, pluralize
from acr_refresher.cli.sanitize import as_json, sanitize
from acr_refresher.cli.session import ClusterResult, ClusterVisitor, Session, open_session
from acr_refresher.cli.status_page import status_page
from acr_refresher.config.strict import InvalidInput, Problem
from acr_refresher.core.model import Cluster
from acr_refresher.core.plan import secrets_in_scope
from acr_refresher.core.request import Request
from acr_refresher.core.secret import rfc3339
from acr_refresher.core.secret_status import (
    FleetStatus,
    SecretStatus,
    State,
    UnreadCluster,
    by_urgency,
    secret_statuses,
)
from acr_refresher.run.cluster import observe
from acr_refresher.run.ports import KubeApi

COLOURS = {
    State.FRESH: "green",
    State.DUE: "yellow",
    State.UNBOUND: "yellow",
    State.REMOVING: "bright_black",
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


def status_to_json(status: FleetStatus) -> dict[str, Any]:
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


def show_status(status: FleetStatus) -> None:
    """Print it for people."""
    status = sanitize(status)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDE
    for one in status.unread:
        state = "not read" if one.failed else "skipped"
        console.print(Text(f"! {one.cluster}: {state}: {one.why}", "bright_red"))
    if status.secrets:
        console.print(_rendered(status, console.width))
    console.print(Text(", ".join(_state_counts(status)) or "no pull secrets"))


def _rendered(status: FleetStatus, width: int) -> Table:
    """A table where all of it has room, else a paragraph for each secret."""
    rows = [tuple(_cells(one, status.at)) for one in status.secrets]
    return _table(status, rows) if _table_width(rows) <= width else _paragraphs(status)


def _table(status: FleetStatus, rows: Sequence[Sequence[str]]) -> Table:
    drawn = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for heading in HEADINGS:
        drawn.add_column(heading, no_wrap=heading != ACCOUNTS)
    for one, cells in zip(status.secrets, rows, strict=True):
        drawn.add_row(_state_text(one), *map(Text, cells[1:]))
    return drawn


def _table_width(rows: Sequence[Sequence[str]]) -> int:
    """The least in which no word of the table is broken. Service accounts may be on many lines."""
    words = [[heading] for heading in HEADINGS]
    for row in rows:
        for column, cell in zip(words, row, strict=True):
            column.extend(cell.split(" " if column[0] == ACCOUNTS else "\n"))
    widths = [max(map(cell_len, column)) for column in words]
    return sum(widths) + BETWEEN_COLUMNS * (len(widths) - 1)


def _cells(one: SecretStatus, now: datetime) -> Iterator[str]:
    yield from (one.state.value, one.cluster, one.namespace, one.secret)
    yield format_span(one.expires_at - now) if one.expires_at else "-"
    yield f"{format_span(now - one.refreshed_at)} ago" if one.refreshed_at else "-"
    yield ", ".join(one.service_accounts) or "-"
    yield "\n".join(one.hosts) or "-"


def _paragraphs(status: FleetStatus) -> Table:
    drawn = Table.grid(padding=(0, 2, 0, 0))
    drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")  # what is longer than a line goes on in the next
    for one in status.secrets:
        drawn.add_row(_state_text(one), Text("\n".join(_paragraph(one, status.at))))
    return drawn


def _paragraph(one: SecretStatus, now: datetime) -> Iterator[str]:
    """Under each other what stands in the table, as far as there is any."""
    yield f"{one.cluster} {one.namespace}/{one.secret}"
    times = (
        f"expires in {format_span(one.expires_at - now)}" if one.expires_at else "",
        f"minted {format_span(now - one.refreshed_at)} ago" if one.refreshed_at else "",
    )
    yield from filter(None, [", ".join(filter(None, times))])
    if one.service_accounts:
        yield f"{ACCOUNTS}: {', '.join(one.service_accounts)}"
    yield from one.hosts


def _state_text(one: SecretStatus) -> Text:
    return Text(one.state.value, COLOURS.get(one.state, "bright_red"))


def _state_counts(status: FleetStatus) -> Iterator[str]:
    states = [one.state for one in status.secrets]
    yield from (f"{states.count(state)} {state.value}" for state in State if state in states)
    if status.unread:
        yield f"{pluralize(len(status.unread), 'cluster', 'clusters')} not read"


HtmlFile = Annotated[
    Path | None,
    typer.Option(
        "--html",
        metavar="FILE",
        help="Write one page to look at in a browser, besides.",
        show_default=False,
    ),
]


def status(
    config: ConfigFile = DEFAULT_CONFIG,
    clusters: Clusters = None,
    *,
    html: HtmlFile = None,
    region: Region = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Show every pull secret: registry hosts, service accounts, age, expiry. Most urgent first."""
    with exit_on_errors():
        request = request_for(clusters, None, None)
        with open_session(config, region) as setup:
            check_names(request, setup)
            with progress("reading the clusters", cluster_count(setup, request)) as step:
                found = asyncio.run(_read_status(setup, request, step))
        if html:
            _write(html, status_page(found))
    if output is OutputFormat.JSON:
        typer.echo(as_json(status_to_json(found)))
    else:
        show_status(found)
    if not found.ok:
        raise typer.Exit(FAILED)


async def _read_status(setup: Session, request: Request, step: Step) -> FleetStatus:
    now = datetime.now(timezone.utc)
    visitor = ClusterVisitor.new(setup, now)

    async def look(cluster: Cluster, kube: KubeApi) -> tuple[SecretStatus, ...]:
        return secret_statuses(
            cluster, await observe(kube, secrets_in_scope(cluster, request)), now
        )

    try:
        last_seen = await visitor.visit_all(request, look, step)
    finally:
        await visitor.close()
    found = (one for visit in last_seen for one in visit.found or ())
    return FleetStatus(
        now,
        by_urgency(found),
        tuple(_unread_cluster(one) for one in last_seen if one.found is None),
    )


def _unread_cluster(visit: ClusterResult[Any]) -> UnreadCluster:
    failure = visit.failure
    return UnreadCluster(
        visit.cluster, failure.message if failure else visit.skipped, failure is not None
    )


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        problem = Problem(str(file), f"cannot be written: {error.strerror}", "name another file")
        raise InvalidInput([problem]) from None
