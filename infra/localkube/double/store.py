"""The state of one cluster: the present version of every object, and pages still being read."""

import bisect
import json
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from typing import TypeAlias

from localkube.double.dialect import Dialect
from localkube.double.ownership import Owners
from localkube.double.routing import Resource, Target
from localkube.wire import Json

Key: TypeAlias = str  # "namespace/name", or the name alone: what etcd sorts by

KEPT_SNAPSHOTS = 64


@dataclass(frozen=True)
class Stored:
    """A version of an object. Never changed in place: snapshots share it."""

    content: Json  # without apiVersion and kind, like the items of a list
    owners: Owners
    encoded: bytes

    @property
    def name(self) -> str:
        return str(self.content["metadata"]["name"])

    @property
    def uid(self) -> str:
        return str(self.content["metadata"]["uid"])

    @property
    def version(self) -> str:
        return str(self.content["metadata"]["resourceVersion"])


@dataclass(frozen=True)
class Snapshot:
    """All objects of a resource at one moment, in the order of their keys."""

    version: int
    keys: list[Key]
    objects: list[Stored]

    def after(self, start: Key, prefix: str) -> "Snapshot":
        """Those under a prefix whose keys come after another."""
        first = bisect.bisect_right(self.keys, start) if start else self._first(prefix)
        # "0" follows "/": the first key beyond everything under the prefix.
        last = self._first(f"{prefix[:-1]}0") if prefix else len(self.keys)
        return Snapshot(self.version, self.keys[first:last], self.objects[first:last])

    def _first(self, prefix: str) -> int:
        return bisect.bisect_left(self.keys, prefix)


@dataclass
class Store:
    """Objects by resource and key, with one growing resourceVersion."""

    dialect: Dialect = field(default_factory=Dialect)
    version: int = 1
    _objects: dict[str, dict[Key, Stored]] = field(default_factory=lambda: defaultdict(dict))
    _latest: dict[str, Snapshot] = field(default_factory=dict)
    _kept: OrderedDict[tuple[str, int], Snapshot] = field(default_factory=OrderedDict)

    def get(self, plural: str, namespace: str, name: str) -> Stored | None:
        return self._objects[plural].get(key_of(namespace, name))

    def find(self, resource: Resource, target: Target) -> Stored | None:
        """The object that a request is for."""
        return self.get(
            resource.plural, target.namespace if resource.namespaced else "", target.name
        )

    def put(self, plural: str, content: Json, owners: Owners) -> Stored:
        """Keep a new version of an object and number it."""
        self.version += 1
        metadata = {**content["metadata"], "resourceVersion": str(self.version)}
        stored = seal({**content, "metadata": metadata}, owners)
        self._objects[plural][key_of(metadata.get("namespace", ""), stored.name)] = stored
        self._latest.pop(plural, None)
        return stored

    def remove(self, plural: str, stored: Stored) -> None:
        """Forget an object."""
        self.version += 1
        namespace = stored.content["metadata"].get("namespace", "")
        del self._objects[plural][key_of(namespace, stored.name)]
        self._latest.pop(plural, None)

    def latest(self, plural: str) -> Snapshot:
        """Everything of a resource as it is now; sorted again only after a change."""
        snapshot = self._latest.get(plural)
        if snapshot is None:
            keys = sorted(self._objects[plural])
            objects = [self._objects[plural][key] for key in keys]
            snapshot = self._latest[plural] = Snapshot(self.version, keys, objects)
        return Snapshot(self.version, snapshot.keys, snapshot.objects)

    def keep(self, plural: str, snapshot: Snapshot) -> None:
        """Hold a snapshot for the pages that follow; the oldest give way."""
        self._kept[plural, snapshot.version] = snapshot
        while len(self._kept) > KEPT_SNAPSHOTS:
            self._kept.popitem(last=False)

    def kept(self, plural: str, version: int) -> Snapshot | None:
        return self._kept.get((plural, version))

    def compact(self) -> None:
        """Forget all snapshots, as etcd does after five minutes: continue tokens expire."""
        self._kept.clear()


def seal(content: Json, owners: Owners) -> Stored:
    """A version of an object, encoded once for all the answers that it will be in."""
    return Stored(content, owners, json.dumps(content, separators=(",", ":")).encode())


def key_of(namespace: str, name: str) -> Key:
    return f"{namespace}/{name}" if namespace else name
