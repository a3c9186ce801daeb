"""`acr-refresher plan` and `refresh`: a run like the function's, on this machine."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import typer

from acr_refresher.cli.exit import FAILED, exit_on_errors, fail, interruptible
from acr_refresher.cli.options import (
    DEFAULT_CONFIG,
    AllowRemovalOption,
    ClusterOption,
    ConfigOption,
    ForceOption,
    NamespaceOption,
    OutputFormat,
    OutputOption,
    ReasonOption,
    RegionOption,
    RegistryOption,
    request_for,
    selection_of,
)
from acr_refresher.cli.render import as_json, report_view, selects_nothing, show
from acr_refresher.cli.session import Session, Step, open_session, run_with_progress
from acr_refresher.core.report import Report, report_to_json
from acr_refresher.core.request import Request, RunContext
from acr_refresher.run.run import run
from acr_refresher.settings import SETTINGS

INTERRUPTED = (
    "Some pull secrets may have been written or bound; each of them is complete."
    " The next run, or this command started again, does the rest."
)


def plan(  # noqa: PLR0913  # a command has a parameter for each of its options
    config: ConfigOption = DEFAULT_CONFIG,
    clusters: ClusterOption = None,
    namespaces: NamespaceOption = None,
    registries: RegistryOption = None,
    *,
    force: ForceOption = False,
    allow_removal: AllowRemovalOption = False,
    region: RegionOption = "",
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show what a refresh would change in each cluster, and why. Nothing is minted or written."""
    with exit_on_errors():
        fields = {"force": force, "allowRemoval": allow_removal, "dryRun": True}
        request = request_for(clusters, namespaces, registries, **fields)
        with open_session(config, region) as session:
            report = run_here(session, request, "reading the clusters")
        finish_with_report(report, request, output)


def refresh(  # noqa: PLR0913  # a command has a parameter for each of its options
    config: ConfigOption = DEFAULT_CONFIG,
    clusters: ClusterOption = None,
    namespaces: NamespaceOption = None,
    registries: RegistryOption = None,
    *,
    force: ForceOption = False,
    allow_removal: AllowRemovalOption = False,
    reason: ReasonOption = "",
    region: RegionOption = "",
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Refresh the pull secrets from this machine, as the function does."""
    with exit_on_errors():
        fields = {"force": force, "allowRemoval": allow_removal, "reason": reason}
        request = request_for(clusters, namespaces, registries, **fields)
        with open_session(config, region) as session, interruptible(INTERRUPTED):
            report = run_here(session, request, "refreshing")
            finish_with_report(report, request, output)


def run_here(session: Session, request: Request, doing: str) -> Report:
    """The report of a run on this machine. Raises InvalidInput."""
    context = RunContext(
        run=str(uuid.uuid4()),
        request=request,
        now=datetime.now(timezone.utc),
        budget=SETTINGS.local_run_time,
        account=os.environ.get("FC_ACCOUNT_ID", ""),
    )

    async def work(_step: Step) -> Report:  # the run's log lines are the steps
        return await run(context, session.config, session.dependencies)

    return run_with_progress(session, request, doing, work)


def finish_with_report(
    report: Report,
    request: Request,
    output: OutputFormat,
    document: Mapping[str, Any] | None = None,
) -> None:
    """Print the report, or the document that it was read from.

    Ends the command with 1 if something needs attention, or if the options select nothing.
    """
    if output is OutputFormat.JSON:
        typer.echo(as_json(document or report_to_json(report)))
    else:
        show(*report_view(report, datetime.now(timezone.utc)))
    selection = selection_of(request)
    if selection and selects_nothing(report):
        fail(f"No namespace matches {selection}. Nothing was changed.")
    ok = document.get("ok", report.ok) if document else report.ok
    if not ok:
        raise typer.Exit(FAILED)
