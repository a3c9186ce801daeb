"""Splitting a run's clusters into shards, each of which an invocation of its own serves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from itertools import accumulate, pairwise

from acr_refresher.core.model import AckAccess, Cluster, KmsAccess
from acr_refresher.core.request import Request, Shard

Names = frozenset[str]

LONGEST_WORD = 40
"""Characters of a trigger's name or time in a task's ID, which has room for 128."""


def in_shards(
    clusters: Iterable[Cluster], size: int, own_account: str, fits: Callable[[Names], bool]
) -> tuple[Names, ...]:
    """The names of the clusters in parts that are alike in size: none above `size`, each fitting.

    Clusters of one account and region keep together: a shard begins few role chains. The same
    clusters are always split in the same way.
    """
    by_place = sorted(clusters, key=lambda one: (*_place(one, own_account), one.name))
    names = [one.name for one in by_place]
    count = -(-len(names) // size)
    while True:
        parts = _balanced(names, count)
        if count >= len(names) or all(fits(part) for part in parts):
            return parts
        count = min(2 * count, len(names))


def task_id(request: Request, shard: Shard) -> str:
    """What Function Compute tells a shard's invocation by: `timer-t-2026-01-31T12-00-00Z-2of5-…`.

    The same occasion, clusters and wishes always make the same ID, whichever invocation asks: a
    doubled timer, or a retry of the coordinator, starts nothing twice.
    """
    wishes = (request.namespaces, request.registries, request.force, request.dry_run)
    content = (request.trigger, shard.occasion, shard.continued, sorted(shard.clusters), wishes)
    digest = sha256(json.dumps(content).encode()).hexdigest()[:12]
    words = (
        request.trigger[:LONGEST_WORD],
        shard.occasion[:LONGEST_WORD],
        f"{shard.number}of{shard.of}",
        *((f"continued{shard.continued}",) if shard.continued else ()),
        digest,
    )
    return re.sub(r"[^A-Za-z0-9_-]", "-", "-".join(words))


def _balanced(names: Sequence[str], count: int) -> tuple[Names, ...]:
    """So many parts of a list, in order, of which none has more than one name above another."""
    least, more = divmod(len(names), count) if count else (0, 0)
    sizes = (least + (number < more) for number in range(count))
    bounds = accumulate(sizes, initial=0)
    return tuple(frozenset(names[start:end]) for start, end in pairwise(bounds))


def _place(cluster: Cluster, own_account: str) -> tuple[str, str]:
    """The account and region of a cluster, as far as its access tells."""
    access = cluster.access
    if not isinstance(access, AckAccess | KmsAccess):
        return ("", "")
    return (
        access.role_chain[-1].account_id if access.role_chain else own_account,
        access.region_id,
    )
