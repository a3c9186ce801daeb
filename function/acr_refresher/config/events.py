"""Reads an event: what an invocation is asked to do.

A timer's event is `{"triggerTime": …, "triggerName": …, "payload": "…"}`. The payload may be empty
or any note, which changes nothing, or a JSON object that narrows the run down like a manual event:

    {"action": "refresh", "clusters": ["prod-*"], "namespaces": ["team-*"], "registries": ["main"],
     "force": true, "allowRemoval": false, "dryRun": false, "reason": "suspected leak"}

If there are more clusters than one invocation serves, the function invokes itself once per shard. A
shard's event has `shard` instead of `clusters`, with exact names. For discovered clusters it has
what is needed to serve them without another discovery:

    {"action": "refresh", "shard": {…, "clusters": ["idc"], "found": [
        {"section": "discover[0]", "regionId": "cn-hangzhou", "clusters": {"prod-a": "c1…"}}]}}
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated, Literal, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator
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
from acr_refresher.log import mask_text

_ROOT = "event"
_EXAMPLE = 'send a JSON object such as {"action": "refresh"}'
_FOREIGN = (
    # https://www.alibabacloud.com/help/en/functioncompute/fc/http-trigger-invoking-function
    (
        {"rawPath", "requestContext"},
        "is an HTTP request: the function has an HTTP trigger",
        (
            "delete that trigger, which may let anybody start runs; use a timer, or invoke"
            " the function by its API"
        ),
    ),
    # https://www.alibabacloud.com/help/en/eventbridge/user-guide/event-overview
    (
        {"specversion", "source", "type"},
        "is a CloudEvent: EventBridge invokes the function",
        (
            "delete that trigger or event rule and use a timer; or let the rule transform its"
            ' events into {"action": "refresh"}'
        ),
    ),
)
"""Events of triggers that are not for this function: the keys that all of them have."""

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
    """The event does not say clearly what to do. Nothing was done."""


class _TimerPayload(StrictModel):
    """What an event may say: which part of the clusters to serve, and how."""

    action: Literal["refresh"] = "refresh"
    clusters: _ClusterGlobs | None = None
    namespaces: _Globs | None = None
    registries: _Globs | None = None
    force: bool = False
    allow_removal: bool = False
    dry_run: bool = False
    reason: str = Field("", max_length=200)


class _FoundSection(StrictModel):
    """The clusters that a section of config.yaml found in a region: IDs by name."""

    section: _ShortText
    region_id: _ShortText
    clusters: Annotated[dict[_ShortText, _ShortText], Field(min_length=1)]


class _ShardSection(StrictModel):
    """A part of a run. A coordinator of version 0.1 writes `occasion` for `scheduledAt`."""

    run: _ShortText
    trigger: _Trigger
    scheduled_at: _ShortText = Field(
        alias="scheduledAt", validation_alias=AliasChoices("scheduledAt", "occasion")
    )
    number: int = Field(ge=1)
    of: int = Field(ge=1)
    continued: int = Field(0, ge=0)
    clusters: list[_ShortText] = Field([], min_length=1)
    found: list[_FoundSection] = Field([], min_length=1)

    @model_validator(mode="after")
    def _has_clusters(self) -> _ShardSection:
        if self.number > self.of:
            raise field_error("has a number above `of`", "leave it as the coordinator wrote it")
        if not self.clusters and not self.found:
            raise field_error("has no cluster", "name at least one in clusters or found")
        return self


class _ManualEvent(_TimerPayload):
    action: Literal["refresh"]
    shard: _ShardSection | None = None

    @model_validator(mode="after")
    def _clusters_or_shard(self) -> _ManualEvent:
        if self.shard and self.clusters:
            raise field_error("has both clusters and shard", "leave one of them out")
        return self


class _TimerEvent(StrictModel):
    model_config = ConfigDict(extra="ignore")  # the platform may add keys

    trigger_name: str
    trigger_time: str = ""
    payload: str = ""


def parse_event(event: bytes | str) -> Request:
    """What the event asks for. Raises InvalidEvent with every problem.

    Events of other triggers are refused before anything in them is read.
    """
    document = _json_object(event)
    if "triggerName" not in document or "action" in document:
        return _manual_request(_validated(_ManualEvent, document))
    timer = _validated(_TimerEvent, document)
    payload = _payload_object(timer.payload)
    wishes = _validated(_TimerPayload, payload, at=("payload",))
    return _request(wishes, f"timer:{timer.trigger_name}", timer.trigger_time)


def shard_event(request: Request, shard: Shard) -> bytes:
    """The event that makes another invocation serve a part of a request."""
    wishes = {
        "namespaces": request.namespaces,
        "registries": request.registries,
        "force": request.force,
        "allowRemoval": request.allow_removal,
        "dryRun": request.dry_run,
        "reason": request.reason,
    }
    clusters = {
        "clusters": sorted(shard.clusters - {cluster.name for cluster in shard.found}),
        "found": list(_by_section_and_region(shard.found)),
    }
    section = {
        **{to_camel(name): getattr(shard, name) for name in _SHARD_FIELDS},
        "trigger": request.trigger,
        **{key: value for key, value in clusters.items() if value},
    }
    event = {"action": "refresh", **{key: value for key, value in wishes.items() if value}}
    return json.dumps({**event, "shard": section}, ensure_ascii=False).encode()


def _by_section_and_region(found: Iterable[KnownCluster]) -> Iterator[dict[str, object]]:
    groups: dict[tuple[str, str], dict[str, str]] = {}
    for cluster in found:
        group = groups.setdefault((cluster.section, cluster.region_id), {})
        group[cluster.name] = cluster.cluster_id
    for (section, region_id), clusters in groups.items():
        yield {"section": section, "regionId": region_id, "clusters": clusters}


def unknown_name_problems(request: Request, config: Config) -> tuple[Problem, ...]:
    """A problem per pattern that matches no configured cluster or registry.

    If clusters are discovered, `unknown_cluster_problems` checks their names after the discovery.
    """
    clusters = [cluster.name for cluster in config.clusters]
    registries = [registry.name for registry in config.registries]
    return (
        *(() if config.discoveries else unknown_cluster_problems(request, clusters)),
        *_unmatched("registries", "registry", request.registries, registries),
    )


def unknown_cluster_problems(request: Request, names: list[str]) -> tuple[Problem, ...]:
    """A problem per pattern that matches none of these names of clusters."""
    return tuple(_unmatched("clusters", "cluster", request.clusters, names))


def _unmatched(
    key: str, thing: str, patterns: Iterable[str], names: list[str]
) -> Iterator[Problem]:
    for index, pattern in enumerate(patterns):
        if not any(matches_any(name, (pattern,)) for name in names):
            path = path_of((key, index), _ROOT)
            problem = f"no {thing} matches {quoted(pattern)}"
            yield Problem(path, problem, did_you_mean(pattern, names))


def _json_object(event: bytes | str) -> dict[str, object]:
    if not event.strip():
        raise InvalidEvent([Problem(_ROOT, "is empty", _EXAMPLE)])
    try:
        document = json.loads(event, object_pairs_hook=_unique_keys)
    except _RepeatedKey as repeated:
        raise InvalidEvent([repeated.problem(_ROOT)]) from None
    except (ValueError, RecursionError) as error:
        raise InvalidEvent([Problem(_ROOT, f"is not JSON{_position(error)}", _EXAMPLE)]) from None
    _refuse_foreign(document)
    if not isinstance(document, dict):
        raise InvalidEvent([Problem(_ROOT, "is not a JSON object", _EXAMPLE)])
    return document


def _refuse_foreign(document: object) -> None:
    """Raise InvalidEvent for the event of another trigger, or for several in a list."""
    first = document[0] if isinstance(document, list) and document else document
    for keys, problem, remedy in _FOREIGN:
        if isinstance(first, dict) and keys <= first.keys():
            raise InvalidEvent([Problem(_ROOT, problem, remedy)])


def _payload_object(payload: str) -> dict[str, object]:
    """The JSON object in a payload; empty for a note. Broken JSON is an error and not a note."""
    if not payload.lstrip().startswith("{"):
        return {}
    try:
        document: dict[str, object] = json.loads(payload, object_pairs_hook=_unique_keys)
    except _RepeatedKey as repeated:
        raise InvalidEvent([repeated.problem("payload")]) from None
    except (ValueError, RecursionError) as error:
        problem = f"begins like JSON but is not JSON{_position(error)}"
        raise InvalidEvent([Problem("payload", problem, "correct its syntax")]) from None
    return document


class _RepeatedKey(ValueError):
    """An object has a key more than once. JSON leaves open which of its values counts."""

    def problem(self, path: str) -> Problem:
        key = quoted(str(self.args[0]))
        return Problem(path, f"has the key {key} more than once", "keep one of them")


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) < len(pairs):
        uses = Counter(key for key, _ in pairs)
        raise _RepeatedKey(next(key for key, count in uses.items() if count > 1))
    return document


def _position(error: Exception) -> str:
    """Where JSON is wrong. The error's own text may quote the event."""
    if not isinstance(error, json.JSONDecodeError):
        return ""
    return f" (line {error.lineno}, column {error.colno})"


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
    names = frozenset(event.shard.clusters) | {cluster.name for cluster in found}
    shard = Shard(clusters=names, found=found, **fields)
    return replace(_request(event, event.shard.trigger, shard.scheduled_at), shard=shard)


def _request(wishes: _TimerPayload, trigger: str, scheduled_at: str = "") -> Request:
    """The request. Secrets in its texts are masked: logs, records and reports show the texts."""
    return Request(
        trigger=mask_text(trigger),
        clusters=tuple(wishes.clusters or ()),
        namespaces=tuple(wishes.namespaces or ()),
        registries=tuple(wishes.registries or ()),
        force=wishes.force,
        allow_removal=wishes.allow_removal,
        dry_run=wishes.dry_run,
        reason=mask_text(wishes.reason),
        scheduled_at=scheduled_at,
    )
