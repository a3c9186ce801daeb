"""The canonical log lines: one a run, one a cluster, one a secret that changed or should have.

Event names and keys are stable: dashboards and alerts query them. The run's id is bound around all
of them as `run`.
"""

from __future__ import annotations

from datetime import timedelta

from acr_refresher.core.model import Request
from acr_refresher.core.outcome import ClusterOutcome, Failure, Result, SecretOutcome
from acr_refresher.core.report import (
    FAILING,
    REMEDIES,
    Report,
    counts,
    earliest_expiry,
    succeeded,
)
from acr_refresher.logs import get_logger

QUIET = frozenset({Result.UNCHANGED, Result.WAITING, Result.SKIPPED, Result.PLANNED})
"""Results that are counted in the cluster's line and have none of their own."""

log = get_logger()


def secret_line(cluster: str, secret: str, outcome: SecretOutcome) -> None:
    """`secret.created`, `.renewed`, `.bound`, `.removed`, `.degraded`, `.conflict`, `.failed`."""
    if outcome.result in QUIET:
        return
    write = log.warning if outcome.result in FAILING else log.info
    write(
        f"secret.{outcome.result.value}",
        cluster=cluster,
        namespace=outcome.namespace,
        secret=secret,
        reason=outcome.reason.value,
        remedy=REMEDIES.get(outcome.reason),
        registry_hosts=outcome.hosts,
        bound=outcome.bound,
        waiting_for=outcome.waiting_for,
        expires_at=outcome.expires_at,
        **_flat(outcome.failures),
    )


def cluster_line(outcome: ClusterOutcome) -> None:
    """`cluster.served`, or `cluster.failed` where it could not be served at all."""
    write = log.info if succeeded(outcome) else log.warning
    write(
        "cluster.failed" if outcome.failure else "cluster.served",
        cluster=outcome.cluster,
        secret=outcome.secret,
        ok=succeeded(outcome),
        earliest_expiry=earliest_expiry(outcome.secrets),
        requests=outcome.requests,
        duration_ms=_milliseconds(outcome.duration),
        **_counted(outcome.secrets),
        **_flat((outcome.failure,) if outcome.failure else ()),
    )


def run_line(report: Report, duration: timedelta) -> None:
    """`run.finished`."""
    everything = tuple(secret for cluster in report.clusters for secret in cluster.secrets)
    write = log.info if report.ok else log.warning
    write(
        "run.finished",
        **_asked(report.request),
        ok=report.ok,
        clusters=len(report.clusters),
        clusters_failing=len(report.failing),
        earliest_expiry=earliest_expiry(everything),
        duration_ms=_milliseconds(duration),
        **_counted(everything),
    )


def _asked(request: Request) -> dict[str, object]:
    return {
        "trigger": request.trigger,
        "reason": request.reason,
        "force": request.force,
        "dry_run": request.dry_run,
    }


def _counted(secrets: tuple[SecretOutcome, ...]) -> dict[str, int]:
    found = counts(secrets)
    return {f"secrets_{result.value}": found.get(result.value, 0) for result in Result}


def _flat(failures: tuple[Failure, ...]) -> dict[str, str]:
    """The first failure in flat keys; of more, their messages too."""
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


def _milliseconds(duration: timedelta) -> int:
    return round(duration / timedelta(milliseconds=1))
