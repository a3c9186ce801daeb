"""The function's entry points.

Function Compute calls `initialize(context)` once per instance, `handle(event, context)` once per
invocation, and `pre_stop(context)` before it removes the instance.
https://www.alibabacloud.com/help/en/functioncompute/user-guide/event-handlers-3
"""

from __future__ import annotations

import functools
import gc
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acr_refresher.config.load import CONFIG_VARIABLE, Config, load_config
from acr_refresher.config.timer import TIMER_VARIABLE, parse_timer, timer_warnings
from acr_refresher.log import configure_logging, get_logger
from acr_refresher.settings import SETTINGS

if TYPE_CHECKING:
    from acr_refresher.wiring import Instance

log = get_logger()


def initialize(context: object) -> None:
    """Make the instance ready.

    Raises ConfigError with every problem of config.yaml, and InvalidInput if secrets can expire
    between two runs of the timer.
    """
    del context
    configure_logging()
    config = _config()
    if schedule := os.environ.get(TIMER_VARIABLE):
        timer = parse_timer(schedule, TIMER_VARIABLE)
        for warning in timer_warnings(config.timings, timer):
            log.warning("config.warning", **asdict(warning))
    _collect_garbage_rarely()


def handle(event: bytes | str, context: object) -> dict[str, Any]:
    """Make one run, and return its report as data for JSON.

    Raises InvalidEvent, ConfigError or Denied (the function has no role) before anything is done.
    Raises RunFailed after everything was done, if a run of a timer or of a shard needs attention.
    """
    began = time.monotonic()
    # A cold start does not load the modules that only runs need: more than half of all.
    from acr_refresher.invocation import handle_invocation  # noqa: PLC0415  # see above

    configure_logging()
    folder = _config_path().parent
    try:
        return handle_invocation(event, context, _config(), _instance(), folder, began)
    finally:
        _freeze_what_the_first_run_loaded()


def pre_stop(context: object) -> None:
    """End the threads before the instance is removed."""
    del context
    if _instance.cache_info().currsize:
        _instance().close()
        _instance.cache_clear()


@functools.cache
def _config() -> Config:
    return load_config(_config_path())


@functools.cache
def _instance() -> Instance:
    from acr_refresher.wiring import Instance  # noqa: PLC0415  # see `handle`

    return Instance.new(os.environ)


def _collect_garbage_rarely() -> None:
    """Exempt what is loaded from garbage collection, and collect less often.

    A run makes many objects, few of them in cycles. Collecting at Python's defaults took a tenth
    of a run's CPU, in pauses of 60 ms.
    """
    gc.freeze()
    gc.set_threshold(SETTINGS.collect_garbage_after)


@functools.cache
def _freeze_what_the_first_run_loaded() -> None:
    """Exempt the modules that the first run loaded too, such as the SDKs, from collection."""
    if gc.get_freeze_count():  # only in an instance, not in a command or a test
        gc.freeze()


def _config_path() -> Path:
    return Path(os.environ.get(CONFIG_VARIABLE) or Path(__file__).with_name("config.yaml"))
