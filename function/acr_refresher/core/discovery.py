"""Which clusters of an account are served, and under which names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import SecretStr

from acr_refresher.core.model import AckAccess, Cluster, PullSecret
from acr_refresher.core.request import FoundBefore
from acr_refresher.core.selection import matches_any

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
class Finding:
    """A cluster that was found, and by which section."""

    discovery: Discovery
    found: FoundCluster


@dataclass(frozen=True, slots=True)
class Discovered:
    """What discovery adds: clusters to serve, and those it leaves out, by name with the reason."""

    clusters: tuple[Cluster, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)


def added(configured: Sequence[Cluster], findings: Iterable[Finding]) -> Discovered:
    """The clusters found that are not configured, each once: by the first section that found it.

    A cluster goes by its own name. Where another one, configured or found, has that name too, it is
    qualified with the ID, so that a name never changes with the order in which they are found.
    """
    known = {one.access.cluster_id for one in configured if isinstance(one.access, AckAccess)}
    new: dict[str, Finding] = {}
    for finding in findings:
        cluster_id = finding.found.cluster_id
        if cluster_id not in known and finding.discovery.selects(finding.found):
            new.setdefault(cluster_id, finding)
    uses = Counter([each.name for each in configured])
    uses.update(finding.found.name for finding in new.values())
    named = [(_name(each.found, uses), each) for each in new.values()]
    return Discovered(
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


def found_before(clusters: Iterable[Cluster]) -> tuple[FoundBefore, ...]:
    """What a shard is told of those of its clusters that are not configured, by name."""
    return tuple(
        FoundBefore(one.name, one.found_by, one.access.region_id, one.access.cluster_id)
        for one in sorted(clusters, key=lambda one: one.name)
        if one.found_by and isinstance(one.access, AckAccess)
    )


def refusals(
    configured: Iterable[Cluster], sections: Iterable[Discovery], found: Sequence[FoundBefore]
) -> tuple[str, ...]:
    """Everything that a shard is told and that config.yaml does not allow, each once."""
    taken = frozenset(cluster.name for cluster in configured)
    known = {section.name: section for section in sections}
    told = [_refusal(each, known.get(each.section), taken) for each in found]
    uses = Counter(each.name for each in found)
    told += [f"{name} is the name of two clusters" for name, count in uses.items() if count > 1]
    return tuple(dict.fromkeys(why for why in told if why))


def as_found_before(
    configured: Iterable[Cluster], sections: Iterable[Discovery], found: Iterable[FoundBefore]
) -> tuple[Cluster, ...]:
    """The clusters that a shard is told of, as their sections say; without those configured."""
    by_id = {one.access.cluster_id for one in configured if isinstance(one.access, AckAccess)}
    known = {section.name: section for section in sections}
    return tuple(
        _cluster(each.name, known[each.section], each.cluster_id, each.region_id)
        for each in found
        if each.cluster_id not in by_id
    )


def _refusal(found: FoundBefore, section: Discovery | None, taken: frozenset[str]) -> str:
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


def _name(found: FoundCluster, uses: Mapping[str, int]) -> str:
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
