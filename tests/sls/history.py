"""Made-up runs, and the records that they would have written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from acr_refresher.core.model import Cluster, KubeconfigAccess, NamespaceState
from acr_refresher.core.outcome import (
    Action,
    ClusterOutcome,
    Deferral,
    Failure,
    SecretOutcome,
    failed_outcome,
    planned_outcome,
)
from acr_refresher.core.outcome_records import FinishedRun, outcome_records
from acr_refresher.core.plan import plan
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.report import Report, ShardStart
from acr_refresher.core.request import Request, Shard
from acr_refresher.settings import SETTINGS
from factories import MINUTE, NOW, credential, namespace, state, wanted
from factories import secret as held

PERIOD = 5 * MINUTE
"""From one run of the timer to the next."""
TIMER = Request(trigger="timer:every-5-minutes")
BY_HAND = Request(trigger="manual")
UNREACHABLE = Failure("unreachable", "no connection in time", service="kube")
UNMINTED = Failure("denied", "denied", subject="registry main", service="cr")

Record = dict[str, Any]

NAMES_OF_0_1_0 = {
    "incomplete": "degraded",
    "secrets_incomplete": "secrets_degraded",
    "removal-blocked": "removal-guard",
    "delegated": "handed_on",
    "clusters_delegated": "clusters_handed_on",
}
"""Today's names of fields and values that 0.1.0 writes with another name."""


def as_0_1_0(records: Sequence[Record]) -> list[Record]:
    """The same records as a function of version 0.1.0 writes them."""

    def renamed(text: Any) -> Any:
        return NAMES_OF_0_1_0.get(text, text)

    return [{renamed(name): renamed(value) for name, value in record.items()} for record in records]


def run_at(
    minute: int,
    *clusters: ClusterOutcome,
    request: Request = TIMER,
    delegated: tuple[ShardStart, ...] = (),
) -> list[Record]:
    """The records of a run that ends that many minutes after NOW (before NOW if negative)."""
    at = NOW + minute * MINUTE
    known = tuple(
        Cluster(outcome.cluster, KubeconfigAccess("x"), (wanted(),)) for outcome in clusters
    )
    report = Report(f"run{minute}", request, at, clusters, delegated=delegated)
    finished = FinishedRun(report, at, known)
    return [{"__time__": int(at.timestamp()), **record} for record in outcome_records(finished)]


def runs(minutes: Sequence[int], *clusters: ClusterOutcome) -> list[Record]:
    """The records of a run at each of these minutes, all with the same outcomes."""
    return [record for minute in minutes for record in run_at(minute, *clusters)]


def in_shards(minute: int, *shards: Sequence[ClusterOutcome], lost: int = 0) -> list[Record]:
    """The records of a run in shards. One more shard, of `lost` clusters, wrote no records."""
    sizes = [*map(len, shards), *([lost] if lost else [])]
    delegated = tuple(ShardStart(f"task{n}", size, started=True) for n, size in enumerate(sizes))
    found = run_at(minute, delegated=delegated)
    for number, clusters in enumerate(shards, 1):
        names = frozenset(outcome.cluster for outcome in clusters)
        shard = Shard(f"run{minute}", "scheduled", names, number, len(sizes))
        found += run_at(minute, *clusters, request=replace(TIMER, shard=shard))
    return found


def served(name: str, *secrets: SecretOutcome) -> ClusterOutcome:
    return ClusterOutcome(cluster=name, secrets=secrets, duration=timedelta(seconds=1))


def unserved(name: str) -> ClusterOutcome:
    return ClusterOutcome(cluster=name, failure=UNREACHABLE)


def stopped(name: str) -> ClusterOutcome:
    return ClusterOutcome(cluster=name, skipped="its state is stopped")


def deferred(name: str) -> ClusterOutcome:
    return ClusterOutcome(cluster=name, deferred=Deferral("the run had no time left"))


def removal_blocked(ends: int) -> SecretOutcome:
    """A secret of a cluster, after a mistake in watchNamespace that would remove all of them."""
    return planned_outcome(_deselected(ends, namespace("shop"), TIMER))


def not_removed(ends: int) -> SecretOutcome:
    """A secret that the API server did not remove when it was asked to."""
    action = _deselected(ends, namespace("shop"), Request("manual", allow_removal=True))
    return failed_outcome(action, UNREACHABLE)


def in_deleted_namespace(ends: int) -> SecretOutcome:
    """A secret whose namespace is being deleted."""
    return planned_outcome(_deselected(ends, namespace("shop", terminating=True), TIMER))


def _deselected(ends: int, there: NamespaceState, request: Request) -> Action:
    """The planned action for a secret whose namespace is no longer selected."""
    listed = [there, *(namespace(f"other-{n}") for n in range(SETTINGS.removal_guard_from))]
    found = (
        held(credential(expires_in=ends * MINUTE), namespace=namespace_state.name)
        for namespace_state in listed
    )
    elsewhere = wanted(namespaces=("shopp",))
    [[action], *_] = plan([elsewhere], state(*found, namespaces=listed), request, NOW)
    return action


def secret(
    namespace: str,
    result: Result,
    ends: int | None = None,
    reason: Reason = Reason.FRESH,
    **more: Any,
) -> SecretOutcome:
    """The outcome of a secret that expires that many minutes after NOW."""
    expires_at = None if ends is None else NOW + ends * MINUTE
    return SecretOutcome(
        namespace=namespace,
        secret="acr-pull",
        result=result,
        reason=reason,
        expires_at=expires_at,
        **more,
    )


def healthy(until: int, clusters: int = 3) -> list[Record]:
    """Two hours of runs. Every secret lasts an hour and is renewed when it is due."""
    ends = -60
    found: list[Record] = []
    for minute in range(until - 120, until + 1, PERIOD // MINUTE):
        due = ends - minute <= wanted().expiring_threshold // MINUTE
        ends = minute + 60 if due else ends
        result = Result.RENEWED if due else Result.UNCHANGED
        well = (served(f"c{n}", secret("shop", result, ends)) for n in range(clusters))
        found += run_at(minute, *well)
    return found


def moment(minute: int) -> datetime:
    return NOW + minute * MINUTE
