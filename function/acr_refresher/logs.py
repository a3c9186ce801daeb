"""Log lines: one JSON object a line on stdout, which Function Compute carries to SLS.

Nothing secret gets in: values under the name of a secret and what looks like one are masked here as
the last line of defence, exceptions are told without traceback and without the words of libraries,
and the standard library's logging, through which the SDKs log signed requests, is off.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any, TextIO

import structlog
from pydantic import SecretStr
from pydantic_core import PydanticSerializationError, to_json
from structlog.typing import EventDict, FilteringBoundLogger

from acr_refresher.redaction import MASK, is_secret_name, mask_text

_OURS = "acr_refresher."
_NUMBERS = (int, float, timedelta)
_AS_IT_IS = frozenset({type(None), bool, int, float})
_SECRETS, _LISTS = (SecretStr, bytes), (list, tuple, set, frozenset)


def configure(stream: TextIO | None = None) -> None:
    """Send our lines to the stream (stdout by default), and silence everybody else."""
    _silence_libraries()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _line],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stdout),
    )


def get_logger() -> FilteringBoundLogger:
    """A logger for stable dotted event names and flat keys: `log.info("run.finished", ok=True)`."""
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def _silence_libraries() -> None:
    """Turn off the standard library's logging, which we do not use, at every level.

    The SDKs attach handlers of their own and set their loggers to DEBUG when they are imported,
    which is later; aliyun-fc2 logs the headers of refused requests, with signature and security
    token, to the root logger at ERROR. All of that asks the one switch set here first.
    DEBUG=sdk has the SDKs log every header as well, and stumble over unusual status codes.
    """
    logging.disable(logging.CRITICAL)
    if os.environ.get("DEBUG", "").lower() == "sdk":
        del os.environ["DEBUG"]


def _line(_logger: object, level: str, event: EventDict) -> str:
    """One processor for all: a line a secret is a good part of what a run costs."""
    if "exc_info" in event:
        event.update(_exception_in_short(event.pop("exc_info")))
    line = {
        name: _value(name, value)
        for name, value in event.items()
        if value or isinstance(value, _NUMBERS)  # what says nothing is left out
    }
    line["level"] = level
    line["ts"] = _utc(datetime.now(timezone.utc))
    return _json(line)


def _json(line: Mapping[str, object]) -> str:
    try:
        return to_json(line).decode()
    except PydanticSerializationError:  # half a surrogate pair, which UTF-8 has no bytes for
        return json.dumps(line)


def _exception_in_short(given: object) -> dict[str, str]:
    """The exception's type, with its message only where it is ours: others' may quote anything."""
    error = sys.exc_info()[1] if given is True else given
    if not isinstance(error, BaseException):
        return {}
    kind = type(error)
    words = f": {error}" if kind.__module__.startswith(_OURS) else ""
    return {"exception": kind.__name__ + words}


def _value(name: str, value: object) -> Any:  # noqa: PLR0911  # a line for each kind of value
    """The value as JSON has it. A span is in seconds, or in milliseconds under a name in _ms."""
    if type(value) in _AS_IT_IS:
        return value
    if isinstance(value, Enum):
        return _value(name, value.value)
    if isinstance(value, datetime):
        return _utc_again(value)
    if isinstance(value, timedelta):
        unit = timedelta(milliseconds=1) if name.endswith("_ms") else timedelta(seconds=1)
        return round(value / unit, 3)
    if is_secret_name(name) or isinstance(value, _SECRETS):
        return MASK
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, _LISTS):
        return _all(value)
    if isinstance(value, Mapping):
        return {str(key): _value(str(key), each) for key, each in value.items()}
    return mask_text(str(value))


def _utc(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


# The same hosts, warnings and expiry stand in the lines of a thousand secrets.
_utc_again = functools.lru_cache(64)(_utc)


def _all(values: Iterable[object]) -> list[Any]:
    try:
        return _all_again(values)  # type: ignore[arg-type]  # hashable, or else a TypeError
    except TypeError:  # what can change is not remembered
        return [_value("", each) for each in values]


@functools.lru_cache(64)
def _all_again(values: Any) -> list[Any]:
    return [_value("", each) for each in values]
