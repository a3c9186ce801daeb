"""What a run came to: the verdict, and the report as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from acr_refresher.core.outcome import (
    ClusterOutcome,
    Deferral,
    Failure,
    SecretOutcome,
    ShardStart,
    UnsentOutcomes,
)
from acr_refresher.core.reasons import FAILING, REMEDIES, Result
from acr_refresher.core.request import Request
from acr_refresher.core.secret import rfc3339

CLOCK_TOLERANCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Report:
    """A finished run. `started_at` is the run's `now`.

    `clock_skew` is how far the clock here is ahead of the cloud's; None where nothing told.
    `unsent` are records that did not get into the log of outcomes, where there is one.
    `delegated` are clusters that other invocations serve and report.
    `throttled` is how many calls the cloud refused as too many, by service; most were made again.
    """

    run: str
    request: Request
    started_at: datetime
    clusters: tuple[ClusterOutcome, ...] = field(repr=False)  # long, and asyncio.run asks for it
    clock_skew: timedelta | None = None
    unsent: UnsentOutcomes | None = None
    delegated: tuple[ShardStart, ...] = field(default=(), repr=False)
    throttled: Mapping[str, int] = field(default_factory=dict)

    @property
    def clock_skew_seconds(self) -> int | None:
        """Where it is worth a warning: the cloud refuses requests a quarter of an hour off."""
        if self.clock_skew is None or abs(self.clock_skew) <= CLOCK_TOLERANCE:
            return None
        return round(self.clock_skew.total_seconds())

    @property
    def ok(self) -> bool:
        """Whether every cluster was served or handed on, and nothing needs attention."""
        return not self.failing and not self.not_delegated

    @property
    def failing(self) -> tuple[str, ...]:
        """The clusters that need attention."""
        return tuple(one.cluster for one in self.clusters if not cluster_ok(one))

    @property
    def not_delegated(self) -> tuple[str, ...]:
        """The tasks that could not be started; their clusters are among those of this run."""
        return tuple(one.task_id for one in self.delegated if one.failure)

    @property
    def deferred(self) -> tuple[str, ...]:
        """The clusters left to the next run."""
        return tuple(one.cluster for one in self.clusters if one.deferred)


def cluster_ok(cluster: ClusterOutcome) -> bool:
    """Whether a cluster was served with nothing that needs attention, or can do without for now."""
    failing = any(secret.result in FAILING for secret in cluster.secrets)
    overdue = cluster.deferred is not None and not cluster.deferred.fresh
    return cluster.failure is None and not failing and not overdue


def clusters_delegated(report: Report) -> int:
    """How many clusters other invocations serve."""
    return sum(one.clusters for one in report.delegated if not one.failure)


def count_results(secrets: tuple[SecretOutcome, ...]) -> dict[str, int]:
    """How many secrets came out how."""
    found = Counter(secret.result for secret in secrets)
    return {result.value: count for result, count in found.items()}


def earliest_expiry(secrets: tuple[SecretOutcome, ...]) -> datetime | None:
    """When the first of the secrets expires, as far as known.

    One in a namespace that is being deleted goes with it: nothing is to be renewed there.
    """
    lasting = (one.expires_at for one in secrets if one.result is not Result.SKIPPED)
    return min(filter(None, lasting), default=None)


def first_expiry(clusters: Iterable[ClusterOutcome]) -> datetime | None:
    """When the first secret of all clusters expires, as far as known."""
    return min(filter(None, map(cluster_expiry, clusters)), default=None)


def cluster_expiry(cluster: ClusterOutcome) -> datetime | None:
    """When a cluster's first secret expires; where none was seen, by the visit before, if any."""
    if cluster.deferred:
        return cluster.deferred.earliest_expiry
    return cluster.last_seen_expiry if cluster.failure else earliest_expiry(cluster.secrets)


def report_to_json(report: Report) -> dict[str, Any]:
    """The report for a caller: JSON-able, keys in camelCase like the events', nothing secret."""
    everything = tuple(secret for cluster in report.clusters for secret in cluster.secrets)
    unsent = report.unsent
    return {
        "run": report.run,
        "trigger": report.request.trigger,
        "reason": report.request.reason,
        "force": report.request.force,
        "dryRun": report.request.dry_run,
        "startedAt": rfc3339(report.started_at),
        "clockSkewSeconds": report.clock_skew_seconds,
        "ok": report.ok,
        "failing": list(report.failing),
        "results": count_results(everything),
        "outcomesUnsent": unsent.records if unsent else 0,
        "outcomesFailure": _failure_to_json(unsent.failure) if unsent else None,
        "deferred": list(report.deferred),
        "delegated": [_shard_start_to_json(one) for one in report.delegated],
        "throttled": dict(report.throttled),
        "clusters": [_cluster_to_json(cluster) for cluster in report.clusters],
    }


def _cluster_to_json(cluster: ClusterOutcome) -> dict[str, Any]:
    return {
        "cluster": cluster.cluster,
        "ok": cluster_ok(cluster),
        "failure": _failure_to_json(cluster.failure) if cluster.failure else None,
        "skipped": cluster.skipped,
        "deferred": _deferral_to_json(cluster.deferred) if cluster.deferred else None,
        "warnings": list(cluster.warnings),
        "requests": cluster.requests,
        "durationMs": round(cluster.duration.total_seconds() * 1000),
        "secrets": [_secret_to_json(secret) for secret in cluster.secrets],
    }


def _deferral_to_json(deferral: Deferral) -> dict[str, Any]:
    ends = deferral.earliest_expiry
    return {
        "why": deferral.why,
        "fresh": deferral.fresh,
        "earliestExpiry": rfc3339(ends) if ends else None,
    }


def _shard_start_to_json(handed: ShardStart) -> dict[str, Any]:
    return {
        "taskId": handed.task_id,
        "clusters": handed.clusters,
        "started": handed.started,
        "failure": _failure_to_json(handed.failure) if handed.failure else None,
    }


def _secret_to_json(secret: SecretOutcome) -> dict[str, Any]:
    return {
        "namespace": secret.namespace,
        "secret": secret.secret,
        "result": secret.result.value,
        "reason": secret.reason.value,
        "remedy": REMEDIES.get(secret.reason, ""),
        "registryHosts": list(secret.hosts),
        "serviceAccounts": list(secret.service_accounts),
        "bound": list(secret.bound),
        "waitingFor": list(secret.waiting_for),
        "expiresAt": rfc3339(secret.expires_at) if secret.expires_at else None,
        "failures": [_failure_to_json(failure) for failure in secret.failures],
        "warnings": list(secret.warnings),
    }


def _failure_to_json(failure: Failure) -> dict[str, str]:
    fields: dict[str, str] = asdict(failure)
    fields["requestId"] = fields.pop("request_id")
    return fields
