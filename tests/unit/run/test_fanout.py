"""More clusters than one invocation is to serve, or has time for, are served by others."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from acr_refresher.config.events import parse_event
from acr_refresher.core.fleet import LastSeen
from acr_refresher.core.report import Report, report_to_json
from acr_refresher.core.request import Request, Shard
from acr_refresher.errors import Denied, Throttled
from acr_refresher.run.cluster import ClusterRunner
from factories import HOUR, NOW, request
from runs import Fleet, Kube, Started

TIMER_RUN = Request("timer:every-10-minutes", scheduled_at="2026-01-31T12:00:00Z")
DENIED = Denied("allow fc:InvokeFunction on functions/acr-refresher", service="fc")


def fleet(count: int = 5, **refused: Any) -> Fleet:
    return Fleet.of(count, functions=Started(**refused))


def started(fleet: Fleet) -> dict[str, Request]:
    assert fleet.functions
    return {task: parse_event(event) for task, event in fleet.functions.events.items()}


def shards(fleet: Fleet) -> list[list[str]]:
    return [sorted(item.shard.clusters) for item in started(fleet).values() if item.shard]


def delegated(report: Report) -> list[dict[str, Any]]:
    handed: list[dict[str, Any]] = report_to_json(report)["delegated"]
    return handed


def test_too_many_clusters_are_handed_on_in_shards_and_the_report_names_their_tasks() -> None:
    many = fleet()
    with capture_logs() as lines:
        report = many.run(TIMER_RUN, shard_size=2)
    assert report.ok
    assert many.served == set(), "the coordinator serves none itself"
    assert shards(many) == [["c0000", "c0001"], ["c0002", "c0003"], ["c0004"]]
    assert [(item["taskId"], item["clusters"]) for item in delegated(report)] == list(
        zip(started(many), (2, 2, 1), strict=True)
    )
    assert all(item["started"] for item in delegated(report))
    [finished] = [line for line in lines if line["event"] == "run.finished"]
    assert list(finished["delegated"]) == list(started(many))
    assert finished["clusters_delegated"] == 5


def test_a_shard_gets_the_complete_request_and_reports_under_the_same_run() -> None:
    asked = replace(TIMER_RUN, clusters=("c*",), namespaces=("one",), registries=("ma*",))
    asked = replace(asked, force=True, reason="suspected leak")
    many = fleet()
    many.run(asked, shard_size=2)
    first, second, _ = started(many).values()
    shard = Shard("run-7", TIMER_RUN.scheduled_at, frozenset({"c0000", "c0001"}), number=1, of=3)
    assert first == replace(asked, clusters=(), shard=shard)
    reports = [many.run(each, shard_size=2) for each in (first, second)]
    assert [report.run for report in reports] == ["run-7", "run-7"]
    assert [item.cluster for report in reports for item in report.clusters] == [
        "c0000",
        "c0001",
        "c0002",
        "c0003",
    ]
    assert many.kubes["c0000"].written == ["one"]


def test_every_line_of_a_shard_says_which_one_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    many = fleet()
    many.run(TIMER_RUN, shard_size=2)
    capsys.readouterr()
    many.run(next(iter(started(many).values())), shard_size=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all("shard=1/3" in line and "run=run-7" in line for line in lines)


def test_a_timer_that_is_delivered_twice_starts_nothing_twice() -> None:
    many = fleet()
    many.run(TIMER_RUN, shard_size=2)
    with capture_logs() as lines:
        again = many.run(TIMER_RUN, shard_size=2)
    assert again.ok
    assert len(started(many)) == 3
    assert [item["started"] for item in delegated(again)] == [False] * 3
    assert [item["failure"] for item in delegated(again)] == [None] * 3
    assert sum(line["event"] == "shard.known" for line in lines) == 3
    many.run(replace(TIMER_RUN, scheduled_at="2026-01-31T12:10:00Z"), shard_size=2)
    assert len(started(many)) == 6, "the next run has another time"


def test_a_coordinator_that_is_tried_again_starts_only_what_is_missing() -> None:
    many = fleet(refused={1: DENIED})
    assert not many.run(TIMER_RUN, shard_size=2).ok
    before = list(started(many))
    assert many.run(TIMER_RUN, shard_size=2).ok
    assert len(before) == 2
    assert len(started(many)) == 3


def test_a_shard_that_may_not_be_started_is_served_here_and_the_permission_is_named() -> None:
    many = fleet(refused={1: DENIED})
    with capture_logs() as lines:
        report = many.run(TIMER_RUN, shard_size=2)
    assert many.served == {"c0002", "c0003"}
    assert report.failing == ()
    assert not report.ok, "somebody has to give the permission"
    [refused] = [item for item in delegated(report) if item["failure"]]
    assert refused["started"] is False
    assert "fc:InvokeFunction" in refused["failure"]["message"]
    [line] = [line for line in lines if line["event"] == "shard.failed"]
    assert (line["error"], line["log_level"]) == ("denied", "warning")


def test_a_bug_met_with_one_shard_does_not_stop_the_others() -> None:
    many = fleet(refused={0: KeyError("hunter2")})
    report = many.run(TIMER_RUN, shard_size=2)
    assert len(started(many)) == 2
    assert many.served == {"c0000", "c0001"}
    assert "hunter2" not in str(report_to_json(report))


def test_what_passes_at_function_compute_is_tried_again() -> None:
    many = fleet(refused={0: Throttled("later", service="fc", retry_after=timedelta())})
    assert many.run(TIMER_RUN, shard_size=2).ok
    assert len(started(many)) == 3


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        pytest.param(TIMER_RUN, 5, id="no more than one invocation serves"),
        pytest.param(request(dry_run=True), 2, id="a dry run, whose report is what it is for"),
        pytest.param(
            replace(TIMER_RUN, shard=Shard("run-7", "t", frozenset({"c0000", "c0001", "c0002"}))),
            2,
            id="a shard",
        ),
    ],
)
def test_what_is_served_in_one_invocation(asked: Request, size: int) -> None:
    item = fleet()
    assert item.run(asked, shard_size=size).ok
    assert started(item) == {}


def test_where_the_function_cannot_start_itself_it_serves_all_clusters() -> None:
    alone = Fleet.of(5)
    assert alone.run(TIMER_RUN, shard_size=2).ok
    assert len(alone.served) == 5


def test_an_event_is_never_too_large() -> None:
    """One of 500 names of 300 characters would be: the shards are made smaller."""
    names = tuple(f"{number:04}-{'x' * 290}" for number in range(1000))
    many = Fleet({name: Kube() for name in names}, functions=Started())
    many.run(TIMER_RUN)
    assert sorted(name for part in shards(many) for name in part) == sorted(names)
    assert len(shards(many)) == 4


def test_a_cluster_that_a_shard_does_not_find_any_more_is_no_failure() -> None:
    asked = replace(TIMER_RUN, shard=Shard("run-7", "t", frozenset({"c0000", "gone"})))
    report = fleet().run(asked)
    assert report.ok
    assert [item.cluster for item in report.clusters] == ["c0000"]


# ---- continuations -------------------------------------------------------------------------------


def out_of_time(asked: Request = TIMER_RUN, **refused: Any) -> tuple[Fleet, Report]:
    """A run in which one cluster stalls for all its time, and three are not begun."""
    late = fleet(3, **refused)
    late.kubes["slow"] = Kube(stalled="two")
    late.last_seen.seen.update({f"c000{number}": LastSeen(NOW, NOW + HOUR) for number in range(3)})
    return late, late.run(asked, seconds=10, concurrency=1)


def test_what_there_is_no_time_for_is_handed_on_to_a_continuation() -> None:
    late, report = out_of_time()
    [(task, event)] = started(late).items()
    assert event.shard == Shard(
        "run-7", TIMER_RUN.scheduled_at, frozenset({"c0000", "c0001", "c0002"}), continued=1
    )
    assert "-1of1-continued1-" in task
    assert report.deferred == ()
    assert [(item["taskId"], item["clusters"], item["started"]) for item in delegated(report)] == [
        (task, 3, True)
    ]
    assert late.run(event).ok
    assert late.served == {"c0000", "c0001", "c0002", "slow"}


def test_a_shard_hands_on_too_and_keeps_its_number() -> None:
    names = frozenset({"slow", "c0000", "c0001", "c0002"})
    shard = Shard("run-7", TIMER_RUN.scheduled_at, names, number=2, of=5, continued=3)
    late, _ = out_of_time(replace(TIMER_RUN, shard=shard))
    [event] = started(late).values()
    assert event.shard == replace(shard, clusters=names - {"slow"}, continued=4)


def test_where_nothing_was_begun_nothing_is_delegated_so_that_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For example, the lists take all the time, in every continuation."""
    monkeypatch.setattr(ClusterRunner, "_in_time", lambda _: False)
    late = fleet(3)
    report = late.run(TIMER_RUN)
    assert started(late) == {}
    assert len(report.deferred) == 3


def test_what_could_not_be_handed_on_is_deferred() -> None:
    _, report = out_of_time(refused={0: DENIED})
    assert report.deferred == ("c0000", "c0001", "c0002")
    assert not report.ok
    [refused] = delegated(report)
    assert refused["failure"]["meaning"] == "denied"


def test_no_secret_is_in_an_event() -> None:
    many = fleet()
    many.run(TIMER_RUN, shard_size=2)
    assert many.functions
    for event in many.functions.events.values():
        assert set(json.loads(event)) == {"action", "shard"}
        assert set(json.loads(event)["shard"]) == {
            "run",
            "trigger",
            "scheduledAt",
            "number",
            "of",
            "continued",
            "clusters",
        }
