"""The log lines of a run. `core.outcome_records` has the fields that they share with records."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import islice

from acr_refresher.core.outcome import ClusterOutcome, Deferral, Failure
from acr_refresher.core.outcome_records import (
    cluster_fields,
    failure_fields,
    run_fields,
    secret_fields,
)
from acr_refresher.core.reasons import FAILING, Result
from acr_refresher.core.report import Report, ShardStart, cluster_expiry, cluster_ok, first_expiry
from acr_refresher.log import get_logger
from acr_refresher.settings import SETTINGS

QUIET = frozenset({Result.UNCHANGED, Result.WAITING, Result.SKIPPED, Result.PLANNED})
"""Results that are counted in the cluster's line and have no line of their own."""

log = get_logger()


def log_secrets(outcome: ClusterOutcome) -> None:
    """Log `secret.<result>` for each secret that was changed or should have been changed.

    A cluster's lines are written together: between two requests each would cost twice the CPU.
    """
    of_cluster = log.bind(cluster=outcome.cluster)
    for secret in outcome.secrets:
        if secret.result not in QUIET:
            write = of_cluster.warning if secret.result in FAILING else of_cluster.info
            write(
                f"secret.{secret.result.value}",
                namespace=secret.namespace,
                remedy=secret.reason.remedy,
                **secret_fields(secret),
            )


def log_cluster(outcome: ClusterOutcome) -> None:
    """Log `cluster.served`, `cluster.skipped` (it is not running) or `cluster.failed`."""
    served = "cluster.skipped" if outcome.skipped else "cluster.served"
    _log_by(cluster_ok(outcome))(
        "cluster.failed" if outcome.failure else served,
        skipped=outcome.skipped,
        ok=cluster_ok(outcome),
        secrets_with_warnings=sum(bool(secret.warnings) for secret in outcome.secrets),
        earliest_expiry=cluster_expiry(outcome),
        **cluster_fields(outcome),
    )


def log_run(report: Report, duration: timedelta, request_id: str) -> None:
    """Log `run.finished`. The request ID leads to what the platform logs about the invocation."""
    skew = report.clock_skew_seconds
    _log_by(report.ok and skew is None)(
        "run.finished",
        **report.request.options,
        ok=report.ok,
        clock_skew_seconds=skew,
        earliest_expiry=first_expiry(report.clusters),
        request_id=request_id,
        **run_fields(report, duration),
    )


def log_deferred(cluster: str, deferral: Deferral) -> None:
    """Log `cluster.deferred`: the cluster is left to the next run."""
    log.warning(
        "cluster.deferred",
        cluster=cluster,
        deferred=deferral.why,
        ok=deferral.fresh,
        earliest_expiry=deferral.earliest_expiry,
    )


def log_shard_start(shard: ShardStart) -> None:
    """Log `shard.started`, `shard.known` (it was started before) or `shard.failed`."""
    known = "shard.started" if shard.started else "shard.known"
    _log_by(not shard.failure)(
        "shard.failed" if shard.failure else known,
        task_id=shard.task_id,
        clusters=shard.clusters,
        **failure_fields(shard.failure),
    )


def log_unsent(summaries: Iterable[str], failure: Failure) -> None:
    """Log `outcomes.unsent`, with a summary of each record that could not be written."""
    remaining = iter(summaries)
    while part := list(islice(remaining, SETTINGS.unsent_per_line)):
        log.warning("outcomes.unsent", count=len(part), records=part, **failure_fields(failure))


def _log_by(ok: bool) -> Callable[..., object]:  # noqa: FBT001  # the only argument
    return log.info if ok else log.warning
