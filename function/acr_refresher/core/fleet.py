"""In which order clusters are served: what a run has no time left for is what can wait."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import accumulate, pairwise

from pydantic import SecretStr

from acr_refresher.core.model import AckAccess, Cluster, KmsAccess, PullSecret
from acr_refresher.core.request import KnownCluster, Request, Shard
from acr_refresher.core.select import matches_any

_Priority = tuple[int, datetime, datetime, str]


@dataclass(frozen=True, slots=True)
class LastSeen:
    """When a cluster was last visited, and when the first of its secrets ends, as far as known.

    `ok` False: something could not be done there, so that it is still to do.
    """

    at: datetime
    earliest_expiry: datetime | None = None
    ok: bool = True


def most_urgent_first(
    clusters: Iterable[Cluster], last_seen: Mapping[str, LastSeen], now: datetime
) -> tuple[Cluster, ...]:
    """The clusters in the order in which they are served.

    1. Those never visited, which may be anything.
    2. Those in which something is due, by what ends first.
    3. The others, which lose nothing by waiting but new namespaces: the longest unvisited first.

    Among equals chance decides, anew in each run: what is known is lost with an instance, and no
    cluster may be the last every time.
    """
    return tuple(sorted(clusters, key=lambda one: _priority(one, last_seen.get(one.name), now)))


def is_due(cluster: Cluster, visit: LastSeen, now: datetime) -> bool:
    """Whether a run would renew something there, by what the last visit saw."""
    ends = visit.earliest_expiry
    threshold = max((one.expiring_threshold for one in cluster.pull_secrets), default=timedelta())
    # Not `ends - threshold`: a record may say the year 1, and no date is before that.
    return ends is not None and ends <= now + threshold


def _priority(cluster: Cluster, visit: LastSeen | None, now: datetime) -> _Priority:
    tiebreak = sha256(f"{now.isoformat()} {cluster.name}".encode()).hexdigest()
    if visit is None:
        return (1, now, now, tiebreak)
    ends = visit.earliest_expiry or visit.at
    if is_due(cluster, visit, now):
        return (2, ends, visit.at, tiebreak)
    return (3, visit.at, ends, tiebreak)


ClusterNames = frozenset[str]

MAX_WORD_LENGTH = 40
"""Characters of a trigger's name or time in a task's ID, which has room for 128."""


def split_into_shards(
    clusters: Iterable[Cluster], size: int, own_account: str, fits: Callable[[ClusterNames], bool]
) -> tuple[ClusterNames, ...]:
    """The names of the clusters in parts that are alike in size: none above `size`, each fitting.

    Clusters of one account and region keep together: a shard begins few role chains. The same
    clusters are always split in the same way.
    """
    by_place = sorted(clusters, key=lambda one: (*_account_and_region(one, own_account), one.name))
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
    wishes = (
        request.namespaces,
        request.registries,
        request.force,
        request.dry_run,
        request.allow_removal,
    )
    content = (request.trigger, shard.scheduled_at, shard.continued, sorted(shard.clusters), wishes)
    digest = sha256(json.dumps(content).encode()).hexdigest()[:12]
    words = (
        request.trigger[:MAX_WORD_LENGTH],
        shard.scheduled_at[:MAX_WORD_LENGTH],
        f"{shard.number}of{shard.of}",
        *((f"continued{shard.continued}",) if shard.continued else ()),
        digest,
    )
    return re.sub(r"[^A-Za-z0-9_-]", "-", "-".join(words))


def _balanced(names: Sequence[str], count: int) -> tuple[ClusterNames, ...]:
    """So many parts of a list, in order, of which none has more than one name above another."""
    least, more = divmod(len(names), count) if count else (0, 0)
    sizes = (least + (number < more) for number in range(count))
    bounds = accumulate(sizes, initial=0)
    return tuple(frozenset(names[start:end]) for start, end in pairwise(bounds))


def _account_and_region(cluster: Cluster, own_account: str) -> tuple[str, str]:
    """The account and region of a cluster, as far as its access tells."""
    access = cluster.access
    if not isinstance(access, AckAccess | KmsAccess):
        return ("", "")
    return (
        access.role_chain[-1].account_id if access.role_chain else own_account,
        access.region_id,
    )


SERVING_STATES = frozenset({"running", "updating", "upgrading", "scaling", "draining", "removing"})
"""States with an API server that answers: tokens end also while a cluster is being upgraded.

