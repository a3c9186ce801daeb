"""The canonical log lines: one a run, one a cluster, one a secret that changed or should have.

Event names and keys are stable: dashboards and alerts query them. The run's id is bound around all
of them as `run`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import islice

from acr_refresher.core.outcome import (
    ClusterOutcome,
    Deferral,
    Failure,
    HandedOn,
    Result,
    SecretOutcome,
)
from acr_refresher.core.records import counted, failed, milliseconds, throttled
from acr_refresher.core.report import (
    FAILING,
    REMEDIES,
    Report,
    clusters_handed_on,
    expiry_of,
    first_expiry,
    succeeded,
)
from acr_refresher.core.request import Request
from acr_refresher.logs import get_logger

QUIET = frozenset({Result.UNCHANGED, Result.WAITING, Result.SKIPPED, Result.PLANNED})
"""Results that are counted in the cluster's line and have none of their own."""

NAMED_AT_ONCE = 500
"""Records in a line: some 50 kB."""

log = get_logger()


def secret_lines(outcome: ClusterOutcome) -> None:
    """`secret.created`, `.renewed`, `.bound`, `.removed`, `.degraded`, `.conflict`, `.failed`.

    Those of a cluster at one go: between two requests each would cost twice as much CPU.
    """
    of_cluster = log.bind(cluster=outcome.cluster)
    for secret in outcome.secrets:
        if secret.result not in QUIET:
            failing = secret.result in FAILING
            _secret_line(of_cluster.warning if failing else of_cluster.info, secret)


def _secret_line(write: Callable[..., object], outcome: SecretOutcome) -> None:
    write(
        f"secret.{outcome.result.value}",
        namespace=outcome.namespace,
        secret=outcome.secret,
        reason=outcome.reason.value,
        remedy=REMEDIES.get(outcome.reason),
        registry_hosts=outcome.hosts,
        bound=outcome.bound,
        waiting_for=outcome.waiting_for,
        expires_at=outcome.expires_at,
        warnings=outcome.warnings,
        **failed(outcome.failures),
    )


def cluster_line(outcome: ClusterOutcome) -> None:
    """`cluster.served`; `cluster.skipped`, not running; `cluster.failed`, not served at all."""
    write = log.info if succeeded(outcome) else log.warning
    served = "cluster.skipped" if outcome.skipped else "cluster.served"
    write(
        "cluster.failed" if outcome.failure else served,
        cluster=outcome.cluster,
        skipped=outcome.skipped,
        ok=succeeded(outcome),
        warnings=outcome.warnings,
        secrets_with_warnings=sum(bool(secret.warnings) for secret in outcome.secrets),
        earliest_expiry=expiry_of(outcome),
        requests=outcome.requests,
        duration_ms=milliseconds(outcome.duration),
        **counted(outcome.secrets),
        **failed((outcome.failure,) if outcome.failure else ()),
    )


def run_line(report: Report, duration: timedelta, request_id: str) -> None:
    """`run.finished`. The request ID leads to what the platform logs of the invocation."""
    everything = tuple(secret for cluster in report.clusters for secret in cluster.secrets)
    skewed = report.clock_skew_seconds is not None
    write = log.warning if skewed or not report.ok else log.info
    write(
        "run.finished",
        **_asked(report.request),
        ok=report.ok,
        clock_skew_seconds=report.clock_skew_seconds,
        clusters=len(report.clusters),
        clusters_failing=len(report.failing),
        clusters_deferred=len(report.deferred),
        clusters_handed_on=clusters_handed_on(report),
        handed_on=[one.task_id for one in report.handed_on],
        earliest_expiry=first_expiry(report.clusters),
        duration_ms=milliseconds(duration),
        request_id=request_id,
        **throttled(report),
        **counted(everything),
    )


def deferred_line(cluster: str, deferral: Deferral) -> None:
    """`cluster.deferred`: left to the next run."""
    log.warning(
        "cluster.deferred",
        cluster=cluster,
        deferred=deferral.why,
        ok=deferral.fresh,
        earliest_expiry=deferral.earliest_expiry,
    )


def shard_line(handed: HandedOn) -> None:
    """`shard.started`; `shard.known`, started before; `shard.failed`."""
    known = "shard.started" if handed.started else "shard.known"
    write = log.warning if handed.failure else log.info
    write(
        "shard.failed" if handed.failure else known,
        task_id=handed.task_id,
        clusters=handed.clusters,
        **failed((handed.failure,) if handed.failure else ()),
    )


def unsent_lines(names: Iterable[str], failure: Failure) -> None:
    """`outcomes.unsent`: in few words each, what did not get into the log of outcomes."""
    every = iter(names)
    while part := list(islice(every, NAMED_AT_ONCE)):
        log.warning("outcomes.unsent", count=len(part), records=part, **failed((failure,)))


def _asked(request: Request) -> dict[str, object]:
    return {
        "trigger": request.trigger,
        "reason": request.reason,
        "force": request.force,
        "dry_run": request.dry_run,
    }
