"""What an invocation is asked to do: a run, or a shard of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from acr_refresher.core.model import Function, Registry
from acr_refresher.core.select import matches_any

REQUEST_OPTIONS = ("trigger", "reason", "force", "allow_removal", "dry_run")


@dataclass(frozen=True, slots=True)
class KnownCluster:
    """A cluster that the coordinator discovered, so that a shard need not discover it again."""

    name: str
    section: str  # the section of config.yaml with its settings, such as `discover[0]`
    region_id: str
    cluster_id: str


@dataclass(frozen=True, slots=True)
class Shard:
    """The part of a run that one invocation serves, by the exact names of its clusters.

    `run` is the ID of the run, and `scheduled_at` the time that its trigger fired. `continued`
    counts the earlier invocations that had no time left for these clusters. `found` are those of
    the clusters that were discovered, sorted by name.
    """

    run: str
    scheduled_at: str
    clusters: frozenset[str]
    number: int = 1
    of: int = 1
    continued: int = 0
    found: tuple[KnownCluster, ...] = ()

    def __str__(self) -> str:
        """For people: `2/5`."""
        return f"{self.number}/{self.of}"


@dataclass(frozen=True, slots=True)
class Request:
    """What an invocation is asked to do. An empty tuple of globs means everything.

    `trigger` is `manual`, or `timer:` and the trigger's name, which fired at `scheduled_at` by its
    own clock. `force` renews everything; `allow_removal` permits large removals (see `core.plan`).
    With a `shard`, the request covers only the clusters of that shard.
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
        """Whether only the platform receives the answer. It counts exceptions as failures."""
        return self.shard is not None or self.trigger.startswith("timer:")

    @property
    def options(self) -> dict[str, Any]:
        """What reports and log lines say about the request."""
        return {name: getattr(self, name) for name in REQUEST_OPTIONS}

    @property
    def is_scoped(self) -> bool:
        """Whether the request covers only a part of a cluster, or changes nothing there."""
        return self.dry_run or bool(self.namespaces or self.registries)

    def selects_cluster(self, cluster: str) -> bool:
        """Whether the request covers the cluster of this name."""
        if self.shard:
            return cluster in self.shard.clusters
        return not self.clusters or matches_any(cluster, self.clusters)

    def filter_registries(self, registries: Iterable[Registry]) -> tuple[Registry, ...]:
        """The registries that the request covers."""
        if not self.registries:
            return tuple(registries)
        return tuple(each for each in registries if matches_any(each.name, self.registries))


@dataclass(frozen=True, slots=True)
class RunContext:
    """What all parts of a run have in common.

    `budget` is the time that the run may take. `account` is the number of the function's account.
    `function` is the function that runs, if known, so that it can be started again. `request_id`
    is the platform's ID of this invocation.
    """

    run: str
    request: Request
    now: datetime
    budget: timedelta
    account: str = ""
    request_id: str = ""
    function: Function | None = None
