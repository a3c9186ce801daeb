"""Competing controllers: how often in a row their changes were repaired, and what a write shows.

The function keeps no state. The annotation `acr-refresher/repairs` counts the repairs of a Secret,
and is written together with a repair. A warm instance also remembers them, because the annotation
is lost with a Secret that is deleted, or whose annotations are replaced.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TypeAlias

from acr_refresher.core.model import SecretContent, SecretState
from acr_refresher.core.secret import (
    MANAGED_BY_LABEL,
    MANAGER,
    SECRET_TYPE,
    parse_rfc3339,
    rfc3339,
)
from acr_refresher.settings import SETTINGS

REPAIRS_ANNOTATION = "acr-refresher/repairs"
_SIZE = 1000
"""Characters of the annotation that are read. We write at most some 300."""
_MOST = 999
"""Higher numbers of repairs are not counted."""


class Repaired(str, Enum):
    """What was repaired. The values stand in annotations."""

    SECRET = "secret"  # noqa: S105  # a kind of object, not a password
    DATA = "data"
    TYPE = "type"
    METADATA = "metadata"
    BINDING = "binding"


_CHANGES = {
    Repaired.SECRET: "deleted the Secret",
    Repaired.DATA: "changed the data of the Secret",
    Repaired.TYPE: "changed the type of the Secret",
    Repaired.METADATA: "changed configured labels or annotations of the Secret",
    Repaired.BINDING: "removed the Secret from service accounts",
}


@dataclass(frozen=True, slots=True)
class Repair:
    """How often in a row something was repaired, and when last."""

    count: int
    at: datetime


Repairs: TypeAlias = "tuple[tuple[Repaired, Repair], ...]"
"""The repairs of one Secret in the last hour. It is a tuple so that it can be a part of a key."""


def read_repairs(annotations: Mapping[str, str], now: datetime) -> Repairs:
    """The recent repairs that the annotation counts; none if it cannot be read."""
    recorded = annotations.get(REPAIRS_ANNOTATION)
    if recorded is None or len(recorded) > _SIZE:
        return ()
    try:
        found = json.loads(recorded)
        counted = [(what, Repair(*found[what.value])) for what in Repaired if what.value in found]
        repairs = [
            (what, Repair(min(repair.count, _MOST), parse_rfc3339(str(repair.at))))
            for what, repair in counted
            if type(repair.count) is int and repair.count > 0
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()
    return recent(repairs, now)


def repairs_annotation(repairs: Repairs) -> Mapping[str, str]:
    """The annotation for these repairs; none if nothing was repaired."""
    counted = {what.value: (each.count, rfc3339(each.at)) for what, each in repairs if each.count}
    if not counted:
        return {}
    return {REPAIRS_ANNOTATION: json.dumps(counted, separators=(",", ":"))}


def recent(repairs: Iterable[tuple[Repaired, Repair]], now: datetime) -> Repairs:
    """The repairs that count: each is followed by the next one within an hour."""
    since, until = now - SETTINGS.repair_memory, now + SETTINGS.record_slack
    return tuple((what, each) for what, each in repairs if since <= each.at <= until)


def merged(recorded: Repairs, remembered: Repairs) -> Repairs:
    """For each kind of repair, what is recorded or remembered, whichever counts more."""
    if not remembered:
        return recorded
    both = dict(remembered)
    for what, each in recorded:
        if what not in both or both[what].count <= each.count:
            both[what] = each
    return tuple((what, both[what]) for what in Repaired if what in both)


def counted(before: Repairs, needed: Collection[Repaired], now: datetime) -> Repairs:
    """The repairs after those that are needed now. A Secret that is new counts as created only."""
    after = dict(before)
    for what in needed:
        known = after.get(what)
        first = 0 if what is Repaired.SECRET else 1
        after[what] = Repair(min(known.count + 1, _MOST) if known else first, now)
    return tuple((what, after[what]) for what in Repaired if what in after)


def is_contended(repairs: Repairs, what: Repaired) -> bool:
    """Whether the same was repaired so often in a row that a competing controller must be there."""
    return any(
        each is what and repair.count >= SETTINGS.repairs_in_a_row for each, repair in repairs
    )


def contentions(repairs: Repairs, managers: Iterable[str]) -> tuple[str, ...]:
    """A warning per change that comes back after each repair, with the other managers' names."""
    if not repairs:
        return ()  # the usual case
    others = sorted({name for name in managers if name != MANAGER})
    who = f"a competing controller ({', '.join(others)})" if others else "a competing controller"
    return tuple(
        f"contended: {who} {_CHANGES[what]} again after each of {repair.count} repairs: let only"
        " one of the two manage it"
        for what, repair in repairs
        if is_contended(repairs, what)
    )


IMMUTABLE = (
    "contended: a competing controller or a policy of the cluster made the Secret immutable, so it"
    " is deleted and created again at each renewal: exempt the Secret from that policy"
)


def mutations(content: SecretContent, written: SecretState) -> tuple[str, ...]:
    """A warning if the answer to a write shows that the cluster changed what was written."""
    changed = []
    if not written.managed:
        changed.append(f"label {MANAGED_BY_LABEL}")
    if written.type != SECRET_TYPE:
        changed.append("type")
    if written.immutable:
        changed.append("immutable")
    if written.dockerconfigjson != content.dockerconfigjson:
        changed.append("data")
    changed += _differing("label", content.labels, written.labels)
    changed += _differing("annotation", content.annotations, written.annotations)
    if not changed:
        return ()
    warning = (
        "contended: a policy or webhook of the cluster changed the Secret while it was written"
        f" ({', '.join(changed)}): exempt the Secret from it"
    )
    return (warning,)


def _differing(kind: str, ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    return [f"{kind} {key}" for key, value in ours.items() if theirs.get(key) != value]
