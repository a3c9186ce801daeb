"""What an invocation asks for, from the event that Function Compute hands over.

A timer's event is `{"triggerTime": …, "triggerName": …, "payload": "…"}`. Its payload may be empty,
or any note, which changes nothing, or a JSON object that narrows the run down like a manual event:

    {"action": "refresh", "clusters": ["prod-*"], "namespaces": ["team-*"], "registries": ["main"],
     "force": true, "allowRemoval": false, "dryRun": false, "reason": "suspected leak"}

With more clusters than one invocation is to serve, the function starts itself once a shard. Such an
event has `shard` in place of `clusters`, with their exact names; those that were discovered come
with all that it takes to serve them without asking again:

    {"action": "refresh", "shard": {…, "clusters": ["idc"], "found": [
        {"section": "discover[0]", "regionId": "cn-hangzhou", "clusters": {"prod-a": "c1…"}}]}}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from acr_refresher.config.fields import ClusterGlob, NameGlob
from acr_refresher.config.load import Config
from acr_refresher.config.strict import (
    InvalidInput,
    Location,
    Pattern,
    Problem,
    StrictModel,
    did_you_mean,
    field_error,
    path_of,
    problems_from,
    quoted,
)
from acr_refresher.core.request import KnownCluster, Request, Shard
from acr_refresher.core.select import matches_any

_ROOT = "event"
_EXAMPLE = 'send a JSON object such as {"action": "refresh"}'

_Globs = Annotated[list[NameGlob], Field(min_length=1)]
_ClusterGlobs = Annotated[list[ClusterGlob], Field(min_length=1)]
_ShortText = Annotated[
    str, Pattern("(?s:.{1,300})", "1 to 300 characters", "leave it as the coordinator wrote it")
]
_Trigger = Annotated[
    str, Pattern("manual|timer:(?s:.*)", "a trigger", "use manual, or timer: and its name")
]
_Model = TypeVar("_Model", bound=BaseModel)


_SHARD_FIELDS = ("run", "scheduled_at", "number", "of", "continued")


class InvalidEvent(InvalidInput):
    """The event does not say, or not clearly, what to do. Nothing was done."""


class _TimerPayload(StrictModel):
    action: Literal["refresh"] = "refresh"
    clusters: _ClusterGlobs | None = None
    namespaces: _Globs | None = None
    registries: _Globs | None = None
    force: bool = False
    allow_removal: bool = False
    dry_run: bool = False
    reason: str = Field("", max_length=200)


class _FoundSection(StrictModel):
    """What one section of config.yaml found in one region: IDs by name."""

    section: _ShortText
    region_id: _ShortText
    clusters: Annotated[dict[_ShortText, _ShortText], Field(min_length=1)]


class _ShardSection(StrictModel):
    run: _ShortText
    trigger: _Trigger
    scheduled_at: _ShortText
    number: int = Field(ge=1)
    of: int = Field(ge=1)
    continued: int = Field(0, ge=0)
    clusters: list[_ShortText] = Field([], min_length=1)
    found: list[_FoundSection] = Field([], min_length=1)

    @model_validator(mode="after")
    def _one_of_them(self) -> _ShardSection:
        if self.number > self.of:
            raise field_error("has a number above `of`", "leave it as the coordinator wrote it")
        if not self.clusters and not self.found:
            raise field_error("has no cluster", "name at least one in clusters or found")
        return self


class _ManualEvent(_TimerPayload):
    action: Literal["refresh"]
    shard: _ShardSection | None = None

    @model_validator(mode="after")
    def _clusters_once(self) -> _ManualEvent:
        if self.shard and self.clusters:
            raise field_error("has both clusters and shard", "leave out one of them")
        return self


class _TimerEvent(StrictModel):
    model_config = ConfigDict(extra="ignore")  # what else it says is the platform's affair

    trigger_name: str
    trigger_time: str = ""
    payload: str = ""


def parse_event(event: bytes | str) -> Request:
    """What the event asks for. Raises InvalidEvent with every problem found."""
    document = _json_object(event)
    if "triggerName" not in document or "action" in document:
        return _manual_request(_validated(_ManualEvent, document))
    timer = _validated(_TimerEvent, document)
    payload = _payload_object(timer.payload)
    order = _validated(_TimerPayload, payload, at=("payload",))
    return _request(order, f"timer:{timer.trigger_name}", timer.trigger_time)


def shard_event(request: Request, shard: Shard) -> bytes:
    """The event that has an invocation of its own serve a part of a request."""
    told = {
        "namespaces": request.namespaces,
        "registries": request.registries,
        "force": request.force,
        "allowRemoval": request.allow_removal,
        "dryRun": request.dry_run,
        "reason": request.reason,
    }
    clusters = {
        "clusters": sorted(shard.clusters - {one.name for one in shard.found}),
        "found": list(_by_place(shard.found)),
    }
    section = {
        **{to_camel(name): getattr(shard, name) for name in _SHARD_FIELDS},
        "trigger": request.trigger,
        **{key: value for key, value in clusters.items() if value},
    }
    event = {"action": "refresh", **{key: value for key, value in told.items() if value}}
    return json.dumps({**event, "shard": section}, ensure_ascii=False).encode()


def _by_place(found: Iterable[KnownCluster]) -> Iterator[dict[str, object]]:
    places: dict[tuple[str, str], dict[str, str]] = {}
    for one in found:
        places.setdefault((one.section, one.region_id), {})[one.name] = one.cluster_id
    for (section, region_id), clusters in places.items():
        yield {"section": section, "regionId": region_id, "clusters": clusters}


def unknown_name_problems(request: Request, config: Config) -> tuple[Problem, ...]:
    """A problem for each pattern that matches no registered cluster or registry.

    Where clusters are discovered, none is unknown before that was done: see `unknown_clusters`.
    """
    clusters = [cluster.name for cluster in config.clusters]
    registries = [registry.name for registry in config.registries]
    return (
        *(() if config.discoveries else unknown_cluster_problems(request, clusters)),
        *_unmatched("registries", request.registries, registries),
    )


def unknown_cluster_problems(request: Request, names: list[str]) -> tuple[Problem, ...]:
    """A problem for each pattern that matches none of the clusters of these names."""
    return tuple(_unmatched("clusters", request.clusters, names))


def _unmatched(key: str, patterns: Iterable[str], names: list[str]) -> Iterator[Problem]:
    for index, pattern in enumerate(patterns):
        if not any(matches_any(name, (pattern,)) for name in names):
            path = path_of((key, index), _ROOT)
            yield Problem(path, f"{quoted(pattern)} matches none", did_you_mean(pattern, names))


def _json_object(event: bytes | str) -> dict[str, object]:
    if not event.strip():
        raise InvalidEvent([Problem(_ROOT, "is empty", _EXAMPLE)])
    try:
        document = json.loads(event)
    except (ValueError, RecursionError) as error:
        raise InvalidEvent([Problem(_ROOT, f"is not JSON{_position(error)}", _EXAMPLE)]) from None
    if not isinstance(document, dict):
        raise InvalidEvent([Problem(_ROOT, "is not a JSON object", _EXAMPLE)])
    return document


def _payload_object(payload: str) -> dict[str, object]:
    """What the payload orders. A note orders nothing; a broken JSON object is not taken for one."""
    if not payload.lstrip().startswith("{"):
        return {}
    try:
        document: dict[str, object] = json.loads(payload)
    except (ValueError, RecursionError) as error:
        told = f"begins like JSON but is not JSON{_position(error)}"
        raise InvalidEvent([Problem("payload", told, "correct its syntax")]) from None
    return document


def _position(error: Exception) -> str:
    """Where JSON ceases to be JSON; its own words may quote what was sent."""
    if not isinstance(error, json.JSONDecodeError):
        return ""
    return f" from line {error.lineno}, column {error.colno} on"


def _validated(model: type[_Model], document: object, at: Location = ()) -> _Model:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidEvent(problems_from(error, model, _ROOT, at)) from None


def _manual_request(event: _ManualEvent) -> Request:
    if event.shard is None:
        return _request(event, "manual")
    fields = {name: getattr(event.shard, name) for name in _SHARD_FIELDS}
    found = tuple(
        KnownCluster(name, each.section, each.region_id, cluster_id)
        for each in event.shard.found
        for name, cluster_id in each.clusters.items()
    )
    names = frozenset(event.shard.clusters) | {one.name for one in found}
    shard = Shard(clusters=names, found=found, **fields)
    return replace(_request(event, event.shard.trigger, shard.scheduled_at), shard=shard)


def _request(order: _TimerPayload, trigger: str, scheduled_at: str = "") -> Request:
    return Request(
        trigger=trigger,
        clusters=tuple(order.clusters or ()),
        namespaces=tuple(order.namespaces or ()),
        registries=tuple(order.registries or ()),
        force=order.force,
        allow_removal=order.allow_removal,
        dry_run=order.dry_run,
        reason=order.reason,
        scheduled_at=scheduled_at,
    )
