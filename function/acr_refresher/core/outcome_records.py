"""The outcomes of a run as flat fields, and as records for Simple Log Service (SLS).

`run_fields`, `cluster_fields` and `secret_fields` are the table of the fields that records and log
lines (`log_events`) share. A field without a value is left out of both.

A record's `kind` is `run`, `cluster` or `secret`. Its `seconds_left` counts from the end of the run
until the expiry; a secret with fewer than `threshold_seconds` is due.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import Enum
from operator import attrgetter
from typing import TypeAlias

from acr_refresher.core.model import AckAccess, Cluster
from acr_refresher.core.outcome import ClusterOutcome, Failure, SecretOutcome, milliseconds
from acr_refresher.core.reasons import FAILING, Result
from acr_refresher.core.report import (
    Report,
    cluster_expiry,
    cluster_ok,
    clusters_delegated,
    count_results,
    first_expiry,
)
from acr_refresher.core.secret import rfc3339
from acr_refresher.settings import SETTINGS

Record: TypeAlias = Mapping[str, str]
Value: TypeAlias = "str | int | bool | tuple[str, ...] | Enum | datetime | None"
Fields: TypeAlias = Mapping[str, Value]

_OVERHEAD = 16  # the maximum bytes that a field adds to a batch besides its name and value
_ALL_BUT_NAMESPACE = attrgetter(*(f.name for f in fields(SecretOutcome) if f.name != "namespace"))


# ---- the table of fields -------------------------------------------------------------------------


def run_fields(report: Report, duration: timedelta) -> Fields:
    """What a run did in all its clusters."""
    return {
        "clusters": len(report.clusters),
        "clusters_failing": len(report.failing),
        "clusters_deferred": len(report.deferred),
        "clusters_delegated": clusters_delegated(report),
        "delegated": tuple(shard.task_id for shard in report.delegated),
        "duration_ms": milliseconds(duration),
        **{f"throttled_{service}": count for service, count in report.throttled.items()},
        **_result_counts(report.secrets),
    }


def cluster_fields(outcome: ClusterOutcome) -> Fields:
    """What a run did in a cluster."""
    return {
        "cluster": outcome.cluster,
        "requests": outcome.requests,
        "duration_ms": milliseconds(outcome.duration),
        "warnings": outcome.warnings,
        **_result_counts(outcome.secrets),
        **failure_fields(outcome.failure),
    }


def secret_fields(outcome: SecretOutcome) -> Fields:
    """What a run did with a secret, without its cluster and namespace."""
    return {
        "secret": outcome.secret,
        "registry_hosts": outcome.hosts,
        "reason": outcome.reason,
        "bound": outcome.bound,
        "waiting_for": outcome.waiting_for,
        "warnings": outcome.warnings,
        "expires_at": outcome.expires_at,
        **failure_fields(*outcome.failures),
    }


def failure_fields(*failures: Failure | None) -> Fields:
    """The fields of the first failure, with the messages of all failures."""
    first = failures[0] if failures else None
    if first is None:
        return {}
    return {
        "error": first.meaning,
        "error_code": first.code,
        "error_service": first.service,
        "error_subject": first.subject,
        "request_id": first.request_id,
        "message": "; ".join(failure.message for failure in failures if failure),
    }


def _result_counts(secrets: Iterable[SecretOutcome]) -> dict[str, int]:
    """The number of secrets with each result, in a field per result."""
    found = count_results(secrets)
    return {f"secrets_{result.value}": found.get(result.value, 0) for result in Result}


# ---- records -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run, and when it ended. `clusters` are those it knew, `account` is the function's own."""

    report: Report
    at: datetime
    clusters: tuple[Cluster, ...] = ()
    account: str = ""


def outcome_records(finished: FinishedRun) -> Iterator[Record]:
    """The record of the run, then those of its clusters, then those of its secrets.

    The records are made one by one, so that a large run needs little memory.
    """
    report, at, request = finished.report, finished.at, finished.report.request
    of_run: Fields = {"run": report.run, "trigger": request.trigger, "run_reason": request.reason}
    run = _non_empty({**of_run, "force": request.force, "shard": str(request.shard or "")})
    summary = {
        "result": _run_result(report),
        **run_fields(report, at - report.started_at),
        **_expiry(first_expiry(report.clusters), at),
    }
    yield {"kind": "run", **run, **_non_empty(summary)}
    known = {cluster.name: cluster for cluster in finished.clusters}
    found = [(outcome, known.get(outcome.cluster)) for outcome in report.clusters]
    for outcome, cluster in found:
        about = {
            **_account_and_region(cluster, finished.account),
            "result": _cluster_result(outcome),
            "deferred": outcome.deferred.why if outcome.deferred else "",
            **cluster_fields(outcome),
            **_expiry(cluster_expiry(outcome), at),
        }
        yield {"kind": "cluster", **run, **_non_empty(about)}
    for outcome, cluster in found:
        place = _account_and_region(cluster, finished.account)
        where = _non_empty({"cluster": outcome.cluster, **place})
        for record in _secret_records(outcome.secrets, cluster, at):
            yield {"kind": "secret", **run, **where, **record}


