"""What a run came to as flat records: one for the run, one a cluster, one a secret.

They are for a store that is queried by field. Fields are named as in the log lines, and one without
a value is left out. `kind` is `run`, `cluster` or `secret`; `seconds_left` is from the end of the
run until the expiry, and below `threshold_seconds` a secret is due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import Enum
from itertools import islice
from operator import attrgetter
from typing import TypeAlias

from acr_refresher.core.model import AckAccess, Cluster
from acr_refresher.core.outcome import ClusterOutcome, Deferral, Failure, SecretOutcome, ShardStart
from acr_refresher.core.reasons import FAILING, Result
from acr_refresher.core.report import (
    Report,
    cluster_expiry,
    cluster_ok,
    clusters_delegated,
    count_results,
    first_expiry,
)
from acr_refresher.core.request import Request
from acr_refresher.core.secret import rfc3339
from acr_refresher.log import get_logger
from acr_refresher.settings import SETTINGS

Record: TypeAlias = Mapping[str, str]
Value: TypeAlias = "str | int | bool | tuple[str, ...] | Enum | datetime | None"
Fields: TypeAlias = Mapping[str, Value]

_OVERHEAD = 16
"""Bytes that a field costs in a batch besides its name and value, at most."""

_ALL_BUT_NAMESPACE = attrgetter(*(f.name for f in fields(SecretOutcome) if f.name != "namespace"))


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that is over, and when. `clusters` are those known to it, `account` the function's."""

    report: Report
    at: datetime
    clusters: tuple[Cluster, ...] = ()
    account: str = ""


def outcome_records(finished: FinishedRun) -> Iterator[Record]:
    """The run's record, its clusters' and then its secrets', so that the gist comes first.

    Each is made when it is asked for, and what is alike is made once.
    """
    report = finished.report
    run = _non_empty(
        {
            "run": report.run,
            "trigger": report.request.trigger,
            "run_reason": report.request.reason,
            "force": report.request.force,
            "shard": str(report.request.shard or ""),
        }
    )
    known = {cluster.name: cluster for cluster in finished.clusters}
    yield {"kind": "run", **run, **_non_empty(_run(finished))}
    for outcome in report.clusters:
        place = _account_and_region(known.get(outcome.cluster), finished.account)
        about = {"cluster": outcome.cluster, **place, **_cluster(outcome, finished.at)}
        yield {"kind": "cluster", **run, **_non_empty(about)}
    for outcome in report.clusters:
        cluster = known.get(outcome.cluster)
        where = _non_empty(
            {"cluster": outcome.cluster, **_account_and_region(cluster, finished.account)}
        )
        for record in _secrets(outcome.secrets, cluster, finished.at):
            yield {"kind": "secret", **run, **where, **record}


def record_summaries(report: Report) -> Iterator[str]:
    """What each of `records` is about and how it came out, in few words and in their order.

    `prod/shop/acr-pull created secret-missing 2026-01-31T13:00:00Z`
    """
    yield _summary("run", _run_result(report), first_expiry(report.clusters))
    for cluster in report.clusters:
        yield _summary(cluster.cluster, _cluster_result(cluster), cluster_expiry(cluster))
    for cluster in report.clusters:
        for one in cluster.secrets:
            subject = f"{cluster.cluster}/{one.namespace}/{one.secret}"
            yield _summary(subject, f"{one.result.value} {one.reason.value}", one.expires_at)


def count_records(report: Report) -> int:
    """How many records there are of it."""
    return 1 + len(report.clusters) + sum(len(cluster.secrets) for cluster in report.clusters)


def batches(every: Iterable[Record]) -> Iterator[tuple[Record, ...]]:
    """The records in order, in parts that can be written in one call."""
    batch: list[Record] = []
    size = 0
    for record in every:
        weight = _weight(record)
        if batch and (_is_full(len(batch), size + weight)):
            yield tuple(batch)
            batch, size = [], 0
        batch.append(record)
        size += weight
    if batch:
        yield tuple(batch)


def result_counts(secrets: tuple[SecretOutcome, ...]) -> dict[str, int]:
    """How many secrets came out how, in a field for each result."""
    found = count_results(secrets)
    return {f"secrets_{result.value}": found.get(result.value, 0) for result in Result}


def throttled_counts(report: Report) -> dict[str, int]:
    """How many calls the cloud refused as too many, in a field for each service."""
    return {f"throttled_{service}": count for service, count in report.throttled.items()}


