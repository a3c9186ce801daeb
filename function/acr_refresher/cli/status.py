"""`acr-refresher status`: how every pull secret of every cluster stands. It reads, and no more."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import typer

from acr_refresher.cli.from_here import check_names, cluster_count, request_for
from acr_refresher.cli.options import USUAL_CONFIG, Clusters, ConfigFile, Form, Output, Region
from acr_refresher.cli.printable import as_json
from acr_refresher.cli.progress import Step, progress
from acr_refresher.cli.refusal import FAILED, refusing
from acr_refresher.cli.setup import Setup, opened
from acr_refresher.cli.standing import Standing, Status, Unread, by_urgency, standings
from acr_refresher.cli.status_page import page
from acr_refresher.cli.status_table import show, to_json
from acr_refresher.cli.visit import Visit, Visitor
from acr_refresher.core.model import Cluster
from acr_refresher.core.plan import secrets_in_scope
from acr_refresher.core.request import Request
from acr_refresher.inputs.problems import InvalidInput, Problem
from acr_refresher.observe import observe
from acr_refresher.ports import KubeApi

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
    config: ConfigFile = USUAL_CONFIG,
    clusters: Clusters = None,
    *,
    html: HtmlFile = None,
    region: Region = "",
    output: Output = Form.TABLE,
) -> None:
    """Show every pull secret: registry hosts, service accounts, age, expiry. Most urgent first."""
    with refusing():
        request = request_for(clusters, None, None)
        with opened(config, region) as setup:
            check_names(request, setup)
            with progress("reading the clusters", cluster_count(setup, request)) as step:
                found = asyncio.run(_status(setup, request, step))
        if html:
            _write(html, page(found))
    if output is Form.JSON:
        typer.echo(as_json(to_json(found)))
    else:
        show(found)
    if not found.ok:
        raise typer.Exit(FAILED)


async def _status(setup: Setup, request: Request, step: Step) -> Status:
    now = datetime.now(timezone.utc)
    visitor = Visitor.new(setup, now)

    async def look(cluster: Cluster, kube: KubeApi) -> tuple[Standing, ...]:
        return standings(cluster, await observe(kube, secrets_in_scope(cluster, request)), now)

    try:
        visits = await visitor.visit_all(request, look, step)
    finally:
        await visitor.close()
    found = (one for visit in visits for one in visit.found or ())
    return Status(
        now, by_urgency(found), tuple(_unread(one) for one in visits if one.found is None)
    )


def _unread(visit: Visit[Any]) -> Unread:
    failure = visit.failure
    return Unread(visit.cluster, failure.message if failure else visit.skipped, failure is not None)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        problem = Problem(str(file), f"cannot be written: {error.strerror}", "name another file")
        raise InvalidInput([problem]) from None