def record_summaries(report: Report) -> Iterator[str]:
    """A summary of each record: `prod/shop/acr-pull renewed near-expiry 2026-01-31T13:00:00Z`."""
    yield _summary("run", _run_result(report), first_expiry(report.clusters))
    for cluster in report.clusters:
        yield _summary(cluster.cluster, _cluster_result(cluster), cluster_expiry(cluster))
    for cluster in report.clusters:
        for secret in cluster.secrets:
            subject = f"{cluster.cluster}/{secret.namespace}/{secret.secret}"
            result = f"{secret.result.value} {secret.reason.value}"
            yield _summary(subject, result, secret.expires_at)


def count_records(report: Report) -> int:
    """The number of the run's records."""
    return 1 + len(report.clusters) + len(report.secrets)


def batches(records: Iterable[Record]) -> Iterator[tuple[Record, ...]]:
    """The records in order, in parts that can be written in one call."""
    batch: list[Record] = []
    size = 0
    for record in records:
        weight = _weight(record)
        if batch and (len(batch) == SETTINGS.batch_records or size + weight > SETTINGS.batch_bytes):
            yield tuple(batch)
            batch, size = [], 0
        batch.append(record)
        size += weight
    if batch:
        yield tuple(batch)


def _run_result(report: Report) -> str:
    return "served" if report.ok else "attention"


def _cluster_result(outcome: ClusterOutcome) -> str:
    if outcome.failure:
        return "failed"
    if outcome.skipped:
        return "skipped"
    if outcome.deferred:
        return "deferred"
    return "served" if cluster_ok(outcome) else "attention"


def _secret_records(
    outcomes: Iterable[SecretOutcome], cluster: Cluster | None, at: datetime
) -> Iterator[Record]:
    """The fields that differ within a cluster. Most outcomes differ by their namespace only."""
    made: dict[object, Record] = {}
    for outcome in outcomes:
        known = made.get(key := _ALL_BUT_NAMESPACE(outcome))
        if known is None:
            about = {
                **_configured(cluster, outcome.secret),
                "result": outcome.result,
                "failing": outcome.result in FAILING,
                **secret_fields(outcome),
                **_expiry(outcome.expires_at, at),
            }
            known = made[key] = _non_empty(about)
        yield {"namespace": _text(outcome.namespace), **known}


def _expiry(expires_at: datetime | None, at: datetime) -> Fields:
    if expires_at is None:
        return {}
    return {"expires_at": expires_at, "seconds_left": (expires_at - at) // timedelta(seconds=1)}


def _account_and_region(cluster: Cluster | None, own_account: str) -> Fields:
    """The account and region of an ACK cluster. Those of other clusters are unknown."""
    if cluster is None or not isinstance(cluster.access, AckAccess):
        return {}
    chain = cluster.access.role_chain
    account = chain[-1].account_id if chain else own_account
    return {"account": account, "region": cluster.access.region_id}


def _configured(cluster: Cluster | None, secret: str) -> Fields:
    """The configuration of a pull secret, if it is still configured."""
    for wanted in cluster.pull_secrets if cluster else ():
        if wanted.name == secret:
            return {
                "registries": tuple(registry.name for registry in wanted.registries),
                "threshold_seconds": wanted.expiring_threshold // timedelta(seconds=1),
            }
    return {}


def _non_empty(fields: Fields) -> Record:
    values = ((name, _text(value)) for name, value in fields.items())
    return {name: value for name, value in values if value != ""}


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return rfc3339(value)
    text = ", ".join(value) if isinstance(value, tuple) else value or ""
    if not text.isascii():
        text = text.encode(errors="replace").decode()  # UTF-8 cannot encode half a surrogate pair
    return text if len(text) <= SETTINGS.record_text else text[: SETTINGS.record_text - 1] + "…"


def _weight(record: Record) -> int:
    return len("".join((*record, *record.values())).encode()) + _OVERHEAD * len(record)


def _summary(subject: str, result: str, expires_at: datetime | None) -> str:
    return f"{subject} {result} {rfc3339(expires_at)}" if expires_at else f"{subject} {result}"
