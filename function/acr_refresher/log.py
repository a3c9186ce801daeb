"""Log lines as JSON, and the one redaction for lines, records and messages.

A secret is recognised by the name of its field or by how it looks.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import structlog
from pydantic import SecretStr
from pydantic_core import PydanticSerializationError, to_json
from structlog.typing import EventDict, FilteringBoundLogger

from acr_refresher.settings import SETTINGS

MASK = "**********"

_SECRET_NAME = re.compile(
    r"""
    token | passw(or)?d | passphrase | authori[sz]ation | cookie | signature | kubeconfig
    | secret[_-]?key | key[_-]?secret | private[_-]?key | key[_-]?data
    | docker[_-]?config | credentials?$
    """,
    re.IGNORECASE | re.VERBOSE,
)

_SECRET_LOOK = re.compile(
    r"""
    (?P<role>\bacs:ram::\d*:[\w.@/-]+)                          # the name of a role, kept
    | (?P<scheme>\b(?:Bearer|Basic)\s+)[\w.~+/=:-]{6,}          # of an Authorization header
    | (?P<user>://[^\s/:@]*:)[^\s/@]+(?=@)                      # the password in a URL
    | (?P<name>(?<![\w-])[\w-]*                                 # name=value, "name": "value"
        (?:token|passw(?:or)?d|authorization|signature|key[_-]?secret|secret[_-]?key)
        (?:["']\s*:\s*["']?|=["']?))[^\s"'&,;]+
    | \beyJ[\w-]{8,}(?:\.[\w-]*){0,2}                           # a JSON Web Token
    | (?-i:(?<![\w+/-])                                         # base64: all of these in one run
        (?=(?:[a-z0-9_+/-]*[A-Z]){4})
        (?=(?:[A-Z0-9_+/-]*[a-z]){4})
        (?=[A-Za-z_+/-]*[0-9])
        [\w+/-]{24,}={0,2})
    """,
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)


_PLAIN = r"[a-z0-9._/ -]*"
_HARMLESS = re.compile(rf"{_PLAIN}(?:T\d\d:\d\d:\d\dZ{_PLAIN})*", re.ASCII)
_YET_SECRET = ("bearer ", "basic ", "eyj")
"""Names, hosts, IDs, digests and times match `_HARMLESS`, which costs a tenth of `_SECRET_LOOK`.
Text that contains one of `_YET_SECRET` is searched nevertheless."""


@functools.lru_cache(1024)
def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret. `password` does; `secret` names an object."""
    return _SECRET_NAME.search(name) is not None


@functools.lru_cache(1024)  # the lines of a thousand secrets contain the same texts
def mask_text(text: str) -> str:
    """Return the text with passwords, tokens, signatures and long base64 runs masked.

    Names of objects (`acr-pull`) and roles, request IDs and digests in hexadecimal stay readable.
    """
    return text if _is_harmless(text) else _SECRET_LOOK.sub(_masked, text)


@functools.lru_cache(1024)
def safe_text(text: str) -> str:
    """Return a text as lines and reports show it: on one line, not too long, with secrets masked.

    Others may have written it, and it may reverse the line or move the cursor. It is cut before
    it is searched, and again after it, so that no part of a secret is left at the end.
    """
    cut = text[: SETTINGS.record_text + _LONGEST_SECRET]
    printable = cut if cut.isprintable() else "".join(map(_printable, cut))
    masked = mask_text(printable)
    limit = SETTINGS.record_text
    return masked if len(masked) <= limit else masked[: limit - 1] + "…"


def _printable(character: str) -> str:
    return character if character.isprintable() else " "


OUR_IDS = frozenset({"taskId"})
"""Fields with IDs that a run has made, which may look like a secret."""


def safe_document(document: Any) -> Any:
    """Return JSON data with every text in it as `safe_text` has it, except our own IDs."""
    if isinstance(document, str):
        return safe_text(document)
    if isinstance(document, list):
        return [safe_document(each) for each in document]
    if isinstance(document, dict):
        return {
            name: each if name in OUR_IDS else safe_document(each)
            for name, each in document.items()
        }
    return document


def _is_harmless(text: str) -> bool:
    plain = _HARMLESS.fullmatch(text) is not None
    return plain and not any(words in text for words in _YET_SECRET)


def _masked(found: re.Match[str]) -> str:
    groups = found.groupdict()
    if groups["role"]:
        return groups["role"]
    return (groups["scheme"] or groups["user"] or groups["name"] or "") + MASK


_LONGEST_SECRET = 4000
"""Characters after the limit that are searched too: the longest tokens have some 2000."""
_PACKAGE = Path(__file__).parent
_OURS = "acr_refresher."
_NUMBERS = (int, float, timedelta)
_AS_IT_IS = frozenset({type(None), bool, int, float})
_SECRETS, _LISTS = (SecretStr, bytes), (list, tuple, set, frozenset)

OnEvent: TypeAlias = Callable[[Mapping[str, Any]], None]
"""Takes the fields of one log line, redacted: `level`, `event` and those of the event."""


def configure_logging(stream: TextIO | None = None, *, on_event: OnEvent | None = None) -> None:
    """Write one line of JSON per event to the stream (stdout by default); silence all libraries.

    With `on_event` each event is passed to that function instead, and no line is written.
    """
    _silence_libraries()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            functools.partial(_observe, on_event) if on_event else _line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stdout),
    )


