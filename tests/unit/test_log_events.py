"""The log lines of outcomes: their levels, and the fields that they share with the records."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from acr_refresher.core.outcome import ClusterOutcome, Failure, SecretOutcome
from acr_refresher.core.outcome_records import FinishedRun, outcome_records
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.report import Report, ShardStart
from acr_refresher.core.request import Request
from acr_refresher.log_events import log_cluster, log_run, log_secrets, log_shard_start
from factories import HOUR, MINUTE, NOW

DENIED = Failure("denied", "the role may not", "registry main", "sts", "NoPermission", "REQ-1")
SECRET = SecretOutcome(
    namespace="shop",
    secret="acr-pull",
    result=Result.INCOMPLETE,
    reason=Reason.NEAR_EXPIRY,
    hosts=("a.example.com",),
    bound=("default",),
    waiting_for=("runner",),
    expires_at=NOW + HOUR,
    failures=(DENIED,),
    warnings=("look here",),
)
CLUSTER = ClusterOutcome(cluster="prod", secrets=(SECRET,), requests=5, duration=MINUTE)
REPORT = Report(
    "run-7",
    Request("manual", force=True, reason="leak"),
    NOW,
    (CLUSTER,),
    delegated=(ShardStart("task-2", 3, started=True),),
    throttled={"cr": 1},
)
ONLY_IN_RECORDS = {
    "run": {"kind", "run", "run_reason", "result", "expires_at", "seconds_left"},
    "cluster": {
        "kind", "run", "run_reason", "trigger", "force", "result", "expires_at", "seconds_left",
    },
    "secret": {
        "kind", "run", "run_reason", "trigger", "force", "result", "failing", "seconds_left",
    },
}  # fmt: skip


def line_of(kind: str) -> dict[str, object]:
    with capture_logs() as lines:
        log_secrets(CLUSTER)
        log_cluster(CLUSTER)
        log_run(REPORT, MINUTE, "REQ-7")
    (line,) = (line for line in lines if str(line["event"]).startswith(kind))
    return dict(line)


@pytest.mark.parametrize("kind", ONLY_IN_RECORDS)
def test_what_stands_in_a_record_stands_in_the_line_under_the_same_name(kind: str) -> None:
    records = outcome_records(FinishedRun(REPORT, NOW + MINUTE))
    (record,) = (record for record in records if record["kind"] == kind)
    assert set(record) - set(line_of(kind)) == ONLY_IN_RECORDS[kind]


def test_a_line_says_what_to_do() -> None:
    blocked = replace(SECRET, result=Result.FAILED, reason=Reason.REMOVAL_BLOCKED)
    with capture_logs() as lines:
        log_secrets(replace(CLUSTER, secrets=(blocked,)))
    assert "--allow-removal" in lines[0]["remedy"]


@pytest.mark.parametrize(
    ("result", "event", "level"),
    [
        (Result.CREATED, "secret.created", "info"),
        (Result.INCOMPLETE, "secret.incomplete", "warning"),
        (Result.CONFLICT, "secret.conflict", "warning"),
        (Result.FAILED, "secret.failed", "warning"),
    ],
)
def test_a_secret_that_needs_attention_is_a_warning(result: Result, event: str, level: str) -> None:
    with capture_logs() as lines:
        log_secrets(replace(CLUSTER, secrets=(replace(SECRET, result=result),)))
    assert [(line["event"], line["log_level"]) for line in lines] == [(event, level)]


@pytest.mark.parametrize(
    "result", [Result.UNCHANGED, Result.WAITING, Result.SKIPPED, Result.PLANNED]
)
def test_a_secret_that_did_not_change_has_no_line(result: Result) -> None:
    with capture_logs() as lines:
        log_secrets(replace(CLUSTER, secrets=(replace(SECRET, result=result),)))
    assert lines == []


@pytest.mark.parametrize(
    ("outcome", "event", "level"),
    [
        (ClusterOutcome(cluster="prod"), "cluster.served", "info"),
        (ClusterOutcome(cluster="prod", skipped="it is stopped"), "cluster.skipped", "info"),
        (CLUSTER, "cluster.served", "warning"),
        (ClusterOutcome(cluster="prod", failure=DENIED), "cluster.failed", "warning"),
    ],
)
def test_a_cluster_has_a_line(outcome: ClusterOutcome, event: str, level: str) -> None:
    with capture_logs() as lines:
        log_cluster(outcome)
    assert [(line["event"], line["log_level"]) for line in lines] == [(event, level)]


@pytest.mark.parametrize(
    ("shard", "event", "level"),
    [
        (ShardStart("task", 2, started=True), "shard.started", "info"),
        (ShardStart("task", 2), "shard.known", "info"),
        (ShardStart("task", 2, failure=DENIED), "shard.failed", "warning"),
    ],
)
def test_a_delegated_shard_has_a_line(shard: ShardStart, event: str, level: str) -> None:
    with capture_logs() as lines:
        log_shard_start(shard)
    assert [(line["event"], line["log_level"]) for line in lines] == [(event, level)]


@pytest.mark.parametrize("allowed", [True, False])
def test_a_run_says_whether_large_removals_were_allowed(allowed: bool) -> None:
    with capture_logs() as lines:
        log_run(replace(REPORT, request=Request("manual", allow_removal=allowed)), MINUTE, "")
    assert lines[0]["allow_removal"] is allowed
