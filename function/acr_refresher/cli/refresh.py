"""`acr-refresher plan` and `refresh`: run what the function runs, on this machine."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from acr_refresher.cli import options
from acr_refresher.cli.exit import exit_on_errors, fail, interruptible, print_result
from acr_refresher.cli.render import report_view, selects_nothing
from acr_refresher.cli.session import Session, open_session, run_with_progress
from acr_refresher.core.report import Report, report_to_json
from acr_refresher.core.request import Request, RunContext
from acr_refresher.log import safe_document
from acr_refresher.run.run import run
from acr_refresher.settings import SETTINGS

INTERRUPTED = (
    "Some pull secrets may have been written or bound; each of them is complete."
    " The next run, or this command started again, does the rest."
)


def plan(  # noqa: PLR0913  # a command has a parameter for each of its options
    config: options.ConfigOption = options.DEFAULT_CONFIG,
    clusters: options.ClusterOption = None,
    namespaces: options.NamespaceOption = None,
    registries: options.RegistryOption = None,
    *,
    force: options.ForceOption = False,
    allow_removal: options.AllowRemovalOption = False,
    region: options.RegionOption = "",
    output: options.OutputOption = options.OutputFormat.TABLE,
) -> None:
    """Show what a refresh would change in each cluster, and why. Nothing is minted or written."""
    with exit_on_errors():
        fields = {"force": force, "allowRemoval": allow_removal, "dryRun": True}
        request = options.request_for(clusters, namespaces, registries, **fields)
        with open_session(config, region) as session:
            report = run_here(session, request, "reading the clusters")
        finish_with_report(report, request, output)


def refresh(  # noqa: PLR0913  # a command has a parameter for each of its options
    config: options.ConfigOption = options.DEFAULT_CONFIG,
    clusters: options.ClusterOption = None,
    namespaces: options.NamespaceOption = None,
    registries: options.RegistryOption = None,
    *,
    force: options.ForceOption = False,
    allow_removal: options.AllowRemovalOption = False,
    reason: options.ReasonOption = "",
    region: options.RegionOption = "",
    output: options.OutputOption = options.OutputFormat.TABLE,
) -> None:
    """Refresh the pull secrets from this machine, as the function does."""
    with exit_on_errors():
        fields = {"force": force, "allowRemoval": allow_removal, "reason": reason}
        request = options.request_for(clusters, namespaces, registries, **fields)
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
    return run_with_progress(  # the run's log lines are the steps
        session, request, doing, lambda _step: run(context, session.config, session.dependencies)
    )


def finish_with_report(
    report: Report,
    request: Request,
    output: options.OutputFormat,
    document: Mapping[str, Any] | None = None,
) -> None:
    """Print the report, or the document that it was read from.

    Ends the command with 1 if something needs attention, or if the options select nothing.
    """
    document = document or safe_document(report_to_json(report))
    print_result(output, document, report_view(report, datetime.now(timezone.utc)))
    selection = options.selection_of(request)
    if selection and selects_nothing(report):
        fail(f"No namespace matches {selection}. Nothing was changed.")
    if not document.get("ok", report.ok):
        fail()
