"""Serves one cluster within its time: reads its state, plans, and applies the plan."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain

from acr_refresher.core.fleet import LastSeen, is_due, unreached_first
from acr_refresher.core.model import Cluster
from acr_refresher.core.outcome import (
    Action,
    ClusterOutcome,
    Deferral,
    Failure,
    SecretOutcome,
    accounts_changed,
    costs_requests,
    failed_outcome,
    planned_outcome,
)
from acr_refresher.core.plan import plan, secrets_in_scope
from acr_refresher.core.report import cluster_expiry, cluster_ok
from acr_refresher.core.request import RunContext
from acr_refresher.errors import NotRunning, PortError, log_bug, unexpected_error
from acr_refresher.log_events import log_cluster, log_deferred, log_secrets
from acr_refresher.run.apply import Applier
from acr_refresher.run.concurrency import ExtraWorkers, connections_for, run_bounded
from acr_refresher.run.connect import ClusterConnections
from acr_refresher.run.contents import Contents
from acr_refresher.run.deadline import DeadlineExceeded, PausableDeadline, RunClock, Stopwatch
from acr_refresher.run.observe import observe
from acr_refresher.run.ports import KubeApi
from acr_refresher.run.remembered import RememberedRepairs
from acr_refresher.run.tokens import Minter
from acr_refresher.settings import SETTINGS


@dataclass(frozen=True, slots=True)
class LastSeenClusters:
    """What a warm instance saw of each cluster, by name. It decides which is served first."""

    seen: dict[str, LastSeen] = field(default_factory=dict)
    repairs: RememberedRepairs = field(default_factory=RememberedRepairs)

    def note(
        self, outcome: ClusterOutcome, now: datetime, unreached: frozenset[str] = frozenset()
    ) -> None:
        """Keep what a visit saw. After a failed visit, keep the expiry that the one before saw."""
        expiry, ok = cluster_expiry(outcome), cluster_ok(outcome)
        self.seen[outcome.cluster] = LastSeen(now, expiry, ok, unreached)

    def expiry(self, cluster: str) -> datetime | None:
        """Return when the first of its secrets expires, by the last visit."""
        last = self.seen.get(cluster)
        return last.earliest_expiry if last else None

    def unreached(self, cluster: str) -> frozenset[str]:
        """Return the namespaces that the last visit had no time to begin."""
        last = self.seen.get(cluster)
        return last.unreached if last else frozenset()


@dataclass(slots=True)
class _Progress:
    """What a visit has done so far. This is reported if the visit is cut off."""

    cluster: str
    kube: KubeApi | None = None
    actions: tuple[Action, ...] = ()
    done: dict[tuple[str, str], SecretOutcome] = field(default_factory=dict)
    """The outcomes by namespace and pull secret, which no two actions share."""
    begun: set[str] = field(default_factory=set)
    """The namespaces to which something was sent."""
    bugs: set[str] = field(default_factory=set)

    def finish(self, action: Action, outcome: SecretOutcome) -> None:
        self.done[action.namespace, action.secret] = outcome

    def bug(self, action: Action, error: Exception) -> Failure:
        """Return a bug as a failure. Its traceback is logged once, not once per namespace."""
        failure = unexpected_error(error)
        if failure.message not in self.bugs:
            self.bugs.add(failure.message)
            where = {"namespace": action.namespace, "secret": action.secret}
            log_bug(error, cluster=self.cluster, **where)
        return failure

    @property
    def outcomes(self) -> tuple[SecretOutcome, ...]:
        """The outcomes in the order of the plan."""
        keys = ((action.namespace, action.secret) for action in self.actions)
        return tuple(self.done[key] for key in keys if key in self.done)

    def cut_off(self, why: str) -> Failure | None:
        """Fail each unfinished action; without a plan, return the failure of the cluster."""
        late = Failure("unreachable", why, code="Deadline")
        end = "" if why.endswith((".", "?")) else "."
        begun = replace(late, message=f"{why}{end} The API server may have made the change")
        for action in self.actions:
            if (action.namespace, action.secret) not in self.done:
                sent = action.namespace in self.begun
                self.finish(action, failed_outcome(action, begun if sent else late))
        return None if self.actions else late

    @property
    def unreached(self) -> frozenset[str]:
        """The namespaces that were to be changed, and to which nothing was sent."""
        wanted = (action.namespace for action in self.actions if costs_requests((action,)))
        return frozenset(wanted) - self.begun


@dataclass(frozen=True, slots=True)
class ClusterRunner:
    """Serves the clusters of one run."""

    context: RunContext
    connections: ClusterConnections
    minter: Minter
    watch: Stopwatch
    cluster_timeout: timedelta
    last_seen: LastSeenClusters
    clock: RunClock

    async def serve(self, cluster: Cluster) -> ClusterOutcome | None:
        """Serve one cluster within its own time and the run's. Raises nothing but cancellation.

        Returns None if it was not begun, because too little of the run's time is left, or if the
        run's time was over before its kubeconfig arrived.
        """
        if not self._in_time():
            return None
        clock = asyncio.get_running_loop().time
        began, progress = clock(), _Progress(cluster.name)
        failure, skipped = None, ""
        try:
            failure = await self._visited(cluster, progress)
        except NotRunning as error:
            skipped = str(error)
        except asyncio.TimeoutError:
            return None  # it has only waited for the cloud
        outcome = ClusterOutcome(
            cluster=cluster.name,
            secrets=progress.outcomes,
            failure=failure,
            skipped=skipped,
            last_seen_expiry=self.last_seen.expiry(cluster.name) if failure else None,
            warnings=progress.kube.warnings if progress.kube else (),
            requests=progress.kube.requests if progress.kube else 0,
            duration=timedelta(seconds=clock() - began),
        )
        return self._logged(outcome, progress)

    async def _visited(self, cluster: Cluster, progress: _Progress) -> Failure | None:
        """Visit the cluster. Return why it could not be served, if so.

        Raises NotRunning, or TimeoutError if the run's time is over before its kubeconfig arrives.
        """
        try:
            await asyncio.wait_for(self._visit(cluster, progress), self._left.total_seconds())
        except NotRunning:
            raise
        except PortError as error:
            return error.failure()
        except DeadlineExceeded:
            return progress.cut_off(self._too_slow(progress))
        except asyncio.TimeoutError:
            if progress.kube is None:
                raise
            why = _held_up(progress.kube) or "raise the function's timeout"
            return progress.cut_off(f"not finished within the run's time: {why}")
        except Exception as error:  # noqa: BLE001  # a bug in one cluster must not stop others
            return log_bug(error, cluster=cluster.name)
        return None

    def _too_slow(self, progress: _Progress) -> str:
        """Return what was late, and what may help. More time helps nothing that never answers."""
        within = f"within the {self.cluster_timeout.total_seconds():g} s of its cluster"
        if progress.kube is None:
            return f"its kubeconfig could not be read {within}: does the file system hang?"
        if held_up := _held_up(progress.kube):
            return f"not finished {within}: {held_up}"
        if progress.actions:
            return f"not finished {within}: if the cluster is only slow, raise clusterTimeout"
        return (
            f"the API server did not answer {progress.kube.cut_off or 'the lists'} {within}: is"
            " it up, and can the function's VPC reach it? If it is only slow, raise clusterTimeout"
        )

    def _logged(self, outcome: ClusterOutcome, progress: _Progress) -> ClusterOutcome:
        """Log the outcome, keep what was seen, and return the outcome."""
        try:
            log_secrets(outcome)
            log_cluster(outcome)
            now = self.context.now
            last_repairs = self.last_seen.repairs
            last_repairs.note(outcome.cluster, progress.actions, progress.outcomes, now)
            if not self.context.request.is_scoped:
                self.last_seen.note(outcome, now, progress.unreached)
        except Exception as error:  # noqa: BLE001  # a bug in a log line must not stop others
            failure = outcome.failure or log_bug(error, cluster=outcome.cluster)
            return replace(outcome, failure=failure)
        return outcome

    def defer(self, cluster: Cluster) -> ClusterOutcome:
        """Leave a cluster to the next run, and log that."""
        last = self.last_seen.seen.get(cluster.name)
        due = last is None or not last.ok or is_due(cluster, last, self.context.now)
        deferral = Deferral(
            "the run had no time left for it and could not delegate it: raise the function's"
            " timeout, or let the function start itself (infra/ram/fan-out.policy.json)",
            fresh=not due and not self.context.request.force,
            earliest_expiry=self.last_seen.expiry(cluster.name),
        )
        log_deferred(cluster.name, deferral)
        return ClusterOutcome(cluster=cluster.name, deferred=deferral)

    def _in_time(self) -> bool:
        """Whether a cluster gets all its time. A short run begins clusters in its first half."""
        least = min(self.cluster_timeout + self._to_wind_up, self.context.budget / 2)
        return self.watch.remaining > least

    @property
    def _left(self) -> timedelta:
        return self.watch.remaining - self._to_wind_up

    @property
    def _to_wind_up(self) -> timedelta:
        return min(SETTINGS.wind_up_time, self.context.budget / 4)

    async def _visit(self, cluster: Cluster, progress: _Progress) -> None:
        deadline = PausableDeadline(self.cluster_timeout)

        async def refresh(kube: KubeApi) -> None:
            progress.kube = kube
            await self._refresh(cluster, kube, progress, deadline)

        await deadline.run(self.connections.visit(cluster, refresh, deadline.paused))

    async def _refresh(
        self, cluster: Cluster, kube: KubeApi, progress: _Progress, deadline: PausableDeadline
    ) -> None:
        request, clock = self.context.request, asyncio.get_running_loop().time
        began = clock()
        state = await observe(kube, secrets_in_scope(cluster, request), cluster.pull_secrets)
        lists_took = clock() - began
        known = self.last_seen.repairs.of(cluster.name)
        planned = plan(cluster.pull_secrets, state, request, self.clock.now(), known)
        progress.actions = tuple(chain.from_iterable(planned))
        if request.dry_run:
            for action in progress.actions:
                progress.finish(action, planned_outcome(action))
            return
        applier = Applier.of(kube, self._contents(cluster, kube, deadline))
        # Actions without requests come first: they need not wait for requests, which may stall.
        for actions in planned:
            if not costs_requests(actions):
                await self._apply_all(applier, actions, progress)
        await applier.contents.make(progress.actions)
        costly = self._in_order(cluster, filter(costs_requests, planned))
        objects = sum(max(1, accounts_changed(actions)) for actions in costly)
        await run_bounded(
            min(connections_for(objects), len(costly)),
            (self._apply_all(applier, actions, progress) for actions in costly),
            _extra_workers(kube, lists_took),
        )

    def _contents(self, cluster: Cluster, kube: KubeApi, deadline: PausableDeadline) -> Contents:
        """Return what makes the contents, so that time is left to write them."""
        left = self._left
        return Contents(
            kube,
            self.minter,
            self.clock.now(),
            self.context.run,
            cluster.name,
            paused=deadline.paused,
            own_time=deadline.in_half,
            mint_timeout=max(left - deadline.left, left / 2),
        )

    def _in_order(
        self, cluster: Cluster, planned: Iterable[tuple[Action, ...]]
    ) -> tuple[tuple[Action, ...], ...]:
        by_namespace = {actions[0].namespace: actions for actions in planned}
        unreached = self.last_seen.unreached(cluster.name)
        names = unreached_first(by_namespace, unreached, self.context.now)
        return tuple(map(by_namespace.__getitem__, names))

    async def _apply_all(
        self, applier: Applier, actions: Iterable[Action], progress: _Progress
    ) -> None:
        """Apply one namespace's actions in turn: they may change the same service account."""
        for action in actions:
            progress.begun.add(action.namespace)
            try:
                outcome = await applier.apply(action)
            except Exception as error:  # noqa: BLE001  # a bug in one namespace must not stop others
                outcome = failed_outcome(action, progress.bug(action, error))
            progress.finish(action, outcome)


def _held_up(kube: KubeApi) -> str:
    """Return the error that a visit met before its end, or the write that it waited for.

    More time helps neither, so the remedy is that of the error.
    """
    waited = f"{kube.cut_off} had no answer yet. " if kube.cut_off else ""
    if kube.last_error:
        return f"{waited}The last error was: {kube.last_error}"
    if waited and not kube.cut_off.startswith("GET "):
        return (
            f"{waited}An admission webhook may hang. If the cluster is slow, raise clusterTimeout"
        )
    return ""


def _extra_workers(kube: KubeApi, lists_took: float) -> ExtraWorkers:
    """Return when to add workers: while no request ends for longer than the lists took."""
    stalled = SETTINGS.stalled_request.total_seconds()
    return ExtraWorkers(
        SETTINGS.requests_per_cluster, max(stalled, lists_took), lambda: kube.throttled > 0
    )
