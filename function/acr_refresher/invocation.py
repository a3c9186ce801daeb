"""One invocation of the function: from its event to its answer."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Coroutine
from dataclasses import astuple
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from acr_refresher.adapters.fc import Invocation, read_invocation
from acr_refresher.config import Config
from acr_refresher.context import Caller, Context
from acr_refresher.core.report import Report, to_json
from acr_refresher.core.request import Request
from acr_refresher.events import InvalidEvent, parse_event, unknown_names
from acr_refresher.run import run
from acr_refresher.wiring import Instance

USUAL_TIMEOUT = timedelta(minutes=10)
TO_REPORT = timedelta(seconds=5)
"""Kept back from the function's timeout to report what was not finished."""


class RunFailed(Exception):
    """A timer's run, or a shard, left what needs attention; every other cluster was served.

    Raised so that the platform counts the invocation as failed; the details are in the log.
    """


def answer(
    event: bytes | str,
    context: object,
    config: Config,
    instance: Instance,
    folder: Path,
    began: float,
) -> dict[str, Any]:
    """The report of the run that the event asks for.

    `folder` is that of the configuration; the invocation began then by `time.monotonic`.
    Raises InvalidEvent, or Denied where the function has no role, before anything is done; and
    RunFailed after everything was.
    """
    request = parse_event(event)
    if unknown := unknown_names(request, config):
        raise InvalidEvent(unknown)
    invocation = read_invocation(context, os.environ)
    asked = Context(
        run=_run_id(request, invocation),
        request=request,
        now=datetime.now(timezone.utc),
        budget=_budget(invocation.timeout or USUAL_TIMEOUT, began),
        request_id=invocation.request_id,
        account=invocation.account_id,
        function=invocation.function,
    )
    caller = Caller(invocation.credentials, invocation.region_id)
    report = _complete(run(asked, config, instance.outside(config, folder, caller)))
    if request.unattended and not report.ok:
        raise RunFailed(_verdict(report))
    return to_json(report)


def _run_id(request: Request, invocation: Invocation) -> str:
    """That of the shard's run; for a tick of a timer one that each delivery of it has alike.

    So all shards of a tick report under it, whichever delivery started them.
    """
    if request.shard:
        return request.shard.run
    if request.occasion and invocation.function:
        tick = (*astuple(invocation.function), request.trigger, request.occasion)
        return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(tick)))
    return invocation.request_id or str(uuid.uuid4())


def _budget(timeout: timedelta, began: float) -> timedelta:
    """What a run may take of the function's timeout; at least a quarter, so that it tries."""
    spent = timedelta(seconds=time.monotonic() - began)
    return max(timeout - spent - TO_REPORT, timeout / 4)


def _complete(running: Coroutine[Any, Any, Report]) -> Report:
    """In uvloop's event loop, whose TLS takes a fifth less of a request's CPU."""
    try:
        import uvloop  # noqa: PLC0415  # there is none for Windows
    except ImportError:
        return asyncio.run(running)
    return uvloop.run(running)


def _verdict(report: Report) -> str:
    verdict = f"run {report.run}: {len(report.failing)} of {len(report.clusters)} clusters need"
    verdict += f" attention: {', '.join(report.failing)}"
    if tasks := report.not_handed_on:
        verdict += f"; could not be started: {', '.join(tasks)}"
    return verdict
