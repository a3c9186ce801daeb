"""`acr-refresher status`: every pull secret as a table, as JSON, or as a page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from acr_refresher.cli import options
from acr_refresher.cli.exit import exit_on_errors, fail, print_result
from acr_refresher.cli.render import Fitting, Unbroken, columns, format_span, pluralize, sanitize
from acr_refresher.cli.session import ClusterResult, ClusterSession, open_session, run_in_clusters
from acr_refresher.cli.status_page import status_page
from acr_refresher.config.strict import InvalidInput, Problem
from acr_refresher.core.model import Cluster
from acr_refresher.core.outcome import ClusterOutcome
from acr_refresher.core.plan import secrets_in_scope
from acr_refresher.core.request import Request
from acr_refresher.core.secret_status import (
    FleetStatus,
    SecretStatus,
    State,
    UnreadCluster,
    by_urgency,
    secret_statuses,
)
from acr_refresher.run.observe import observe
from acr_refresher.run.ports import KubeApi
from acr_refresher.run.run import targets

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
HtmlOption = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", help="Write an HTML page for a browser, too.", show_default=False
    ),
]


def status(
    config: options.ConfigOption = options.DEFAULT_CONFIG,
    clusters: options.ClusterOption = None,
    *,
    html: HtmlOption = None,
    region: options.RegionOption = "",
    output: options.OutputOption = options.OutputFormat.TABLE,
) -> None:
    """Show every pull secret: registry hosts, service accounts, age, expiry. Most urgent first."""
    with exit_on_errors():
        request = options.request_for(clusters, None, None)
        with open_session(config, region) as session:
            found = run_in_clusters(session, request, "reading the clusters", _read_status)
        if html:
            _write(html, status_page(found))
    print_result(output, status_to_json(found), status_view(found))
    if not found.ok:
        fail()


async def _read_status(session: ClusterSession, request: Request) -> FleetStatus:
    async def read(cluster: Cluster, kube: KubeApi) -> tuple[SecretStatus, ...]:
        state = await observe(kube, secrets_in_scope(cluster, request), cluster.pull_secrets)
        return secret_statuses(cluster, state, session.now)

    registered = await session.register(request)
    results = await session.for_each_cluster(targets(registered.clusters, request), read)
    unread: Iterator[ClusterResult[Any] | ClusterOutcome] = chain(
        (result for result in results if result.found is None), registered.outcomes
    )
    secrets = (secret for result in results for secret in result.found or ())
    return FleetStatus(session.now, by_urgency(secrets), tuple(map(_unread, unread)))


def _unread(result: ClusterResult[Any] | ClusterOutcome) -> UnreadCluster:
    why = result.failure.message if result.failure else result.skipped
    return UnreadCluster(result.cluster, why, failed=result.failure is not None)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        problem = Problem(str(file), f"cannot be written: {error.strerror}", "name another file")
        raise InvalidInput([problem]) from None


_CODEC = TypeAdapter(FleetStatus)


def status_to_json(status: FleetStatus) -> dict[str, Any]:
    """The status for programs."""
    fields = _CODEC.dump_python(status, mode="json", by_alias=True)
    secrets = fields.pop("secrets")
    return {"at": fields["at"], "ok": status.ok, "unread": fields["unread"], "secrets": secrets}


def status_view(status: FleetStatus) -> Iterator[RenderableType]:
    """The status for people: a table if it fits, else a paragraph per secret; then the counts."""
    status = sanitize(status)
    for each in status.unread:
        state = "not read" if each.failed else "skipped"
        yield Text(f"! {each.cluster}: {state}: {each.why}", "bright_red")
    if status.secrets:
        yield Fitting(_table(status), _paragraphs(status))
    yield Text(", ".join(_state_counts(status)) or "no pull secrets")


def _table(status: FleetStatus) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for heading in HEADINGS:
        breakable = heading == ACCOUNTS
        table.add_column(heading if breakable else Unbroken(heading), no_wrap=not breakable)
    for secret in status.secrets:
        table.add_row(_state(secret), *_cells(secret, status.at))
    return table


def _cells(secret: SecretStatus, now: datetime) -> Iterator[Text]:
    expires_in = format_span(secret.expires_at - now) if secret.expires_at else "-"
    minted = f"{format_span(now - secret.refreshed_at)} ago" if secret.refreshed_at else "-"
    for value in (secret.cluster, secret.namespace, secret.secret, expires_in, minted):
        yield Unbroken(value)
    yield Text(", ".join(secret.service_accounts) or "-")
    yield Unbroken("\n".join(secret.hosts) or "-")


def _paragraphs(status: FleetStatus) -> Table:
    return columns(
        (_state(secret), Text("\n".join(_paragraph(secret, status.at))))
        for secret in status.secrets
    )


def _paragraph(secret: SecretStatus, now: datetime) -> Iterator[str]:
    """The values of the table's row on lines of their own, as far as there are any."""
    yield f"{secret.cluster} {secret.namespace}/{secret.secret}"
    times = (
        f"expires in {format_span(secret.expires_at - now)}" if secret.expires_at else "",
        f"minted {format_span(now - secret.refreshed_at)} ago" if secret.refreshed_at else "",
    )
    yield from filter(None, [", ".join(filter(None, times))])
    if secret.service_accounts:
        yield f"{ACCOUNTS}: {', '.join(secret.service_accounts)}"
    yield from secret.hosts


def _state(secret: SecretStatus) -> Text:
    return Unbroken(secret.state.value, COLOURS.get(secret.state, "bright_red"))


def _state_counts(status: FleetStatus) -> Iterator[str]:
    states = [secret.state for secret in status.secrets]
    yield from (f"{states.count(state)} {state.value}" for state in State if state in states)
    if status.unread:
        yield f"{pluralize(len(status.unread), 'cluster', 'clusters')} not read"