def failure_fields(failures: tuple[Failure, ...]) -> dict[str, str]:
    """The first failure in flat fields; of more, their messages too."""
    if not failures:
        return {}
    first = failures[0]
    return {
        "error": first.meaning,
        "error_code": first.code,
        "error_service": first.service,
        "error_subject": first.subject,
        "request_id": first.request_id,
        "message": "; ".join(failure.message for failure in failures),
    }


def milliseconds(duration: timedelta) -> int:
    """A duration as a whole number."""
    return round(duration / timedelta(milliseconds=1))


def _run(finished: FinishedRun) -> Fields:
    report = finished.report
    everything = tuple(secret for cluster in report.clusters for secret in cluster.secrets)
    return {
        "result": _run_result(report),
        "clusters": len(report.clusters),
        "clusters_failing": len(report.failing),
        "clusters_deferred": len(report.deferred),
        "clusters_delegated": clusters_delegated(report),
        "delegated": tuple(one.task_id for one in report.delegated),
        "duration_ms": milliseconds(finished.at - report.started_at),
        **throttled_counts(report),
        **_expiry(first_expiry(report.clusters), finished.at),
        **result_counts(everything),
    }


def _run_result(report: Report) -> str:
    return "served" if report.ok else "attention"


def _cluster(outcome: ClusterOutcome, at: datetime) -> Fields:
    return {
        "result": _cluster_result(outcome),
        "requests": outcome.requests,
        "duration_ms": milliseconds(outcome.duration),
        "warnings": outcome.warnings,
        "deferred": outcome.deferred.why if outcome.deferred else "",
        **_expiry(cluster_expiry(outcome), at),
        **result_counts(outcome.secrets),
        **failure_fields((outcome.failure,) if outcome.failure else ()),
    }


def _cluster_result(outcome: ClusterOutcome) -> str:
    if outcome.failure:
        return Result.FAILED.value
    if outcome.skipped:
        return Result.SKIPPED.value
    if outcome.deferred:
        return "deferred"
    return "served" if cluster_ok(outcome) else "attention"


def _secrets(
    outcomes: Iterable[SecretOutcome], cluster: Cluster | None, at: datetime
) -> Iterator[Record]:
    """Without what holds for all of the cluster. Few differ by more than the namespace."""
    alike: dict[object, Record] = {}
    for outcome in outcomes:
        known = alike.get(key := _ALL_BUT_NAMESPACE(outcome))
        if known is None:
            about = {**_configured(cluster, outcome.secret), **_secret(outcome, at)}
            known = alike[key] = _non_empty(about)
        yield {"namespace": _value(outcome.namespace), **known}


def _secret(outcome: SecretOutcome, at: datetime) -> Fields:
    return {
        "secret": outcome.secret,
        "registry_hosts": outcome.hosts,
        "result": outcome.result,
        "failing": outcome.result in FAILING,
        "reason": outcome.reason,
        "bound": outcome.bound,
        "waiting_for": outcome.waiting_for,
        "warnings": outcome.warnings,
        **_expiry(outcome.expires_at, at),
        **failure_fields(outcome.failures),
    }


