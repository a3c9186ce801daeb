"""A run as the function makes it, made here, as the operator."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from datetime import datetime, timezone

from acr_refresher.cli.exit import exit_on_errors, interruptible
from acr_refresher.cli.options import (
    DEFAULT_CONFIG,
    AllowRemoval,
    Clusters,
    ConfigFile,
    Force,
    Namespaces,
    Output,
    OutputFormat,
    ReasonText,
    Region,
    Registries,
)
from acr_refresher.cli.progress import progress
from acr_refresher.cli.render import show_report
from acr_refresher.cli.session import Session, open_session
from acr_refresher.config.events import InvalidEvent, parse_event, unknown_name_problems
from acr_refresher.core.report import Report
from acr_refresher.core.request import Request, RunContext
from acr_refresher.run.run import run, targets
from acr_refresher.settings import SETTINGS

"""Nobody ends a command, as the platform ends a function, but its operator."""

Globs = list[str] | None


def request_for(clusters: Globs, namespaces: Globs, registries: Globs, **more: object) -> Request:
    """What the options ask for, read as an event that says the same. Raises InvalidEvent."""
    return parse_event(event_for(clusters, namespaces, registries, **more))


def event_for(clusters: Globs, namespaces: Globs, registries: Globs, **more: object) -> str:
    """The event that says what the options ask for."""
    globs = {"clusters": clusters, "namespaces": namespaces, "registries": registries}
    given = {key: patterns for key, patterns in globs.items() if patterns}
    return json.dumps({"action": "refresh", **given, **more})


def check_names(request: Request, setup: Session) -> None:
    """Raises InvalidEvent where the request is about what there is not."""
    if unknown := unknown_name_problems(request, setup.config):
        raise InvalidEvent(unknown)


def cluster_count(setup: Session, request: Request) -> int | None:
    """How many clusters the request is about; None where some are yet to be discovered."""
    return None if setup.config.discoveries else len(targets(setup.config.clusters, request))


def run_locally(setup: Session, request: Request, doing: str) -> Report:
    """The report of a run. Raises InvalidEvent."""
    check_names(request, setup)
    context = RunContext(
        run=str(uuid.uuid4()),
        request=request,
        now=datetime.now(timezone.utc),
        budget=SETTINGS.local_run_time,
        account=os.environ.get("FC_ACCOUNT_ID", ""),
    )
    with progress(doing, cluster_count(setup, request)):
        return asyncio.run(run(context, setup.config, setup.dependencies))


def plan(  # noqa: PLR0913  # a command has a parameter for each of its options
    config: ConfigFile = DEFAULT_CONFIG,
    clusters: Clusters = None,
    namespaces: Namespaces = None,
    registries: Registries = None,
    *,
    force: Force = False,
    allow_removal: AllowRemoval = False,
    region: Region = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Show what a refresh would change in which cluster, and why. Nothing is minted or written."""
    with exit_on_errors():
        request = request_for(
            clusters, namespaces, registries, force=force, allowRemoval=allow_removal, dryRun=True
        )
        with open_session(config, region) as setup:
            report = run_locally(setup, request, "looking at the clusters")
        show_report(report, output)


PARTLY = (
    "Some pull secrets may have been written or bound already, each as a whole:"
    " the next run, or this command started again, does what is left."
)


def refresh(  # noqa: PLR0913  # a command has a parameter for each of its options
    config: ConfigFile = DEFAULT_CONFIG,
    clusters: Clusters = None,
    namespaces: Namespaces = None,
    registries: Registries = None,
    *,
    force: Force = False,
    allow_removal: AllowRemoval = False,
    reason: ReasonText = "",
    region: Region = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Refresh the pull secrets from here, as the function would."""
    with exit_on_errors():
        request = request_for(
            clusters, namespaces, registries, force=force, allowRemoval=allow_removal, reason=reason
        )
        with open_session(config, region) as setup, interruptible(PARTLY):
            report = run_locally(setup, request, "refreshing")
            show_report(report, output)