def get_logger() -> FilteringBoundLogger:
    """Return a logger for dotted event names and flat fields: `log.info("run.done", ok=True)`."""
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def redact(fields: Mapping[str, object]) -> dict[str, Any]:
    """Return the fields as JSON data, with secrets masked. Fields without content are left out."""
    return {
        name: _value(name, value)
        for name, value in fields.items()
        if value or isinstance(value, _NUMBERS)
    }


def own_frames(error: BaseException) -> list[str]:
    """Return where the error was raised, outermost call first: `run/apply.py:120 in _write`.

    The frames have no values. A file of a library is named without its folder.
    """
    frames = traceback.extract_tb(error.__traceback__, limit=-SETTINGS.traceback_frames)
    return [f"{_place(frame)} in {frame.name}" for frame in frames]


def last_own_place(error: BaseException) -> str:
    """Return the innermost line of this package that raised the error, or else of any package."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _PACKAGE in Path(frame.filename).parents]
    return _place((ours or frames)[-1]) if frames else "an unknown place"


def _place(frame: traceback.FrameSummary) -> str:
    path = Path(frame.filename)
    named = path.relative_to(_PACKAGE).as_posix() if _PACKAGE in path.parents else path.name
    return f"{named}:{frame.lineno}"


def _silence_libraries() -> None:
    """Turn off the standard library's logging, which we do not use, at every level.

    When the SDKs are imported later, they attach handlers of their own and set their loggers to
    DEBUG. aliyun-fc2 logs the headers of refused requests, with signature and security token, to
    the root logger at ERROR. The switch that is set here stops all of that. With DEBUG=sdk the SDKs
    would also log every header, and fail on unusual status codes.
    """
    logging.disable(logging.CRITICAL)
    if os.environ.get("DEBUG", "").lower() == "sdk":
        del os.environ["DEBUG"]


def _observe(on_event: OnEvent, _logger: object, level: str, event: EventDict) -> str:
    on_event(_fields(level, event))
    raise structlog.DropEvent


def _line(_logger: object, level: str, event: EventDict) -> str:
    """Render the line in one processor, because log lines cost a good part of a run's CPU."""
    line = _fields(level, event)
    line["ts"] = _utc(datetime.now(timezone.utc))
    return _json(line)


def _fields(level: str, event: EventDict) -> dict[str, Any]:
    """Return the fields of a line: level, event and message first."""
    if "exc_info" in event:
        event.update(_exception_in_short(event.pop("exc_info")))
    line = {"level": level, "event": event.pop("event")}
    if event.get("message"):
        line["message"] = MASK  # keeps its place until the redacted message follows
    line.update(redact(event))
    return line


def _json(line: Mapping[str, object]) -> str:
    try:
        return to_json(line).decode()
    except PydanticSerializationError:  # half a surrogate pair, which UTF-8 cannot encode
        return json.dumps(line)


def _exception_in_short(given: object) -> dict[str, object]:
    """Return the exception's type and frames. Its text is added only if the exception is ours."""
    error = sys.exc_info()[1] if given is True else given
    if not isinstance(error, BaseException):
        return {}
    kind = type(error)
    words = f": {error}" if kind.__module__.startswith(_OURS) else ""
    return {"exception": kind.__name__ + words, "traceback": own_frames(error)}


def _value(name: str, value: object) -> Any:  # noqa: PLR0911  # a line for each kind of value
    """Return the value as JSON data. A span is in seconds, or in milliseconds if named `*_ms`."""
    if type(value) in _AS_IT_IS:
        return value
    if isinstance(value, Enum):
        return _value(name, value.value)
    if isinstance(value, datetime):
        return _utc_cached(value)
    if isinstance(value, timedelta):
        unit = timedelta(milliseconds=1) if name.endswith("_ms") else timedelta(seconds=1)
        return round(value / unit, 3)
    if is_secret_name(name) or isinstance(value, _SECRETS):
        return MASK
    if isinstance(value, str):
        return safe_text(value)
    if isinstance(value, _LISTS):
        return _list(value)
    if isinstance(value, Mapping):
        return {str(key): _value(str(key), each) for key, each in value.items()}
    return safe_text(str(value))


def _utc(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


# The lines of a thousand secrets contain the same hosts, warnings and expiry.
_utc_cached = functools.lru_cache(64)(_utc)


def _list(values: Iterable[object]) -> list[Any]:
    try:
        return _list_cached(values)  # type: ignore[arg-type]  # hashable, or else a TypeError
    except TypeError:  # a mutable value is not cached
        return [_value("", each) for each in values]


@functools.lru_cache(64)
def _list_cached(values: Any) -> list[Any]:
    return [_value("", each) for each in values]
