"""The records that a finished run leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from acr_refresher.core.model import AckAccess, Cluster, KubeconfigAccess, Role
from acr_refresher.core.outcome import ClusterOutcome, Deferral, Failure, SecretOutcome
from acr_refresher.core.outcome_records import (
    FinishedRun,
    Record,
    batches,
    count_records,
    outcome_records,
    record_summaries,
)
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.report import Report, ShardStart
from acr_refresher.core.request import Request, Shard
from acr_refresher.settings import SETTINGS
from factories import HOUR, MAIN, MINUTE, NOW, PARTNER, wanted

DENIED = Failure("denied", "the role may not", "registry main", "sts", "NoPermission", "REQ-1")
GONE = Failure("gone", "no such instance")
CREATED = SecretOutcome(
    namespace="shop",
    secret="acr-pull",
    result=Result.CREATED,
    reason=Reason.SECRET_MISSING,
    hosts=("a.example.com", "b.example.com"),
    bound=("default",),
    waiting_for=("runner",),
    expires_at=NOW + HOUR,
    warnings=("look here",),
)
REQUEST = Request(trigger="timer:t", reason="nightly", force=True)


def finished(
    *outcomes: ClusterOutcome, clusters: tuple[Cluster, ...] = (), request: Request = REQUEST
) -> FinishedRun:
    """A run of a minute in account 7."""
    return FinishedRun(Report("run-7", request, NOW, outcomes), NOW + MINUTE, clusters, "7")


def of_kind(kind: str, run: FinishedRun) -> list[Record]:
    return [record for record in outcome_records(run) if record["kind"] == kind]


def served(*secrets: SecretOutcome, **more: Any) -> ClusterOutcome:
    return ClusterOutcome(cluster="prod", secrets=secrets, requests=5, duration=MINUTE / 2, **more)


def ack(*roles: str) -> Cluster:
    chain = tuple(Role(f"acs:ram::{account}:role/r") for account in roles)
    return Cluster("prod", AckAccess("c1", "cn-hangzhou", chain), (wanted(MAIN, PARTNER),))


def test_a_secrets_record_has_all_known_fields() -> None:
    [record] = of_kind("secret", finished(served(CREATED), clusters=(ack("1", "2"),)))
    assert record == {
        "kind": "secret",
        "run": "run-7",
        "trigger": "timer:t",
        "run_reason": "nightly",
        "force": "true",
        "cluster": "prod",
        "account": "2",
        "region": "cn-hangzhou",
        "registries": "main, partner",
        "threshold_seconds": "900",
        "namespace": "shop",
        "secret": "acr-pull",
        "registry_hosts": "a.example.com, b.example.com",
        "result": "created",
        "failing": "false",
        "reason": "secret-missing",
        "bound": "default",
        "waiting_for": "runner",
        "warnings": "look here",
        "expires_at": "2026-01-31T13:00:00Z",
        "seconds_left": "3540",
    }


def test_a_failure_has_its_own_fields() -> None:
    incomplete = replace(CREATED, result=Result.INCOMPLETE, failures=(DENIED, GONE))
    [record] = of_kind("secret", finished(served(incomplete)))
    assert record["failing"] == "true"
    assert record["error"] == "denied"
    assert record["error_code"] == "NoPermission"
    assert record["error_service"] == "sts"
    assert record["error_subject"] == "registry main"
    assert record["request_id"] == "REQ-1"
    assert record["message"] == "the role may not; no such instance"


def test_unknown_values_are_left_out() -> None:
    bare = SecretOutcome(
        namespace="n", secret="s", result=Result.SKIPPED, reason=Reason.NAMESPACE_GONE
    )
    [record] = of_kind("secret", finished(served(bare), request=Request(trigger="manual")))
    assert set(record) == {
        "kind", "run", "trigger", "force", "cluster",
        "namespace", "secret", "result", "failing", "reason",
    }  # fmt: skip


PLACES = {
    "another account": (ack("1", "2"), ("2", "cn-hangzhou")),
    "the last of several roles": (ack("1", "2", "3"), ("3", "cn-hangzhou")),
    "the function's own account": (ack(), ("7", "cn-hangzhou")),
    "outside ACK": (Cluster("prod", KubeconfigAccess("x"), (wanted(),)), (None, None)),
    "a cluster that is no longer known": (Cluster("b", KubeconfigAccess("x"), ()), (None, None)),
}


@pytest.mark.parametrize(("cluster", "place"), PLACES.values(), ids=PLACES)
def test_a_record_has_the_account_and_region_of_an_ack_cluster(
    cluster: Cluster, place: tuple[str | None, str | None]
) -> None:
    [record] = of_kind("cluster", finished(served(), clusters=(cluster,)))
    assert (record.get("account"), record.get("region")) == place


def test_a_pull_secret_that_is_no_longer_configured_has_no_registries() -> None:
    left = replace(CREATED, secret="former")
    [record] = of_kind("secret", finished(served(left), clusters=(ack(),)))
    assert "registries" not in record


RESULTS = {
    "served": (served(CREATED), "served"),
    "attention": (served(replace(CREATED, result=Result.CONFLICT)), "attention"),
    "skipped": (served(skipped="it is being deleted"), "skipped"),
    "failed": (served(failure=DENIED), "failed"),
}


@pytest.mark.parametrize(("outcome", "result"), RESULTS.values(), ids=RESULTS)
def test_a_clusters_record_has_its_result(outcome: ClusterOutcome, result: str) -> None:
    [record] = of_kind("cluster", finished(outcome))
    assert record["result"] == result
    assert (record["requests"], record["duration_ms"]) == ("5", "30000")
    assert record.get("error") == ("denied" if result == "failed" else None)


def test_a_clusters_record_has_its_warnings() -> None:
    [record] = of_kind("cluster", finished(served(warnings=("look here",))))
    assert record["warnings"] == "look here"


def test_the_runs_record_summarises_its_clusters_and_comes_first() -> None:
    late = replace(CREATED, namespace="web", result=Result.RENEWED, expires_at=NOW + HOUR / 2)
    every = list(outcome_records(finished(served(CREATED, late), served(failure=DENIED))))
    assert [record["kind"] for record in every] == ["run", "cluster", "cluster", "secret", "secret"]
    run = every[0]
    assert (run["result"], run["clusters"], run["clusters_failing"]) == ("attention", "2", "1")
    assert (run["secrets_created"], run["secrets_renewed"], run["secrets_failed"]) == (
        "1",
        "1",
        "0",
    )
    assert (run["duration_ms"], run["seconds_left"]) == ("60000", "1740")
    assert of_kind("run", finished(served(CREATED)))[0]["result"] == "served"


def test_deferred_and_delegated_clusters_are_recorded() -> None:
    late = ClusterOutcome(cluster="prod", deferred=Deferral("no time", earliest_expiry=NOW + HOUR))
    handed = (
        ShardStart("task-1", 2, started=True),
        ShardStart("task-2", 1, failure=DENIED),
    )
    shard = Shard("run-7", "t", frozenset(), number=2, of=5)
    report = Report("run-7", replace(REQUEST, shard=shard), NOW, (late,), delegated=handed)
    run, cluster = outcome_records(FinishedRun(report, NOW + MINUTE))
    assert (run["result"], run["clusters_deferred"], run["clusters_delegated"]) == (
        "attention",
        "1",
        "2",
    )
    assert run["delegated"] == "task-1, task-2"
    assert run["shard"] == cluster["shard"] == "2/5"
    assert (cluster["result"], cluster["deferred"]) == ("deferred", "no time")
    assert cluster["seconds_left"] == "3540"


def test_a_runs_record_counts_throttled_calls_per_service() -> None:
    run = finished(served(CREATED))
    run = replace(run, report=replace(run.report, throttled={"sts": 0, "cs": 3}))
    [record] = of_kind("run", run)
    assert (record["throttled_sts"], record["throttled_cs"]) == ("0", "3")


def test_an_expired_secret_has_negative_seconds_left() -> None:
    [record] = of_kind("secret", finished(served(replace(CREATED, expires_at=NOW))))
    assert record["seconds_left"] == "-60"


def test_secrets_with_the_same_outcome_differ_by_namespace_only() -> None:
    other = replace(CREATED, namespace="web")
    failing = replace(CREATED, namespace="api", result=Result.FAILED, failures=(GONE,))
    first, second, third = of_kind("secret", finished(served(CREATED, other, failing)))
    assert second == {**first, "namespace": "web"}
    assert (third["namespace"], third["message"]) == ("api", "no such instance")


def test_records_are_made_one_by_one() -> None:
    unmakeable: Any = (404,)
    wrong = replace(CREATED, namespace="web", hosts=unmakeable)
    making = outcome_records(finished(served(CREATED, wrong)))
    assert [next(making)["kind"] for _ in range(3)] == ["run", "cluster", "secret"]
    with pytest.raises(TypeError):
        next(making)


def test_each_record_has_a_summary_in_the_same_order() -> None:
    endless = replace(CREATED, namespace="web", expires_at=None)
    lost = ClusterOutcome(cluster="lost", failure=GONE)
    report = finished(served(CREATED, endless), lost).report
    assert list(record_summaries(report)) == [
        "run attention 2026-01-31T13:00:00Z",
        "prod served 2026-01-31T13:00:00Z",
        "lost failed",
        "prod/shop/acr-pull created secret-missing 2026-01-31T13:00:00Z",
        "prod/web/acr-pull created secret-missing",
    ]
    assert (
        count_records(report)
        == len(list(outcome_records(finished(served(CREATED, endless), lost))))
        == 5
    )


def test_a_long_text_is_cut() -> None:
    wordy = replace(CREATED, warnings=("x" * SETTINGS.record_text, "y"))
    [record] = of_kind("secret", finished(served(wordy)))
    assert record["warnings"] == "x" * (SETTINGS.record_text - 1) + "…"


LONGEST = "x" * SETTINGS.record_text


def test_a_text_at_the_limit_is_not_cut() -> None:
    [record] = of_kind("secret", finished(served(replace(CREATED, warnings=(LONGEST,)))))
    assert record["warnings"] == LONGEST


def test_batches_keep_the_order_and_the_limit_of_a_call() -> None:
    small = [{"n": str(n)} for n in range(2 * SETTINGS.batch_records + 1)]
    parts = list(batches(small))
    assert [len(part) for part in parts] == [SETTINGS.batch_records, SETTINGS.batch_records, 1]
    assert [record for part in parts for record in part] == small
    assert list(batches([])) == []


def test_batches_count_bytes_not_characters() -> None:
    large = {"text": "字" * (SETTINGS.batch_bytes // 9)}
    assert [len(part) for part in batches([large] * 5)] == [2, 2, 1]


def test_a_batch_may_be_filled_to_its_last_byte() -> None:
    name_and_overhead = len("text") + 16
    half = {"text": "x" * (SETTINGS.batch_bytes // 2 - name_and_overhead)}
    assert [len(part) for part in batches([half] * 5)] == [2, 2, 1]


def test_a_record_above_the_limit_is_a_batch_of_its_own() -> None:
    huge = {"text": "x" * (SETTINGS.batch_bytes + 1)}
    assert [len(part) for part in batches([huge, huge])] == [1, 1]


def test_text_without_a_utf_8_encoding_is_replaced() -> None:
    """Half a surrogate pair, which JSON lets pass and UTF-8 has no bytes for."""
    broken = Failure("invalid", "it said \ud800 — no more")
    run = finished(served(replace(CREATED, failures=(broken,))))
    [secret] = of_kind("secret", run)
    assert secret["message"] == "it said ? — no more"
    assert sum(len(batch) for batch in batches(outcome_records(run))) == 3


def test_the_earliest_expiry_counts_also_from_the_last_visit() -> None:
    """Also where it was not reached; what goes with its namespace is not to be renewed."""
    left = ClusterOutcome(cluster="late", deferred=Deferral("no", earliest_expiry=NOW + 3 * MINUTE))
    lost = ClusterOutcome(cluster="lost", failure=GONE, last_seen_expiry=NOW + 2 * MINUTE)
    ending = replace(CREATED, result=Result.SKIPPED, expires_at=NOW)
    run = finished(served(CREATED, ending), left, lost)
    assert [each["seconds_left"] for each in of_kind("cluster", run)] == ["3540", "120", "60"]
    assert [each["seconds_left"] for each in of_kind("run", run)] == ["60"]
