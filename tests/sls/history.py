"""Runs that never were, in the records that they would have written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from acr_refresher.core.model import Cluster, KubeconfigAccess
from acr_refresher.core.outcome import ClusterOutcome, Failure, Reason, Result, SecretOutcome
from acr_refresher.core.records import Finished, records
from acr_refresher.core.report import Report
from acr_refresher.core.request import Request
from factories import MINUTE, NOW, wanted

TICK = 5 * MINUTE
TIMER = Request(trigger="timer:every-5-minutes")
BY_HAND = Request(trigger="manual")
UNREACHABLE = Failure("unreachable", "no connection in time", service="kube")
UNMINTED = Failure("denied", "denied", subject="registry main", service="cr")

Record = dict[str, Any]


def run_at(minute: int, *clusters: ClusterOutcome, request: Request = TIMER) -> list[Record]:
    """The records of a run so many minutes after NOW, or before."""
    at = NOW + minute * MINUTE
    known = tuple(Cluster(one.cluster, KubeconfigAccess("x"), (wanted(),)) for one in clusters)
    finished = Finished(Report(f"run{minute}", request, at, clusters), at, known)
    return [{"__time__": int(at.timestamp()), **record} for record in records(finished)]


def runs(minutes: Sequence[int], *clusters: ClusterOutcome) -> list[Record]:
    """Runs that all went alike."""
    return [record for minute in minutes for record in run_at(minute, *clusters)]


def served(name: str, *secrets: SecretOutcome) -> ClusterOutcome:
    return ClusterOutcome(cluster=name, secrets=secrets, duration=timedelta(seconds=1))


def unserved(name: str) -> ClusterOutcome:
    return ClusterOutcome(cluster=name, failure=UNREACHABLE)


def secret(
    namespace: str,
    result: Result,
    ends: int | None = None,
    reason: Reason = Reason.FRESH,
    **more: Any,
) -> SecretOutcome:
    """One that ends so many minutes after NOW."""
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
    """Two hours of ticks in which every secret lasts an hour and is renewed when it is due."""
    ends = -60
    found: list[Record] = []
    for minute in range(until - 120, until + 1, TICK // MINUTE):
        due = ends - minute <= wanted().expiring_threshold // MINUTE
        ends = minute + 60 if due else ends
        result = Result.RENEWED if due else Result.UNCHANGED
        well = (served(f"c{n}", secret("shop", result, ends)) for n in range(clusters))
        found += run_at(minute, *well)
    return found


def moment(minute: int) -> datetime:
    return NOW + minute * MINUTE
