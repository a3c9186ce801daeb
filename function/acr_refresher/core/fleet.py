"""The fleet of clusters: their order in a run, their shards, and their discovery."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import accumulate, pairwise
from typing import TypeAlias

from pydantic import SecretStr

from acr_refresher.core.model import AckAccess, Cluster, KmsAccess, PullSecret
from acr_refresher.core.request import KnownCluster, Request, Shard
from acr_refresher.core.select import matches_any

# ---- order ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LastSeen:
    """When a cluster was last visited, and when the first of its secrets expires, if known."""

    at: datetime
    earliest_expiry: datetime | None = None
    ok: bool = True  # False if something failed there, so that work is left
    unreached: frozenset[str] = frozenset()  # namespaces that the visit had no time to begin


def most_urgent_first(
    clusters: Iterable[Cluster], last_seen: Mapping[str, LastSeen], now: datetime
) -> tuple[Cluster, ...]:
    """The clusters in the order in which a run serves them. A run may have no time for the last.

    1. Clusters that were never visited: their state is unknown.
    2. Clusters in which something is due, by the earliest expiry.
    3. The others, where only new namespaces wait: the one with the oldest visit first.

    Equal clusters are sorted by a hash that differs from run to run. An instance forgets its visits
    when it ends, and no cluster may come last every time.
    """

    def priority(cluster: Cluster) -> tuple[int, datetime, datetime, str]:
        tiebreak = _tiebreak(cluster.name, now)
        seen = last_seen.get(cluster.name)
        if seen is None:
            return (1, now, now, tiebreak)
        expiry = seen.earliest_expiry or seen.at
        if is_due(cluster, seen, now):
            return (2, expiry, seen.at, tiebreak)
        return (3, seen.at, expiry, tiebreak)

    return tuple(sorted(clusters, key=priority))


def unreached_first(
    namespaces: Iterable[str], unreached: Collection[str], now: datetime
) -> tuple[str, ...]:
    """A cluster's namespaces in the order in which a visit writes to them.

    Those that the last visit had no time to begin come first. Otherwise namespaces in which a write
    hangs could take all the time in each run. An instance forgets its visits when it ends, so the
    order of the others differs from run to run too.
    """
    return tuple(sorted(namespaces, key=lambda name: (name not in unreached, _tiebreak(name, now))))


def _tiebreak(name: str, now: datetime) -> str:
    return sha256(f"{now.isoformat()} {name}".encode()).hexdigest()


def is_due(cluster: Cluster, seen: LastSeen, now: datetime) -> bool:
    """Whether a run would renew something in the cluster, by what the last visit saw."""
    thresholds = (wanted.expiring_threshold for wanted in cluster.pull_secrets)
    expiry = seen.earliest_expiry
    return expiry is not None and expiry <= now + max(thresholds, default=timedelta())


# ---- shards --------------------------------------------------------------------------------------

ClusterNames = frozenset[str]

MAX_WORD_LENGTH = 40  # of a trigger's name or time in a task's ID, which may have 128 characters


def split_into_shards(
    clusters: Iterable[Cluster], size: int, own_account: str, fits: Callable[[ClusterNames], bool]
) -> tuple[ClusterNames, ...]:
    """The names of the clusters in parts of similar size: at most `size`, and each part `fits`.

    Clusters of the same account and region stay together, so that a shard needs few role chains.
    The same clusters are always split in the same way.
    """

    def place(cluster: Cluster) -> tuple[str, str, str]:
        access = cluster.access
        if not isinstance(access, AckAccess | KmsAccess):  # it needs no role
            return ("", "", cluster.name)
        account = access.role_chain[-1].account_id if access.role_chain else own_account
        return (account, access.region_id, cluster.name)

    names = [cluster.name for cluster in sorted(clusters, key=place)]
    count = -(-len(names) // size)
    while True:
        parts = _balanced(names, count)
        if count >= len(names) or all(fits(part) for part in parts):
            return parts
        count = min(2 * count, len(names))


def task_id(request: Request, shard: Shard) -> str:
    """The ID of a shard's invocation in Function Compute: `timer-t-2026-01-31T12-00-00Z-2of5-…`.

    The same scheduled time, clusters and options make the same ID in every invocation. So a timer
    that fires twice, or a retry of the coordinator, starts no shard twice.
    """
    options = (request.namespaces, request.registries)
    flags = (request.force, request.dry_run, request.allow_removal)
    run = (request.trigger, shard.scheduled_at, shard.continued)
    content = (*run, sorted(shard.clusters), (*options, *flags))
    digest = sha256(json.dumps(content).encode()).hexdigest()[:12]
    part = f"{shard.number}of{shard.of}"
    if shard.continued:
        part += f"-continued{shard.continued}"
    words = (request.trigger[:MAX_WORD_LENGTH], shard.scheduled_at[:MAX_WORD_LENGTH], part, digest)
    return re.sub(r"[^A-Za-z0-9_-]", "-", "-".join(words))


def _balanced(names: Sequence[str], count: int) -> tuple[ClusterNames, ...]:
    """The names in `count` parts, in order. The lengths of the parts differ by one at most."""
    least, more = divmod(len(names), count) if count else (0, 0)
    sizes = (least + (number < more) for number in range(count))
    bounds = accumulate(sizes, initial=0)
    return tuple(frozenset(names[start:end]) for start, end in pairwise(bounds))


# ---- discovery -----------------------------------------------------------------------------------

SERVING_STATES = frozenset({"running", "updating", "upgrading", "scaling", "draining", "removing"})
"""States in which the API server answers. In `removing` and `draining`, a cluster loses nodes."""


@dataclass(frozen=True, slots=True)
class FoundCluster:
    """A cluster as Container Service lists it. Registered clusters have type ExternalKubernetes."""

    cluster_id: str
    name: str
    region_id: str
    type: str = ""
    profile: str = ""
    state: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Discovery:
    """A section of config.yaml that discovers clusters in the regions of one account.

    An empty tuple means any. A cluster must have all `tags`. The other fields are the settings of
    the discovered clusters. `access` lacks their IDs; its role chain also serves to list them.
    """

    name: str
    regions: tuple[str, ...]
    access: AckAccess
    pull_secrets: tuple[PullSecret, ...]
    proxy_url: SecretStr | None = None
    ca_pem: str = ""
    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    def selects(self, found: FoundCluster) -> bool:
        """Whether the section selects a cluster."""
        return (
            self.names_cover(found.name)
            and found.region_id in self.regions
            and (not self.types or found.type in self.types)
            and (not self.profiles or found.profile in self.profiles)
            and all(found.tags.get(key) == value for key, value in self.tags)
        )

    def names_cover(self, name: str) -> bool:
        """Whether the section may select a cluster that has this name."""
        return not self.names or matches_any(name, self.names)


Discovered: TypeAlias = tuple[Discovery, FoundCluster]
"""The section that found a cluster, and the cluster."""


def resolve_discovered(
    configured: Sequence[Cluster], findings: Iterable[Discovered]
) -> tuple[tuple[Cluster, ...], Mapping[str, str]]:
    """The discovered clusters that are not configured, and why others are skipped, by name.

    The first section that found a cluster counts. A cluster is called by its own name. If another
    cluster has that name too, its ID is appended, so that no name depends on the discovery's order.
    """
    configured_ids = _cluster_ids(configured)
    new: dict[str, Discovered] = {}
    for section, found in findings:
        if found.cluster_id not in configured_ids and section.selects(found):
            new.setdefault(found.cluster_id, (section, found))
    uses = Counter([cluster.name for cluster in configured])
    uses.update(found.name for _, found in new.values())
    clusters: list[Cluster] = []
    skipped: dict[str, str] = {}
    for section, found in new.values():
        name = found.name if uses[found.name] == 1 else f"{found.name}@{found.cluster_id}"
        if found.state in SERVING_STATES:
            clusters.append(_cluster(name, section, found.cluster_id, found.region_id))
        else:
            skipped[name] = f"its state is {found.state or 'unknown'}"
    return tuple(clusters), skipped


def known_clusters(clusters: Iterable[Cluster]) -> tuple[KnownCluster, ...]:
    """What a shard must know about its discovered clusters, sorted by name."""
    return tuple(
        KnownCluster(cluster.name, cluster.found_by, access.region_id, access.cluster_id)
        for cluster in sorted(clusters, key=lambda cluster: cluster.name)
        if cluster.found_by and isinstance(access := cluster.access, AckAccess)
    )


def known_cluster_problems(
    configured: Iterable[Cluster], sections: Iterable[Discovery], found: Sequence[KnownCluster]
) -> tuple[str, ...]:
    """The problems of a shard's discovered clusters: whatever config.yaml does not allow."""
    taken = frozenset(cluster.name for cluster in configured)
    by_name = {section.name: section for section in sections}
    problems: list[str] = []
    for known in found:  # the coordinator has checked their types, profiles and tags
        section = by_name.get(known.section)
        if section is None:
            problems.append(f"{known.section} is not a section of config.yaml")
        elif known.region_id not in section.regions:
            problems.append(f"{section.name} does not include region {known.region_id}")
        elif not section.names_cover(known.name.removesuffix(f"@{known.cluster_id}")):
            problems.append(f"{section.name} has no name or glob for {known.name}")
        elif known.name in taken:
            problems.append(f"{known.name} is the name of a configured cluster")
    uses = Counter(known.name for known in found)
    problems += (f"{name} is the name of two clusters" for name, count in uses.items() if count > 1)
    return tuple(dict.fromkeys(problems))


def clusters_from_known(
    configured: Iterable[Cluster], sections: Iterable[Discovery], found: Iterable[KnownCluster]
) -> tuple[Cluster, ...]:
    """A shard's discovered clusters, with the settings of their sections, unless configured."""
    configured_ids = _cluster_ids(configured)
    by_name = {section.name: section for section in sections}
    return tuple(
        _cluster(known.name, by_name[known.section], known.cluster_id, known.region_id)
        for known in found
        if known.cluster_id not in configured_ids
    )


def _cluster_ids(clusters: Iterable[Cluster]) -> frozenset[str]:
    return frozenset(
        cluster.access.cluster_id for cluster in clusters if isinstance(cluster.access, AckAccess)
    )


def _cluster(name: str, section: Discovery, cluster_id: str, region_id: str) -> Cluster:
    return Cluster(
        name,
        replace(section.access, cluster_id=cluster_id, region_id=region_id),
        section.pull_secrets,
        section.proxy_url,
        section.ca_pem,
        found_by=section.name,
    )
