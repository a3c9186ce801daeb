"""The function's entry points.

Function Compute calls `initialize(context)` once an instance, `handle(event, context)` once an
invocation and `pre_stop(context)` before it takes the instance away.
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

from acr_refresher.config.load import Config, load_config
from acr_refresher.config.timer import TIMER_VARIABLE, parse_timer, timer_warnings
from acr_refresher.log import configure_logging, get_logger
from acr_refresher.settings import SETTINGS

if TYPE_CHECKING:
    from acr_refresher.wiring import Instance

log = get_logger()

CONFIG_VARIABLE = "ACR_REFRESHER_CONFIG"


def initialize(context: object) -> None:
    """Make the instance ready.

    Raises ConfigError with every problem of config.yaml, and InvalidInput where its secrets can
    expire between the timer's ticks.
    """
    del context
    configure_logging()
    config = _config()
    if schedule := os.environ.get(TIMER_VARIABLE):
        timer = parse_timer(schedule, TIMER_VARIABLE)
        for warning in timer_warnings(config.timings, timer):
            log.warning("config.warning", **asdict(warning))
    _spare_the_collector()


def handle(event: bytes | str, context: object) -> dict[str, Any]:
    """One run: the report as JSON-able data.

    Raises InvalidEvent, ConfigError or Denied (the function has no role) before anything is done,
    and RunFailed after everything was done where a timer's run, or a shard, needs attention.
    """
    began = time.monotonic()
    # What only runs need is more than half of all there is to load: a cold start goes without.
    from acr_refresher.invocation import handle_invocation  # noqa: PLC0415  # as it says

    configure_logging()
    return handle_invocation(event, context, _config(), _instance(), _config_path().parent, began)


def pre_stop(context: object) -> None:
    """Give the threads back before the instance goes."""
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


def _spare_the_collector() -> None:
    """What is loaded by now stays; and a run makes many objects, few of them in cycles.

    Looking for garbage took a tenth of a run's CPU otherwise, in leaps of 60 ms.
    """
    gc.freeze()
    gc.set_threshold(SETTINGS.collect_garbage_after)


def _config_path() -> Path:
    return Path(os.environ.get(CONFIG_VARIABLE) or Path(__file__).with_name("config.yaml"))
