"""Lists the clusters of the accounts that config.yaml names in `discover`, in every run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from acr_refresher.config.events import InvalidEvent, unknown_cluster_problems
from acr_refresher.config.strict import Problem
from acr_refresher.core.fleet import (
    Discovered,
    Discovery,
    clusters_from_known,
    known_cluster_problems,
    resolve_discovered,
)
from acr_refresher.core.model import Cluster
from acr_refresher.core.outcome import ClusterOutcome, Failure
from acr_refresher.core.request import Request, Shard
from acr_refresher.errors import PortError, log_bug
from acr_refresher.log_events import log_cluster
from acr_refresher.run.concurrency import run_bounded
from acr_refresher.run.ports import ClusterPage, ContainerService
from acr_refresher.run.retry import retrying
from acr_refresher.run.tokens import Minter
from acr_refresher.settings import SETTINGS

_KEEP_AS_WRITTEN = (
    "leave it as the coordinator wrote it; after a change of config.yaml the next run follows that"
)


@dataclass(frozen=True, slots=True)
class RegisteredClusters:
    """All clusters, configured and listed.

    `outcomes` are those of clusters that do not run, and of lists that failed, which have names
    such as `discover[0] cn-hangzhou`.
    """

    clusters: tuple[Cluster, ...]
    outcomes: tuple[ClusterOutcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Discoverer:
    """Requests the lists of clusters, each within `timeout`."""

    ack: ContainerService
    minter: Minter
    timeout: timedelta

    async def register(
        self, configured: tuple[Cluster, ...], wanted: Sequence[Discovery], request: Request
    ) -> RegisteredClusters:
        """Return the configured and the listed clusters. A failed list does not stop the others.

        Raises InvalidEvent if the request names a cluster that does not exist, unless a list that
        might have it failed. A shard requests no list, because its event has the clusters. Then
        this raises InvalidEvent if config.yaml does not allow one of them.
        """
        if request.shard:
            return RegisteredClusters(
                configured + _known_clusters(configured, wanted, request.shard)
            )
        regions = [(discovery, region) for discovery in wanted for region in discovery.regions]
        lists = await asyncio.gather(*(self._list(*each) for each in regions))
        discovered, not_serving = resolve_discovered(
            configured, [finding for each in lists for finding in each.findings]
        )
        clusters = configured + discovered
        names = [*(cluster.name for cluster in clusters), *not_serving]
        failed = tuple(each.failed for each in lists if each.failed)
        if wanted and not failed and (unknown := unknown_cluster_problems(request, names)):
            raise InvalidEvent(unknown)
        skipped = (
            ClusterOutcome(cluster=name, skipped=why)
            for name, why in not_serving.items()
            if request.selects_cluster(name)
        )
        outcomes = (*failed, *skipped)
        for outcome in outcomes:
            log_cluster(outcome)
        return RegisteredClusters(clusters, outcomes)

    async def _list(self, discovery: Discovery, region_id: str) -> _List:
        try:
            found = await asyncio.wait_for(
                self._ask(discovery, region_id), self.timeout.total_seconds()
            )
        except PortError as error:
            failure = error.failure()
        except asyncio.TimeoutError:
            failure = Failure(
                "unreachable",
                f"no list of clusters within {self.timeout.total_seconds():g} s",
                code="Deadline",
            )
        except Exception as error:  # noqa: BLE001  # a bug in one list must not stop others
            failure = log_bug(error, cluster=f"{discovery.name} {region_id}")
        else:
            return _List(found)
        return _List(
            failed=ClusterOutcome(cluster=f"{discovery.name} {region_id}", failure=failure)
        )

    async def _ask(self, discovery: Discovery, region_id: str) -> tuple[Discovered, ...]:
        caller = await self.minter.session(discovery.access.role_chain, SETTINGS.session_duration)

        async def page(number: int) -> ClusterPage:
            return await retrying(lambda: self.ack.clusters(caller, region_id, number))

        first = await page(1)
        limit = min(SETTINGS.list_pages_at_once, first.pages - 1)
        pages = (first, *await run_bounded(limit, map(page, range(2, first.pages + 1))))
        return tuple((discovery, found) for each in pages for found in each.found)


def _known_clusters(
    configured: tuple[Cluster, ...], sections: Sequence[Discovery], shard: Shard
) -> tuple[Cluster, ...]:
    """Return the clusters that the coordinator listed, if config.yaml allows them all."""
    if refused := known_cluster_problems(configured, sections, shard.found):
        raise InvalidEvent(Problem("shard.found", why, _KEEP_AS_WRITTEN) for why in refused)
    return clusters_from_known(configured, sections, shard.found)


@dataclass(frozen=True, slots=True)
class _List:
    """One region's list for one section of `discover`, or why there is none."""

    findings: tuple[Discovered, ...] = field(default=())
    failed: ClusterOutcome | None = None
