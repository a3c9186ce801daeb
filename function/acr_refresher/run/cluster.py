"""Reading a cluster: three lists, whatever its size; one more for each further pull secret."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain

from acr_refresher.core.actions import Action, accounts_changed, costs_requests
from acr_refresher.core.fleet import LastSeen, is_due
from acr_refresher.core.model import Cluster, ClusterState, SecretState
from acr_refresher.core.outcome import (
    ClusterOutcome,
    Deferral,
    Failure,
    SecretOutcome,
    failed_outcome,
    planned_outcome,
)
from acr_refresher.core.plan import plan, secrets_in_scope
from acr_refresher.core.report import cluster_expiry, cluster_ok
from acr_refresher.core.request import RunContext
from acr_refresher.errors import NotRunning, PortError, log_bug
from acr_refresher.log_events import log_cluster, log_deferred, log_secrets
from acr_refresher.run.apply import Applier
from acr_refresher.run.concurrency import (
    ExtraWorkers,
    connections_for,
    run_bounded,
)
from acr_refresher.run.connect import ClusterConnections
from acr_refresher.run.deadline import DeadlineExceeded, PausableDeadline, Stopwatch
from acr_refresher.run.ports import KubeApi
from acr_refresher.run.retry import retrying
from acr_refresher.run.tokens import Minter
from acr_refresher.settings import SETTINGS


async def observe(kube: KubeApi, secret_names: Iterable[str]) -> ClusterState:
    """What stands in the cluster, the Secrets of these names among it. Raises PortError.

    One list after another, over one connection: a second one costs more CPU and memory than the
    wait is worth, which other clusters make use of.
    """
    namespaces = await retrying(kube.list_namespaces)
    secrets: list[SecretState] = []
    for name in secret_names:
        secrets += await retrying(partial(kube.list_secrets, name))
    return ClusterState(namespaces, tuple(secrets), await retrying(kube.list_service_accounts))


@dataclass(frozen=True, slots=True)
class LastSeenClusters:
    """What a warm instance has seen of each cluster, by name: it tells who is served first."""

    seen: dict[str, LastSeen] = field(default_factory=dict)

    def note(self, outcome: ClusterOutcome, now: datetime) -> None:
        """Keep what a visit saw; after one that failed, what the one before did."""
        self.seen[outcome.cluster] = LastSeen(now, cluster_expiry(outcome), ok=cluster_ok(outcome))

    def expiry(self, cluster: str) -> datetime | None:
        """When its first secret ends, by the last visit."""
        visit = self.seen.get(cluster)
        return visit.earliest_expiry if visit else None


@dataclass(slots=True)
class _Progress:
    """How far a visit has come, to be read where it is cut off."""

    kube: KubeApi | None = None
    actions: tuple[Action, ...] = ()
    done: dict[int, SecretOutcome] = field(default_factory=dict)

    @property
    def outcomes(self) -> tuple[SecretOutcome, ...]:
        """What has, in the order in which it was planned."""
        return tuple(self.done[id(one)] for one in self.actions if id(one) in self.done)

    def cut_off(self, why: str) -> Failure | None:
        """The failure of each action that is unfinished, or of the cluster where none is known."""
        late = Failure("unreachable", f"not finished {why}", code="Deadline")
        for action in self.actions:
            if id(action) not in self.done:
                self.done[id(action)] = failed_outcome(action, late)
        return None if self.actions else late


@dataclass(frozen=True, slots=True)
class ClusterRunner:
    """Serves clusters in one run."""

    context: RunContext
    connecting: ClusterConnections
    minter: Minter
    watch: Stopwatch
    cluster_timeout: timedelta
    last_seen: LastSeenClusters

    async def serve(self, cluster: Cluster) -> ClusterOutcome | None:
        """Serve one cluster, whatever becomes of it, within its own time and the run's.

        None: it was not begun, since too little of the run's time is left, or did not get beyond
        its kubeconfig in that time.
        """
        if not self._in_time():
            return None
        clock = asyncio.get_running_loop().time
        began = clock()
        progress = _Progress()
        failure, skipped = None, ""
        try:
            await asyncio.wait_for(self._visit(cluster, progress), self._left.total_seconds())
        except NotRunning as error:
            skipped = str(error)
        except PortError as error:
            failure = error.failure()
        except DeadlineExceeded:
            own = self.cluster_timeout.total_seconds()
            failure = progress.cut_off(f"within a cluster's {own:g} s: raise clusterTimeout")
        except asyncio.TimeoutError:
            if progress.kube is None:
                return None  # it waited for the cloud, as others do
            failure = progress.cut_off("within the run's time: raise the function's timeout")
        except Exception as error:  # noqa: BLE001  # a bug met in one cluster must not stop others
            failure = log_bug(error)
        outcome = ClusterOutcome(
            cluster=cluster.name,
            secrets=progress.outcomes,
            failure=failure,
            skipped=skipped,
            last_seen_expiry=self.last_seen.expiry(cluster.name) if failure else None,
            requests=progress.kube.requests if progress.kube else 0,
            duration=timedelta(seconds=clock() - began),
        )
        return self._told(outcome)

    def _told(self, outcome: ClusterOutcome) -> ClusterOutcome:
        """The outcome, once it is logged and noted."""
        try:
            log_secrets(outcome)
            log_cluster(outcome)
            if not self.context.request.is_scoped:
                self.last_seen.note(outcome, self.context.now)
        except Exception as error:  # noqa: BLE001  # nor must a bug in telling of one stop others
            return replace(outcome, failure=outcome.failure or log_bug(error))
        return outcome

    def defer(self, cluster: Cluster) -> ClusterOutcome:
        """Leave a cluster to the next run, and say so."""
        visit = self.last_seen.seen.get(cluster.name)
        due = visit is None or not visit.ok or is_due(cluster, visit, self.context.now)
        deferral = Deferral(
            "the run had no time left to begin with it, and handed it on to no other: raise the"
            " function's timeout, or let it start itself (infra/ram/fan-out.policy.json)",
            fresh=not due and not self.context.request.force,
            earliest_expiry=self.last_seen.expiry(cluster.name),
        )
        log_deferred(cluster.name, deferral)
        return ClusterOutcome(cluster=cluster.name, deferred=deferral)

    def _in_time(self) -> bool:
        """Whether a cluster may take its time. A run that has little begins in its first half."""
        least = min(self.cluster_timeout + self._to_wind_up, self.context.budget / 2)
        return self.watch.remaining > least

    @property
    def _left(self) -> timedelta:
        return self.watch.remaining - self._to_wind_up

    @property
    def _to_wind_up(self) -> timedelta:
        return min(SETTINGS.wind_up_time, self.context.budget / 4)

    async def _visit(self, cluster: Cluster, progress: _Progress) -> None:
        own = PausableDeadline(self.cluster_timeout)

        async def refresh(kube: KubeApi) -> None:
            progress.kube = kube
            await self._refresh(cluster, kube, progress, own)

        await own.run(self.connecting.visit(cluster, refresh, own.paused))

    async def _refresh(
        self, cluster: Cluster, kube: KubeApi, progress: _Progress, own: PausableDeadline
    ) -> None:
        context, clock = self.context, asyncio.get_running_loop().time
        began = clock()
        state = await observe(kube, secrets_in_scope(cluster, context.request))
        # A call that takes longer than all the lists is left by itself: others get another place.
        spares = ExtraWorkers(
            SETTINGS.requests_per_cluster,
            max(SETTINGS.stalled_request.total_seconds(), clock() - began),
            lambda: kube.throttled > 0,
        )
        planned = plan(cluster.pull_secrets, state, context.request, context.now)
        progress.actions = tuple(chain.from_iterable(planned))
        if context.request.dry_run:
            progress.done = {id(one): planned_outcome(one) for one in progress.actions}
            return
        clocks = own.paused, own.resumed
        applier = Applier(kube, self.minter, context.now, context.run, *clocks)
        # What costs no request is not to wait for what does, nor a namespace for one that stalls.
        for actions in planned:
            if not costs_requests(actions):
                await self._apply_all(applier, actions, progress)
        await applier.make(progress.actions)
        at_work = tuple(filter(costs_requests, planned))
        applied = (self._apply_all(applier, actions, progress) for actions in at_work)
        objects = sum(max(1, accounts_changed(actions)) for actions in at_work)
        await run_bounded(min(connections_for(objects), len(at_work)), applied, spares)

    async def _apply_all(
        self, applier: Applier, actions: Iterable[Action], progress: _Progress
    ) -> None:
        """One namespace's actions, one after another: they may change the same service account."""
        for action in actions:
            try:
                progress.done[id(action)] = await applier.apply(action)
            except Exception as error:  # noqa: BLE001  # a bug in one namespace must not stop others
                progress.done[id(action)] = failed_outcome(action, log_bug(error))
