"""What an invocation asks for, from the event that Function Compute hands over.

A timer's event is `{"triggerTime": …, "triggerName": …, "payload": "…"}`. Its payload may be empty,
or any note, which changes nothing, or a JSON object that narrows the run down like a manual event:

    {"action": "refresh", "clusters": ["prod-*"], "namespaces": ["team-*"], "registries": ["main"],
     "force": true, "dryRun": false, "reason": "rotated by hand"}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from acr_refresher.config import Config
from acr_refresher.core.model import Request
from acr_refresher.core.selection import matches_any
from acr_refresher.inputs.forms import ClusterGlob, NameGlob
from acr_refresher.inputs.problems import (
    InvalidInput,
    Location,
    Problem,
    path_of,
    shown,
    suggestion,
)
from acr_refresher.inputs.strict_model import StrictModel, in_plain_words

_ROOT = "event"
_EXAMPLE = 'send a JSON object such as {"action": "refresh"}'

_Globs = Annotated[list[NameGlob], Field(min_length=1)]
_ClusterGlobs = Annotated[list[ClusterGlob], Field(min_length=1)]
_Model = TypeVar("_Model", bound=BaseModel)


class InvalidEvent(InvalidInput):
    """The event does not say, or not clearly, what to do. Nothing was done."""


class _TimerPayload(StrictModel):
    action: Literal["refresh"] = "refresh"
    clusters: _ClusterGlobs | None = None
    namespaces: _Globs | None = None
    registries: _Globs | None = None
    force: bool = False
    dry_run: bool = False
    reason: str = Field("", max_length=200)


class _ManualEvent(_TimerPayload):
    action: Literal["refresh"]


class _TimerEvent(StrictModel):
    model_config = ConfigDict(extra="ignore")  # what else it says is the platform's affair

    trigger_name: str
    payload: str = ""


def parse_event(event: bytes | str) -> Request:
    """What the event asks for. Raises InvalidEvent with every problem found."""
    document = _json_object(event)
    if "triggerName" not in document or "action" in document:
        return _request(_checked(_ManualEvent, document), "manual")
    timer = _checked(_TimerEvent, document)
    payload = _payload_object(timer.payload)
    order = _checked(_TimerPayload, payload, at=("payload",))
    return _request(order, f"timer:{timer.trigger_name}")


def unknown_names(request: Request, config: Config) -> tuple[Problem, ...]:
    """A problem for each pattern that matches no registered cluster or registry.

    Where clusters are discovered, none is unknown before that was done: see `unknown_clusters`.
    """
    clusters = [cluster.name for cluster in config.clusters]
    registries = [registry.name for registry in config.registries]
    return (
        *(() if config.discoveries else unknown_clusters(request, clusters)),
        *_unmatched("registries", request.registries, registries),
    )


def unknown_clusters(request: Request, names: list[str]) -> tuple[Problem, ...]:
    """A problem for each pattern that matches none of the clusters of these names."""
    return tuple(_unmatched("clusters", request.clusters, names))


def _unmatched(key: str, patterns: Iterable[str], names: list[str]) -> Iterator[Problem]:
    for index, pattern in enumerate(patterns):
        if not any(matches_any(name, (pattern,)) for name in names):
            path = path_of((key, index), _ROOT)
            yield Problem(path, f"{shown(pattern)} matches none", suggestion(pattern, names))


def _json_object(event: bytes | str) -> dict[str, object]:
    if not event.strip():
        raise InvalidEvent([Problem(_ROOT, "is empty", _EXAMPLE)])
    try:
        document = json.loads(event)
    except (ValueError, RecursionError):
        raise InvalidEvent([Problem(_ROOT, "is not JSON", _EXAMPLE)]) from None
    if not isinstance(document, dict):
        raise InvalidEvent([Problem(_ROOT, "is not a JSON object", _EXAMPLE)])
    return document


def _payload_object(payload: str) -> dict[str, object]:
    """What the payload orders. A note orders nothing; a broken JSON object is not taken for one."""
    if not payload.lstrip().startswith("{"):
        return {}
    try:
        document: dict[str, object] = json.loads(payload)
    except (ValueError, RecursionError):
        problem = Problem("payload", "begins like JSON but is not JSON", "correct its syntax")
        raise InvalidEvent([problem]) from None
    return document


def _checked(model: type[_Model], document: object, at: Location = ()) -> _Model:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidEvent(in_plain_words(error, model, _ROOT, at)) from None


def _request(order: _TimerPayload, trigger: str) -> Request:
    return Request(
        trigger=trigger,
        clusters=tuple(order.clusters or ()),
        namespaces=tuple(order.namespaces or ()),
        registries=tuple(order.registries or ()),
        force=order.force,
        dry_run=order.dry_run,
        reason=order.reason,
    )
