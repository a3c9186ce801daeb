from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from acr_refresher.core.outcome import ClusterOutcome, Deferral, Failure, SecretOutcome
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.report import (
    Report,
    ShardStart,
    cluster_expiry,
    count_results,
    report_to_json,
)
from factories import HOUR, NOW, request

DENIED = Failure("denied", "the role may not", "registry main", "sts", "NoPermission", "REQ-1")


def outcome(result: Result, reason: Reason = Reason.FRESH, **more: object) -> SecretOutcome:
    fields = {"namespace": "default", "secret": "acr-pull", "result": result, "reason": reason}
    return SecretOutcome(**fields, **more)  # type: ignore[arg-type]  # as SecretOutcome takes them


def report(*clusters: ClusterOutcome) -> Report:
    return Report("run-7", request(reason="suspected leak", force=True), NOW, clusters)


@pytest.mark.parametrize(
    ("result", "ok"),
    [
        (Result.CREATED, True),
        (Result.RENEWED, True),
        (Result.BOUND, True),
        (Result.UNCHANGED, True),
        (Result.WAITING, True),
        (Result.REMOVED, True),
        (Result.SKIPPED, True),
        (Result.PLANNED, True),
        (Result.INCOMPLETE, False),
        (Result.CONFLICT, False),
        (Result.FAILED, False),
    ],
)
def test_a_run_is_ok_unless_something_needs_attention(result: Result, ok: bool) -> None:
    cluster = ClusterOutcome(cluster="a", secrets=(outcome(result),))
    assert report(cluster).ok is ok
    assert report(cluster).failing == (() if ok else ("a",))


def test_a_cluster_that_could_not_be_served_fails_the_run() -> None:
    well = ClusterOutcome(cluster="a")
    ill = ClusterOutcome(cluster="b", failure=DENIED)
    assert report(well).ok
    assert report(well, ill).failing == ("b",)


@pytest.mark.parametrize(("minutes", "seconds"), [(-9, -540), (0, None), (9, 540)])
def test_a_clock_that_is_far_off_is_reported(minutes: int, seconds: int | None) -> None:
    skewed = replace(report(), clock_skew=timedelta(minutes=minutes))
    assert skewed.clock_skew_seconds == seconds
    assert report_to_json(skewed)["clockSkewSeconds"] == seconds
    assert report().clock_skew_seconds is None


def test_secrets_are_counted_by_result_and_the_earliest_expiry_found() -> None:
    secrets = (
        outcome(Result.RENEWED, expires_at=NOW + 2 * HOUR),
        outcome(Result.RENEWED, expires_at=NOW + HOUR),
        outcome(Result.SKIPPED),
    )
    assert count_results(secrets) == {"renewed": 2, "skipped": 1}
    assert cluster_expiry(ClusterOutcome(cluster="a", secrets=secrets)) == NOW + HOUR
    assert cluster_expiry(ClusterOutcome(cluster="a")) is None


def test_the_report_is_plain_json_with_remedies() -> None:
    secrets = (
        outcome(Result.CONFLICT, Reason.FOREIGN_SECRET),
        outcome(Result.RENEWED, Reason.FORCED, hosts=("h",), expires_at=NOW + HOUR),
        outcome(Result.INCOMPLETE, Reason.NEAR_EXPIRY, failures=(DENIED,)),
    )
    cluster = ClusterOutcome(cluster="a", secrets=secrets)
    unserved = ClusterOutcome(cluster="b", failure=DENIED)
    document = json.loads(
        json.dumps(report_to_json(replace(report(cluster, unserved), throttled={"cr": 2})))
    )
    assert document["reason"] == "suspected leak"
    assert document["throttled"] == {"cr": 2}
    assert document["results"] == {"conflict": 1, "renewed": 1, "incomplete": 1}
    conflict, renewed, incomplete = document["clusters"][0]["secrets"]
    assert "delete it, exclude the namespace" in conflict["remedy"]
    assert renewed["expiresAt"] == "2026-01-31T13:00:00Z"
    assert incomplete["failures"][0]["requestId"] == "REQ-1"
    assert document["clusters"][1]["failure"]["meaning"] == "denied"


def test_the_report_says_whether_the_run_and_each_cluster_are_ok() -> None:
    fine = ClusterOutcome(cluster="a", secrets=(outcome(Result.RENEWED),))
    document = report_to_json(report(fine, ClusterOutcome(cluster="b", failure=DENIED)))
    assert document["ok"] is False
    assert [cluster["ok"] for cluster in document["clusters"]] == [True, False]
    assert document["failing"] == ["b"]
    assert report_to_json(report(fine))["ok"] is True


def test_a_run_that_stored_all_its_outcomes_has_none_unsent() -> None:
    assert report_to_json(report())["outcomesUnsent"] == 0


def test_delegated_clusters_are_ok_unless_their_shard_failed_to_start() -> None:
    there = ShardStart("task-1", 2, started=True)
    known = ShardStart("task-2", 1)
    failed = ShardStart("task-3", 1, failure=DENIED)
    assert Report("run-7", request(), NOW, (), delegated=(there, known)).ok
    finished = Report("run-7", request(), NOW, (), delegated=(there, failed))
    assert not finished.ok
    assert finished.not_delegated == ("task-3",)
    assert [
        (shard["taskId"], shard["clusters"], shard["started"], shard["failure"] is None)
        for shard in report_to_json(finished)["delegated"]
    ] == [("task-1", 2, True, True), ("task-3", 1, False, False)]


def test_a_deferred_cluster_that_was_never_seen_has_no_expiry() -> None:
    deferred = report(ClusterOutcome(cluster="a", deferred=Deferral("no time", fresh=False)))
    assert report_to_json(deferred)["clusters"][0]["deferred"]["earliestExpiry"] is None


@pytest.mark.parametrize("fresh", [True, False])
def test_a_deferred_cluster_needs_attention_unless_it_is_fresh(fresh: bool) -> None:
    deferred = ClusterOutcome(cluster="a", deferred=Deferral("no time", fresh, NOW + HOUR))
    finished = report(deferred)
    assert finished.ok is fresh
    assert report_to_json(finished)["deferred"] == ["a"]
    assert report_to_json(finished)["clusters"][0]["deferred"] == {
        "why": "no time",
        "fresh": fresh,
        "earliestExpiry": "2026-01-31T13:00:00Z",
    }
