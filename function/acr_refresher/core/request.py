"""What is asked of an invocation: a run, or a shard of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from acr_refresher.core.model import Registry
from acr_refresher.core.selection import matches_any


@dataclass(frozen=True, slots=True)
class FoundBefore:
    """A cluster that the coordinator found: what it takes to serve it without asking again.

    It is served under this name, as `section` of config.yaml says (`discover[0]`).
    """

    name: str
    section: str
    region_id: str
    cluster_id: str


@dataclass(frozen=True, slots=True)
class Shard:
    """The part of a run, by the exact names of its clusters, that an invocation of its own serves.

    `run` is the ID of the whole, `occasion` what its trigger fired at. `continued` tells how many
    invocations before this one had no time left for these clusters. `found` are those of them that
    are not configured by themselves, by name.
    """

    run: str
    occasion: str
    clusters: frozenset[str]
    number: int = 1
    of: int = 1
    continued: int = 0
    found: tuple[FoundBefore, ...] = ()

    def __str__(self) -> str:
        """`2/5`, as people say it."""
        return f"{self.number}/{self.of}"


@dataclass(frozen=True, slots=True)
class Request:
    """What one invocation asks for. Empty tuples of globs mean everything.

    `trigger` is `manual`, or `timer:` and the trigger's name, which fired at `occasion` by its own
    clock. `shard`: the request is about these clusters alone.
    """

    trigger: str
    clusters: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    force: bool = False
    dry_run: bool = False
    reason: str = ""
    occasion: str = ""
    shard: Shard | None = None

    @property
    def unattended(self) -> bool:
        """Whether nobody waits for the answer but the platform, which counts exceptions."""
        return self.shard is not None or self.trigger.startswith("timer:")

    @property
    def partial(self) -> bool:
        """Whether it leaves out some of what stands in a cluster, or changes nothing there."""
        return self.dry_run or bool(self.namespaces or self.registries)

    def concerns(self, cluster: str) -> bool:
        """Whether it is about the cluster of this name."""
        if self.shard:
            return cluster in self.shard.clusters
        return not self.clusters or matches_any(cluster, self.clusters)

    def among(self, registries: Iterable[Registry]) -> tuple[Registry, ...]:
        """Those of the registries that it is about."""
        return tuple(
            registry
            for registry in registries
            if not self.registries or matches_any(registry.name, self.registries)
        )
