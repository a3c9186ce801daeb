"""Who manages which field: the bookkeeping of server-side apply.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

from localkube.wire import Json

Path: TypeAlias = tuple[str, ...]
Leaves: TypeAlias = dict[Path, Any]

# Maps whose keys have managers of their own; any other field is managed as one value.
_MAPS: tuple[Path, ...] = (("metadata", "labels"), ("metadata", "annotations"), ("data",))
_WHOLE_METADATA = ("finalizers", "ownerReferences")
_UNMANAGED = ("apiVersion", "kind", "metadata", "status")


class Manager(NamedTuple):
    """Who manages fields, and how: ``Apply``, or ``Update`` for everything else."""

    name: str
    operation: str


@dataclass(frozen=True)
class Owned:
    """The fields of one manager, and when it last changed any."""

    paths: frozenset[Path]
    time: str


Owners: TypeAlias = Mapping[Manager, Owned]


class FieldConflictError(Exception):
    """An apply would change other managers' fields."""

    def __init__(self, fields: Mapping[Manager, Iterable[Path]]) -> None:
        self.causes = [
            (manager, "".join(f".{part}" for part in path))
            for manager in sorted(fields)
            for path in sorted(fields[manager])
        ]
        super().__init__(self._message())

    def _message(self) -> str:
        if len(self.causes) == 1:
            [(manager, field)] = self.causes
            return f"Apply failed with 1 conflict: conflict with {describe(manager)}: {field}"
        by_manager: dict[Manager, list[str]] = defaultdict(list)
        for manager, field in self.causes:
            by_manager[manager].append(f"- {field}")
        lines = [
            "\n".join([f"conflicts with {describe(manager)}:", *fields])
            for manager, fields in by_manager.items()
        ]
        return f"Apply failed with {len(self.causes)} conflicts: " + "\n".join(lines)


def describe(manager: Manager) -> str:
    """A manager as messages have it."""
    suffix = "" if manager.operation == "Apply" else " using v1"
    return f'"{manager.name}"{suffix}'


def leaves(content: Json) -> Leaves:
    """The separately managed fields of an object with their values."""
    metadata = content.get("metadata") or {}
    found: Leaves = {(key,): value for key, value in content.items() if key not in _UNMANAGED}
    found |= {("metadata", key): metadata[key] for key in _WHOLE_METADATA if key in metadata}
    found.pop(("data",), None)
    for path in _MAPS:
        values = (content if len(path) == 1 else metadata).get(path[-1]) or {}
        found |= {(*path, key): value for key, value in values.items()}
    return found


def with_leaves(content: Json, fields: Leaves) -> Json:
    """An object with exactly these managed fields, and the unmanaged ones of another."""
    kept = {key: value for key, value in content.items() if key in _UNMANAGED}
    dropped = ("labels", "annotations", *_WHOLE_METADATA)
    kept["metadata"] = {
        key: value for key, value in content["metadata"].items() if key not in dropped
    }
    for path, value in fields.items():
        parent = kept
        for part in path[:-1]:
            parent = parent.setdefault(part, {})
        parent[path[-1]] = value
    return kept


def applied(
    live: Leaves, owners: Owners, wanted: Leaves, manager: Manager, *, force: bool
) -> tuple[Leaves, Owners]:
    """Server-side apply: what the manager wants, minus what it no longer mentions.

    Raises:
        FieldConflictError: it changes other managers' fields, without force.
    """
    changed = {path for path, value in wanted.items() if live.get(path) != value}
    contested = {
        other: changed & owned.paths
        for other, owned in owners.items()
        if other != manager and changed & owned.paths
    }
    if contested and not force:
        raise FieldConflictError(contested)
    others = _without(owners, changed, but=manager)
    before = owners[manager].paths if manager in owners else frozenset()
    still_owned = frozenset[Path]().union(*(owned.paths for owned in others.values()))
    abandoned = before - wanted.keys() - still_owned
    result = {path: value for path, value in live.items() if path not in abandoned} | wanted
    if changed or abandoned or before != wanted.keys():
        return result, others | _owned(manager, frozenset(wanted))
    return result, owners


def updated(live: Leaves, owners: Owners, wanted: Leaves, manager: Manager) -> Owners:
    """Any other write: the writer manages each field that it changes, alone."""
    changed = {path for path, value in wanted.items() if live.get(path) != value}
    gone = live.keys() - wanted.keys()
    if not changed and not gone:
        return owners
    before = owners[manager].paths if manager in owners else frozenset()
    kept = _without(owners, changed | gone, but=manager)
    return kept | _owned(manager, (before | changed) - gone)


def managed_fields(owners: Owners, api_version: str) -> list[Json]:
    """``metadata.managedFields`` as the API shows it."""
    return [
        {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": api_version,
            "time": owned.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": _tree(owned.paths),
        }
        for manager, owned in sorted(owners.items(), key=_order)
    ]


def _order(item: tuple[Manager, Owned]) -> tuple[str, str, str]:
    manager, owned = item
    return manager.operation, owned.time, manager.name


def _without(owners: Owners, paths: Iterable[Path], *, but: Manager) -> dict[Manager, Owned]:
    lost = frozenset(paths)
    remaining = {
        other: replace(owned, paths=owned.paths - lost)
        for other, owned in owners.items()
        if other != but
    }
    return {other: owned for other, owned in remaining.items() if owned.paths}


def _owned(manager: Manager, paths: frozenset[Path]) -> dict[Manager, Owned]:
    time = dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {manager: Owned(paths, time)} if paths else {}


def _tree(paths: Iterable[Path]) -> Json:
    tree: Json = {}
    for path in sorted(paths):
        branch = tree
        for part in path:
            branch = branch.setdefault(f"f:{part}", {})
    return tree
