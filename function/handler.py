"""The function's entry points.

Function Compute calls `initialize(context)` once an instance, `handle(event, context)` once an
invocation and `pre_stop(context)` before it takes the instance away.
https://www.alibabacloud.com/help/en/functioncompute/user-guide/event-handlers-3
"""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import uuid
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from acr_refresher import logs
from acr_refresher.adapters.fc import read_invocation
from acr_refresher.config import Config, load_config
from acr_refresher.config.timing import TIMER_VARIABLE, warnings_of
from acr_refresher.context import Context
from acr_refresher.core.report import Report, to_json
from acr_refresher.events import InvalidEvent, parse_event, unknown_names
from acr_refresher.inputs.schedule import read_timer
from acr_refresher.run import run
from acr_refresher.wiring import Caller, Instance

log = logs.get_logger()

CONFIG_VARIABLE = "ACR_REFRESHER_CONFIG"
USUAL_TIMEOUT = timedelta(minutes=10)
COLLECT_AFTER = 10_000
"""Objects, some 10 MB."""
TO_REPORT = timedelta(seconds=5)
"""Kept back from the function's timeout to report what was not finished."""


class RunFailed(Exception):
    """A timer's run, or a shard, left what needs attention; every other cluster was served.

    Raised so that the platform counts the invocation as failed; the details are in the log.
    """


def initialize(context: object) -> None:
    """Make the instance ready.

    Raises ConfigError with every problem of config.yaml, and InvalidInput where its secrets can
    expire between the timer's ticks.
    """
    del context
    logs.configure()
    config = _config()
    if schedule := os.environ.get(TIMER_VARIABLE):
        timer = read_timer(schedule, TIMER_VARIABLE)
        for warning in warnings_of(config.timings, timer):
            log.warning("config.warning", **asdict(warning))
    _instance()
    _spare_the_collector()


def handle(event: bytes | str, context: object) -> dict[str, Any]:
    """One run: the report as JSON-able data.

    Raises InvalidEvent, ConfigError or Denied (the function has no role) before anything is done,
    and RunFailed after everything was done where a timer's run, or a shard, needs attention.
    """
    logs.configure()
    request = parse_event(event)
    config = _config()
    if unknown := unknown_names(request, config):
        raise InvalidEvent(unknown)
    invocation = read_invocation(context, os.environ)
    asked = Context(
        run=request.shard.run if request.shard else invocation.request_id or str(uuid.uuid4()),
        request=request,
        now=datetime.now(timezone.utc),
        budget=(invocation.timeout or USUAL_TIMEOUT) - TO_REPORT,
        account=invocation.account_id,
        function=invocation.function,
    )
    caller = Caller(invocation.credentials, invocation.region_id)
    outside = _instance().outside(config, _config_path().parent, caller)
    report = asyncio.run(run(asked, config, outside))
    if request.unattended and not report.ok:
        raise RunFailed(_verdict(report))
    return to_json(report)


def pre_stop(context: object) -> None:
    """Give the threads back before the instance goes."""
    del context
    _instance().close()
    _instance.cache_clear()


@functools.cache
def _config() -> Config:
    return load_config(_config_path())


@functools.cache
def _instance() -> Instance:
    return Instance.new(os.environ)


def _spare_the_collector() -> None:
    """What is loaded by now stays; and a run makes many objects, few of them in cycles.

    Looking for garbage took a tenth of a run's CPU otherwise, in leaps of 60 ms.
    """
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def _config_path() -> Path:
    return Path(os.environ.get(CONFIG_VARIABLE) or Path(__file__).with_name("config.yaml"))


def _verdict(report: Report) -> str:
    verdict = f"run {report.run}: {len(report.failing)} of {len(report.clusters)} clusters need"
    verdict += f" attention: {', '.join(report.failing)}"
    if tasks := report.not_handed_on:
        verdict += f"; could not be started: {', '.join(tasks)}"
    return verdict
