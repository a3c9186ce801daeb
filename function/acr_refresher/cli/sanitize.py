"""Text from clusters, the cloud and files, made safe for a terminal.

Names are restricted by whoever keeps them. Error messages, warnings and annotations are not: some
text moves the cursor, renames the window or reverses the line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, TypeVar, cast

T = TypeVar("T")


def sanitize(told: T) -> T:
    """The same with every text in it on one line, whose odd characters stand there as escapes.

    `told` is a text, or frozen data of whatever depth that holds some.
    """
    return cast("T", _sanitized(told))


def as_json(document: Any) -> str:
    """Indented, for people and programs: readable in any language, and nothing but readable."""
    lines = json.dumps(document, indent=2, ensure_ascii=False).split("\n")
    return "\n".join(line if line.isprintable() else _escaped(line) for line in lines)


def _sanitized(told: Any) -> Any:
    if isinstance(told, Enum):
        return told
    if isinstance(told, str):
        return told if told.isprintable() else _escaped(told)
    if isinstance(told, tuple):
        return tuple(map(_sanitized, told))
    if isinstance(told, Mapping):
        return {_sanitized(key): _sanitized(value) for key, value in told.items()}
    if is_dataclass(told):
        changes = {one.name: _sanitized(getattr(told, one.name)) for one in fields(told)}
        return replace(cast("Any", told), **changes)
    return told


def _escaped(text: str) -> str:
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)