`removing` and `draining` are said of nodes, not of the cluster.
"""


@dataclass(frozen=True, slots=True)
class FoundCluster:
    """A cluster as Container Service lists it. A registered one is of type ExternalKubernetes."""

    cluster_id: str
    name: str
    region_id: str
    type: str = ""
    profile: str = ""
    state: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def serving(self) -> bool:
        """Whether it has an API server to be expected to answer."""
        return self.state in SERVING_STATES


@dataclass(frozen=True, slots=True)
class Discovery:
    """Clusters to look for in the regions of one account. Empty tuples mean any.

    `tags` are pairs that a cluster must all have. The rest is how each is served: `access` lacks
    its IDs, and its role chain also leads to the list.
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
        """Whether a cluster is one of those looked for."""
        return (
            self.names_cover(found.name)
            and found.region_id in self.regions
            and (not self.types or found.type in self.types)
            and (not self.profiles or found.profile in self.profiles)
            and all(found.tags.get(key) == value for key, value in self.tags)
        )

    def names_cover(self, name: str) -> bool:
        """Whether a cluster of this name, its own, may be one of those looked for."""
        return not self.names or matches_any(name, self.names)


@dataclass(frozen=True, slots=True)
class DiscoveredCluster:
    """A cluster that was found, and by which section."""

    discovery: Discovery
    found: FoundCluster


@dataclass(frozen=True, slots=True)
class DiscoveryResult:
    """What discovery adds: clusters to serve, and those it leaves out, by name with the reason."""

    clusters: tuple[Cluster, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)


def resolve_discovered(
    configured: Sequence[Cluster], findings: Iterable[DiscoveredCluster]
) -> DiscoveryResult:
    """The clusters found that are not configured, each once: by the first section that found it.

    A cluster goes by its own name. Where another one, configured or found, has that name too, it is
    qualified with the ID, so that a name never changes with the order in which they are found.
    """
    known = {one.access.cluster_id for one in configured if isinstance(one.access, AckAccess)}
    new: dict[str, DiscoveredCluster] = {}
    for finding in findings:
        cluster_id = finding.found.cluster_id
        if cluster_id not in known and finding.discovery.selects(finding.found):
            new.setdefault(cluster_id, finding)
    uses = Counter([each.name for each in configured])
    uses.update(finding.found.name for finding in new.values())
    named = [(_unique_name(each.found, uses), each) for each in new.values()]
    return DiscoveryResult(
        clusters=tuple(
            _cluster(name, each.discovery, each.found.cluster_id, each.found.region_id)
            for name, each in named
            if each.found.serving
        ),
        skipped={
            name: f"its state is {each.found.state or 'unknown'}"
            for name, each in named
            if not each.found.serving
        },
    )


def known_clusters(clusters: Iterable[Cluster]) -> tuple[KnownCluster, ...]:
    """What a shard is told of those of its clusters that are not configured, by name."""
    return tuple(
        KnownCluster(one.name, one.found_by, one.access.region_id, one.access.cluster_id)
        for one in sorted(clusters, key=lambda one: one.name)
        if one.found_by and isinstance(one.access, AckAccess)
    )


def known_cluster_problems(
    configured: Iterable[Cluster], sections: Iterable[Discovery], found: Sequence[KnownCluster]
) -> tuple[str, ...]:
    """Everything that a shard is told and that config.yaml does not allow, each once."""
    taken = frozenset(cluster.name for cluster in configured)
    known = {section.name: section for section in sections}
    told = [_known_cluster_problem(each, known.get(each.section), taken) for each in found]
    uses = Counter(each.name for each in found)
    told += [f"{name} is the name of two clusters" for name, count in uses.items() if count > 1]
    return tuple(dict.fromkeys(why for why in told if why))


def clusters_from_known(
    configured: Iterable[Cluster], sections: Iterable[Discovery], found: Iterable[KnownCluster]
) -> tuple[Cluster, ...]:
    """The clusters that a shard is told of, as their sections say; without those configured."""
    by_id = {one.access.cluster_id for one in configured if isinstance(one.access, AckAccess)}
    known = {section.name: section for section in sections}
    return tuple(
        _cluster(each.name, known[each.section], each.cluster_id, each.region_id)
        for each in found
        if each.cluster_id not in by_id
    )


def _known_cluster_problem(
    found: KnownCluster, section: Discovery | None, taken: frozenset[str]
) -> str:
    """Its types, profiles and tags cannot be known without asking: those the coordinator saw."""
    if section is None:
        return f"{found.section} is no section of config.yaml"
    if found.region_id not in section.regions:
        return f"{section.name} does not look in region {found.region_id}"
    if not section.names_cover(found.name.removesuffix(f"@{found.cluster_id}")):
        return f"{section.name} has no name or glob for {found.name}"
    if found.name in taken:
        return f"{found.name} is the name of a cluster that is configured by itself"
    return ""


def _unique_name(found: FoundCluster, uses: Mapping[str, int]) -> str:
    return found.name if uses[found.name] == 1 else f"{found.name}@{found.cluster_id}"


def _cluster(name: str, section: Discovery, cluster_id: str, region_id: str) -> Cluster:
    return Cluster(
        name,
        replace(section.access, cluster_id=cluster_id, region_id=region_id),
        section.pull_secrets,
        section.proxy_url,
        section.ca_pem,
        found_by=section.name,
    )
