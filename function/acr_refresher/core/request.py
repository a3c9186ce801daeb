"""What is asked of an invocation: a run, or a shard of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from acr_refresher.core.model import Function, Registry
from acr_refresher.core.select import matches_any


@dataclass(frozen=True, slots=True)
class KnownCluster:
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
    scheduled_at: str
    clusters: frozenset[str]
    number: int = 1
    of: int = 1
    continued: int = 0
    found: tuple[KnownCluster, ...] = ()

    def __str__(self) -> str:
        """`2/5`, as people say it."""
        return f"{self.number}/{self.of}"


@dataclass(frozen=True, slots=True)
class Request:
    """What one invocation asks for. Empty tuples of globs mean everything.

    `trigger` is `manual`, or `timer:` and the trigger's name, which fired at `scheduled_at` by its
    own clock. `force` renews everything; `allow_removal` permits large removals (see `guard`).
    `shard`: the request covers these clusters only.
    """

    trigger: str
    clusters: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    force: bool = False
    allow_removal: bool = False
    dry_run: bool = False
    reason: str = ""
    scheduled_at: str = ""
    shard: Shard | None = None

    @property
    def unattended(self) -> bool:
        """Whether nobody waits for the answer but the platform, which counts exceptions."""
        return self.shard is not None or self.trigger.startswith("timer:")

    @property
    def is_scoped(self) -> bool:
        """Whether it leaves out some of what stands in a cluster, or changes nothing there."""
        return self.dry_run or bool(self.namespaces or self.registries)

    def selects_cluster(self, cluster: str) -> bool:
        """Whether it is about the cluster of this name."""
        if self.shard:
            return cluster in self.shard.clusters
        return not self.clusters or matches_any(cluster, self.clusters)

    def filter_registries(self, registries: Iterable[Registry]) -> tuple[Registry, ...]:
        """Those of the registries that it is about."""
        return tuple(
            registry
            for registry in registries
            if not self.registries or matches_any(registry.name, self.registries)
        )


@dataclass(frozen=True, slots=True)
class RunContext:
    """What holds for the whole run.

    `budget` is the time it may take in all, `account` the number of the function's own. `function`
    is what runs, where that is known: what can be started again. `request_id` is what the platform
    calls this invocation, one of those of the run.
    """

    run: str
    request: Request
    now: datetime
    budget: timedelta
    account: str = ""
    request_id: str = ""
    function: Function | None = None