def _expiry(expires_at: datetime | None, at: datetime) -> Fields:
    if expires_at is None:
        return {}
    return {"expires_at": expires_at, "seconds_left": (expires_at - at) // timedelta(seconds=1)}


def _account_and_region(cluster: Cluster | None, own_account: str) -> Fields:
    """The account and region of an ACK cluster; nobody knows those of another."""
    if cluster is None or not isinstance(cluster.access, AckAccess):
        return {}
    chain = cluster.access.role_chain
    account = chain[-1].account_id if chain else own_account
    return {"account": account, "region": cluster.access.region_id}


def _configured(cluster: Cluster | None, secret: str) -> Fields:
    """What the configuration says of a pull secret; nothing of one that it no longer has."""
    for wanted in cluster.pull_secrets if cluster else ():
        if wanted.name == secret:
            return {
                "registries": tuple(registry.name for registry in wanted.registries),
                "threshold_seconds": wanted.expiring_threshold // timedelta(seconds=1),
            }
    return {}


def _non_empty(fields: Fields) -> Record:
    values = ((name, _value(value)) for name, value in fields.items())
    return {name: value for name, value in values if value != ""}


def _value(value: Value) -> str:
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
        text = text.encode(errors="replace").decode()  # half a surrogate pair fits no store
    most = SETTINGS.record_text
    return text if len(text) <= most else text[: most - 1] + "…"


def _is_full(records: int, size: int) -> bool:
    return records == SETTINGS.batch_records or size > SETTINGS.batch_bytes


def _weight(record: Record) -> int:
    return len("".join((*record, *record.values())).encode()) + _OVERHEAD * len(record)


def _summary(subject: str, came_out: str, expires_at: datetime | None) -> str:
    return f"{subject} {came_out} {rfc3339(expires_at)}" if expires_at else f"{subject} {came_out}"


QUIET = frozenset({Result.UNCHANGED, Result.WAITING, Result.SKIPPED, Result.PLANNED})
"""Results that are counted in the cluster's line and have none of their own."""

log = get_logger()


def log_secrets(outcome: ClusterOutcome) -> None:
    """`secret.created`, `.renewed`, `.bound`, `.removed`, `.incomplete`, `.conflict`, `.failed`.

    Those of a cluster at one go: between two requests each would cost twice as much CPU.
    """
    of_cluster = log.bind(cluster=outcome.cluster)
    for secret in outcome.secrets:
        if secret.result not in QUIET:
            failing = secret.result in FAILING
            _log_secret(of_cluster.warning if failing else of_cluster.info, secret)


def _log_secret(write: Callable[..., object], outcome: SecretOutcome) -> None:
    write(
        f"secret.{outcome.result.value}",
        namespace=outcome.namespace,
        secret=outcome.secret,
        reason=outcome.reason.value,
        remedy=outcome.reason.remedy,
        registry_hosts=outcome.hosts,
        bound=outcome.bound,
        waiting_for=outcome.waiting_for,
        expires_at=outcome.expires_at,
        warnings=outcome.warnings,
        **failure_fields(outcome.failures),
    )


def log_cluster(outcome: ClusterOutcome) -> None:
    """`cluster.served`; `cluster.skipped`, not running; `cluster.failed`, not served at all."""
    write = log.info if cluster_ok(outcome) else log.warning
    served = "cluster.skipped" if outcome.skipped else "cluster.served"
    write(
        "cluster.failed" if outcome.failure else served,
        cluster=outcome.cluster,
        skipped=outcome.skipped,
        ok=cluster_ok(outcome),
        warnings=outcome.warnings,
        secrets_with_warnings=sum(bool(secret.warnings) for secret in outcome.secrets),
        earliest_expiry=cluster_expiry(outcome),
        requests=outcome.requests,
        duration_ms=milliseconds(outcome.duration),
        **result_counts(outcome.secrets),
        **failure_fields((outcome.failure,) if outcome.failure else ()),
    )


def log_run(report: Report, duration: timedelta, request_id: str) -> None:
    """`run.finished`. The request ID leads to what the platform logs of the invocation."""
    everything = tuple(secret for cluster in report.clusters for secret in cluster.secrets)
    skewed = report.clock_skew_seconds is not None
    write = log.warning if skewed or not report.ok else log.info
    write(
        "run.finished",
        **_request_fields(report.request),
        ok=report.ok,
        clock_skew_seconds=report.clock_skew_seconds,
        clusters=len(report.clusters),
        clusters_failing=len(report.failing),
        clusters_deferred=len(report.deferred),
        clusters_delegated=clusters_delegated(report),
        delegated=[one.task_id for one in report.delegated],
        earliest_expiry=first_expiry(report.clusters),
        duration_ms=milliseconds(duration),
        request_id=request_id,
        **throttled_counts(report),
        **result_counts(everything),
    )


def log_deferred(cluster: str, deferral: Deferral) -> None:
    """`cluster.deferred`: left to the next run."""
    log.warning(
        "cluster.deferred",
        cluster=cluster,
        deferred=deferral.why,
        ok=deferral.fresh,
        earliest_expiry=deferral.earliest_expiry,
    )


def log_shard_start(handed: ShardStart) -> None:
    """`shard.started`; `shard.known`, started before; `shard.failed`."""
    known = "shard.started" if handed.started else "shard.known"
    write = log.warning if handed.failure else log.info
    write(
        "shard.failed" if handed.failure else known,
        task_id=handed.task_id,
        clusters=handed.clusters,
        **failure_fields((handed.failure,) if handed.failure else ()),
    )


def log_unsent(names: Iterable[str], failure: Failure) -> None:
    """`outcomes.unsent`: in few words each, what did not get into the log of outcomes."""
    every = iter(names)
    while part := list(islice(every, SETTINGS.unsent_per_line)):
        log.warning("outcomes.unsent", count=len(part), records=part, **failure_fields((failure,)))


def _request_fields(request: Request) -> dict[str, object]:
    return {
        "trigger": request.trigger,
        "reason": request.reason,
        "force": request.force,
        "dry_run": request.dry_run,
    }
