"""Which clusters of an account are served, and under which names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import SecretStr

from acr_refresher.core.model import AckAccess, Cluster, PullSecret
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
            (not self.names or matches_any(found.name, self.names))
            and (not self.types or found.type in self.types)
            and (not self.profiles or found.profile in self.profiles)
            and all(found.tags.get(key) == value for key, value in self.tags)
        )


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
        clusters=tuple(_cluster(name, each) for name, each in named if each.found.serving),
        skipped={
            name: f"its state is {each.found.state or 'unknown'}"
            for name, each in named
            if not each.found.serving
        },
    )


def _name(found: FoundCluster, uses: Mapping[str, int]) -> str:
    return found.name if uses[found.name] == 1 else f"{found.name}@{found.cluster_id}"


def _cluster(name: str, finding: Finding) -> Cluster:
    found, discovery = finding.found, finding.discovery
    access = replace(discovery.access, cluster_id=found.cluster_id, region_id=found.region_id)
    return Cluster(name, access, discovery.pull_secrets, discovery.proxy_url, discovery.ca_pem)
