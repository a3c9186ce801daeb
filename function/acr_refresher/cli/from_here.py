"""A run as the function makes it, made here, as the operator."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from datetime import datetime, timedelta, timezone

from acr_refresher.cli.progress import progress
from acr_refresher.cli.setup import Setup
from acr_refresher.context import Context
from acr_refresher.core.report import Report
from acr_refresher.core.request import Request
from acr_refresher.events import InvalidEvent, parse_event, unknown_names
from acr_refresher.run import run, targets

BUDGET = timedelta(hours=1)
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


def check_names(request: Request, setup: Setup) -> None:
    """Raises InvalidEvent where the request is about what there is not."""
    if unknown := unknown_names(request, setup.config):
        raise InvalidEvent(unknown)


def cluster_count(setup: Setup, request: Request) -> int | None:
    """How many clusters the request is about; None where some are yet to be discovered."""
    return None if setup.config.discoveries else len(targets(setup.config.clusters, request))


def run_from_here(setup: Setup, request: Request, doing: str) -> Report:
    """The report of a run. Raises InvalidEvent."""
    check_names(request, setup)
    context = Context(
        run=str(uuid.uuid4()),
        request=request,
        now=datetime.now(timezone.utc),
        budget=BUDGET,
        account=os.environ.get("FC_ACCOUNT_ID", ""),
    )
    with progress(doing, cluster_count(setup, request)):
        return asyncio.run(run(context, setup.config, setup.outside))
