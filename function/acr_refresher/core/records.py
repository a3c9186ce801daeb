"""What a run came to as flat records: one for the run, one a cluster, one a secret.

They are for a store that is queried by field. Fields are named as in the log lines, and one without
a value is left out. `kind` is `run`, `cluster` or `secret`; `seconds_left` is from the end of the
run until the expiry, and below `threshold_seconds` a secret is due.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import TypeAlias

from acr_refresher.core.model import AckAccess, Cluster
from acr_refresher.core.outcome import ClusterOutcome, Failure, Result, SecretOutcome
from acr_refresher.core.record import rfc3339
from acr_refresher.core.report import (
    FAILING,
    Report,
    clusters_handed_on,
    counts,
    expiry_of,
    first_expiry,
    succeeded,
)

Record: TypeAlias = Mapping[str, str | int]
Value: TypeAlias = "str | int | bool | tuple[str, ...] | Enum | datetime | None"
Fields: TypeAlias = Mapping[str, Value]

TEXT_LIMIT = 10_000
"""Characters of a value, of which SLS takes a megabyte and indexes two kilobytes."""
MOST_RECORDS = 4096
MOST_BYTES = 2_000_000
"""Of a batch. SLS takes 4096 records and, by its older documents, 3 MB in one call:
https://www.alibabacloud.com/help/en/sls/developer-reference/api-putlogs"""
_OVERHEAD = 16
"""Bytes that a field costs in a batch besides its name and value, at most."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that is over, and when. `clusters` are those known to it, `account` the function's."""

    report: Report
    at: datetime
    clusters: tuple[Cluster, ...] = ()
    account: str = ""


def records(finished: Finished) -> Iterator[Record]:
    """The run's record, its clusters' and then its secrets', so that the gist comes first."""
    report = finished.report
    run: Fields = {
        "run": report.run,
        "trigger": report.request.trigger,
        "run_reason": report.request.reason,
        "force": report.request.force,
        "shard": str(report.request.shard or ""),
    }
    known = {cluster.name: cluster for cluster in finished.clusters}
    clusters = [
        (one, {**run, "cluster": one.cluster, **_place(known.get(one.cluster), finished.account)})
        for one in report.clusters
    ]
    yield _flat({"kind": "run", **run, **_run(finished)})
    for outcome, fields in clusters:
        yield _flat({"kind": "cluster", **fields, **_cluster(outcome, finished.at)})
    for outcome, fields in clusters:
        cluster = known.get(outcome.cluster)
        for secret in outcome.secrets:
            about = {**_configured(cluster, secret.secret), **_secret(secret, finished.at)}
            yield _flat({"kind": "secret", **fields, **about})


def batches(every: Iterable[Record]) -> Iterator[tuple[Record, ...]]:
    """The records in order, in parts that can be written in one call."""
    batch: list[Record] = []
    size = 0
    for record in every:
        weight = _weight(record)
        if batch and (len(batch) == MOST_RECORDS or size + weight > MOST_BYTES):
            yield tuple(batch)
            batch, size = [], 0
        batch.append(record)
        size += weight
    if batch:
        yield tuple(batch)


def counted(secrets: tuple[SecretOutcome, ...]) -> dict[str, int]:
    """How many secrets came out how, in a field for each result."""
    found = counts(secrets)
    return {f"secrets_{result.value}": found.get(result.value, 0) for result in Result}


def throttled(report: Report) -> dict[str, int]:
    """How many calls the cloud refused as too many, in a field for each service."""
    return {f"throttled_{service}": count for service, count in report.throttled.items()}


def failed(failures: tuple[Failure, ...]) -> dict[str, str]:
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


def _run(finished: Finished) -> Fields:
    report = finished.report
    everything = tuple(secret for cluster in report.clusters for secret in cluster.secrets)
    return {
        "result": "served" if report.ok else "attention",
        "clusters": len(report.clusters),
        "clusters_failing": len(report.failing),
        "clusters_deferred": len(report.deferred),
        "clusters_handed_on": clusters_handed_on(report),
        "handed_on": tuple(one.task_id for one in report.handed_on),
        "duration_ms": milliseconds(finished.at - report.started_at),
        **throttled(report),
        **_expiry(first_expiry(report.clusters), finished.at),
        **counted(everything),
    }


def _cluster(outcome: ClusterOutcome, at: datetime) -> Fields:
    return {
        "result": _cluster_result(outcome),
        "requests": outcome.requests,
        "duration_ms": milliseconds(outcome.duration),
        "warnings": outcome.warnings,
        "deferred": outcome.deferred.why if outcome.deferred else "",
        **_expiry(expiry_of(outcome), at),
        **counted(outcome.secrets),
        **failed((outcome.failure,) if outcome.failure else ()),
    }


def _cluster_result(outcome: ClusterOutcome) -> str:
    if outcome.failure:
        return Result.FAILED.value
    if outcome.skipped:
        return Result.SKIPPED.value
    if outcome.deferred:
        return "deferred"
    return "served" if succeeded(outcome) else "attention"


def _secret(outcome: SecretOutcome, at: datetime) -> Fields:
    return {
        "namespace": outcome.namespace,
        "secret": outcome.secret,
        "registry_hosts": outcome.hosts,
        "result": outcome.result,
        "failing": outcome.result in FAILING,
        "reason": outcome.reason,
        "bound": outcome.bound,
        "waiting_for": outcome.waiting_for,
        "warnings": outcome.warnings,
        **_expiry(outcome.expires_at, at),
        **failed(outcome.failures),
    }


def _expiry(expires_at: datetime | None, at: datetime) -> Fields:
    if expires_at is None:
        return {}
    return {"expires_at": expires_at, "seconds_left": (expires_at - at) // timedelta(seconds=1)}


def _place(cluster: Cluster | None, own_account: str) -> Fields:
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


def _flat(fields: Fields) -> Record:
    values = ((name, _value(value)) for name, value in fields.items())
    return {name: value for name, value in values if value != ""}


def _value(value: Value) -> str | int:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, int):
        return value
    if isinstance(value, datetime):
        return rfc3339(value)
    text = ", ".join(value) if isinstance(value, tuple) else value or ""
    if not text.isascii():
        text = text.encode(errors="replace").decode()  # half a surrogate pair fits no store
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"


def _weight(record: Record) -> int:
    return sum(len(name) + len(str(value).encode()) + _OVERHEAD for name, value in record.items())
