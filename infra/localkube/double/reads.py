"""GET of one object and of lists, page by page."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import NamedTuple

from localkube.double import selectors
from localkube.double.routing import Resource, Target
from localkube.double.status import bad_request, expired, not_found
from localkube.double.store import Snapshot, Store, Stored

INCONSISTENT = -1  # the version in a token that carries on with whatever there is now


class Continue(NamedTuple):
    """What a continue token says: the list's version, and the last key of the page before."""

    version: int
    start: str

    def encode(self) -> str:
        fields = {"v": "meta.k8s.io/v1", "rv": self.version, "start": f"{self.start}\0"}
        content = json.dumps(fields, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(content).decode().rstrip("=")

    @classmethod
    def decode(cls, token: str) -> "Continue":
        try:
            fields = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            return cls(fields["rv"], fields["start"].rstrip("\0"))
        except (binascii.Error, ValueError, KeyError, TypeError):
            message = "invalid continue token: continue key is not valid"
            raise bad_request(message) from None


def get_object(store: Store, resource: Resource, target: Target) -> bytes:
    stored = store.find(resource, target)
    if stored is None:
        raise not_found(resource, target.name)
    return singly(resource, stored)


def singly(resource: Resource, stored: Stored) -> bytes:
    """An object as an answer of its own, with the kind and version that list items lack."""
    head = f'{{"kind":"{resource.kind}","apiVersion":"{resource.api_version}",'
    return head.encode() + stored.encoded[1:]


def list_objects(
    store: Store, resource: Resource, target: Target, query: Mapping[str, str]
) -> bytes:
    """A list, or a page of it, of one namespace or of all."""
    prefix = f"{target.namespace}/" if target.namespace else ""
    snapshot, start = _position(store, resource, query.get("continue", ""), prefix)
    rest = snapshot.after(start, prefix)
    chosen, last = _choose(resource, rest, query)
    metadata: dict[str, str | int] = {"resourceVersion": str(snapshot.version)}
    remaining = len(rest.objects) - last
    if remaining:
        store.keep(resource.plural, snapshot)
        start = rest.keys[last - 1].removeprefix(prefix)
        metadata["continue"] = Continue(snapshot.version, start).encode()
        if not query.get("fieldSelector") and not query.get("labelSelector"):
            metadata["remainingItemCount"] = remaining
    head = (
        f'{{"kind":"{resource.kind}List","apiVersion":"{resource.api_version}",'
        f'"metadata":{json.dumps(metadata)},"items":['
    )
    return head.encode() + b",".join(stored.encoded for stored in chosen) + b"]}"


def _position(store: Store, resource: Resource, token: str, prefix: str) -> tuple[Snapshot, str]:
    """The snapshot to read from, and the key to read after (none: from the beginning)."""
    if not token:
        return store.latest(resource.plural), ""
    position = Continue.decode(token)
    if position.version == INCONSISTENT:
        return store.latest(resource.plural), prefix + position.start
    snapshot = store.kept(resource.plural, position.version)
    if snapshot is None:
        raise expired(Continue(INCONSISTENT, position.start).encode())
    return snapshot, prefix + position.start


def _choose(
    resource: Resource, rest: Snapshot, query: Mapping[str, str]
) -> tuple[list[Stored], int]:
    """The page's objects, and how many were looked at for them."""
    limit = _limit(query.get("limit", ""))
    try:
        has_fields = selectors.field_predicate(resource.plural, query.get("fieldSelector", ""))
        has_labels = selectors.label_predicate(query.get("labelSelector", ""))
    except selectors.SelectorError as error:
        raise bad_request(str(error)) from None
    chosen: list[Stored] = []
    for index, stored in enumerate(rest.objects):
        if limit and len(chosen) == limit:
            return chosen, index
        if has_fields(stored.content) and has_labels(stored.content):
            chosen.append(stored)
    return chosen, len(rest.objects)


def _limit(text: str) -> int:
    try:
        return int(text or 0)
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
