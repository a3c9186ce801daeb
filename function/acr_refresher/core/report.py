"""The report of a run: its verdict, and its JSON in both directions.

The command line may have another version than the function whose report it reads. So unknown keys
are ignored, missing keys get defaults, and unknown words are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AliasChoices, ConfigDict, Field, PlainSerializer, TypeAdapter, with_config
from pydantic.alias_generators import to_camel

from acr_refresher.core.outcome import ClusterOutcome, Failure, Moment, SecretOutcome
from acr_refresher.core.reasons import FAILING, Result
from acr_refresher.core.request import REQUEST_OPTIONS, Request
from acr_refresher.settings import SETTINGS


@dataclass(frozen=True, slots=True)
class ShardStart:
    """An invocation that serves a number of clusters, under this task ID and the same run."""

    task_id: str
    clusters: int
    started: bool = False  # False also where an earlier attempt or delivery had started it
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class UnsentOutcomes:
    """How many records could not be written to the log of outcomes, and why."""

    records: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class Report:
    """A finished run. `started_at` is the run's `now`.

    `clock_skew` is how far our clock is ahead of the cloud's; None if it is unknown.
    `unsent` are records that could not be written to the log of outcomes.
    `delegated` are the clusters that other invocations serve and report.
    `throttled` counts by service the calls that the cloud throttled. Most were repeated.
    """

    run: str
    request: Request
    started_at: datetime
    clusters: tuple[ClusterOutcome, ...] = field(repr=False)  # asyncio.run computes the repr
    clock_skew: timedelta | None = None
    unsent: UnsentOutcomes | None = None
    delegated: tuple[ShardStart, ...] = field(default=(), repr=False)
    throttled: Mapping[str, int] = field(default_factory=dict)

    @property
    def clock_skew_seconds(self) -> int | None:
        """The clock skew where it needs a warning. The cloud refuses requests 15 minutes off."""
        if self.clock_skew is None or abs(self.clock_skew) <= SETTINGS.clock_tolerance:
            return None
        return round(self.clock_skew.total_seconds())

    @property
    def ok(self) -> bool:
        """Whether every cluster was served or delegated, and nothing needs attention."""
        return not self.failing and not self.not_delegated

    @property
    def failing(self) -> tuple[str, ...]:
        """The clusters that need attention."""
        return tuple(cluster.cluster for cluster in self.clusters if not cluster_ok(cluster))

    @property
    def not_delegated(self) -> tuple[str, ...]:
        """The tasks that could not be started. This run reports their clusters itself."""
        return tuple(shard.task_id for shard in self.delegated if shard.failure)

    @property
    def deferred(self) -> tuple[str, ...]:
        """The clusters left to the next run."""
        return tuple(cluster.cluster for cluster in self.clusters if cluster.deferred)

    @property
    def secrets(self) -> tuple[SecretOutcome, ...]:
        """The outcomes of all secrets in all clusters."""
        return tuple(secret for cluster in self.clusters for secret in cluster.secrets)


def cluster_ok(cluster: ClusterOutcome) -> bool:
    """Whether nothing in a cluster needs attention. While it is fresh, it may be deferred."""
    failing = any(secret.result in FAILING for secret in cluster.secrets)
    overdue = cluster.deferred is not None and not cluster.deferred.fresh
    return cluster.failure is None and not failing and not overdue


def clusters_delegated(report: Report) -> int:
    """How many clusters other invocations serve."""
    return sum(shard.clusters for shard in report.delegated if not shard.failure)


def count_results(secrets: Iterable[SecretOutcome]) -> dict[str, int]:
    """How many secrets have each result."""
    found = Counter(secret.result for secret in secrets)
    return {result.value: count for result, count in found.items()}


def first_expiry(clusters: Iterable[ClusterOutcome]) -> datetime | None:
    """When the first secret of all clusters expires, as far as known."""
    return min(filter(None, map(cluster_expiry, clusters)), default=None)


def cluster_expiry(cluster: ClusterOutcome) -> datetime | None:
    """When a cluster's first secret expires. If no secret was read, the last visit counts.

    A skipped secret does not count: it is deleted with its namespace and needs no renewal.
    """
    if cluster.deferred:
        return cluster.deferred.earliest_expiry
    if cluster.failure:
        return cluster.last_seen_expiry
    lasting = (each.expires_at for each in cluster.secrets if each.result is not Result.SKIPPED)
    return min(filter(None, lasting), default=None)


@with_config(ConfigDict(alias_generator=to_camel, defer_build=True))
@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    """The report as its JSON has it, without the values that are computed from others."""

    run: str
    trigger: str = ""
    reason: str = ""
    force: bool = False
    allow_removal: bool = False
    dry_run: bool = False
    started_at: Moment
    clock_skew: Annotated[
        timedelta | None,
        PlainSerializer(lambda skew: skew and round(skew.total_seconds())),
        Field(alias="clockSkewSeconds"),
    ] = None
    outcomes_unsent: int = 0
    outcomes_failure: Failure | None = None
    delegated: Annotated[
        tuple[ShardStart, ...],
        Field(validation_alias=AliasChoices("delegated", "handedOn")),  # version 0.1.0: handedOn
    ] = ()
    throttled: Mapping[str, int] = field(default_factory=dict)
    clusters: tuple[ClusterOutcome, ...]


_AS_IN_REPORT = ("run", "started_at", "delegated", "throttled", "clusters")
_CODEC = TypeAdapter(_Document)


def report_to_json(report: Report) -> dict[str, Any]:
    """The report for a caller: JSON data with keys in camelCase, without secrets."""
    unsent = report.unsent
    document = _Document(
        **report.request.options,
        **{name: getattr(report, name) for name in _AS_IN_REPORT},
        clock_skew=report.clock_skew if report.clock_skew_seconds else None,
        outcomes_unsent=unsent.records if unsent else 0,
        outcomes_failure=unsent.failure if unsent else None,
    )
    fields = _CODEC.dump_python(document, mode="json", by_alias=True)
    clusters = fields.pop("clusters")
    for outcome, cluster in zip(report.clusters, clusters, strict=True):
        cluster["ok"] = cluster_ok(outcome)
        for secret_outcome, secret in zip(outcome.secrets, cluster["secrets"], strict=True):
            secret["remedy"] = secret_outcome.reason.remedy
    return {
        **fields,
        "ok": report.ok,
        "failing": list(report.failing),
        "deferred": list(report.deferred),
        "results": count_results(report.secrets),
        "clusters": clusters,
    }


def report_from_json(answer: bytes) -> Report:
    """The report in what a function returned. Raises ValueError if it is not a report."""
    found = _CODEC.validate_json(answer)
    failure = found.outcomes_failure
    return Report(
        **{name: getattr(found, name) for name in _AS_IN_REPORT},
        request=Request(**{name: getattr(found, name) for name in REQUEST_OPTIONS}),
        clock_skew=found.clock_skew,
        unsent=UnsentOutcomes(found.outcomes_unsent, failure) if failure else None,
    )
