"""Writing outcomes: what is lost is named in the log, and nothing else suffers from it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import stamina
import structlog

from acr_refresher.core.outcome import ClusterOutcome, Failure, SecretOutcome
from acr_refresher.core.outcome_records import FinishedRun, Record
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.report import Report, UnsentOutcomes
from acr_refresher.errors import Denied, Throttled, Unreachable
from acr_refresher.log import configure_logging
from acr_refresher.run import publish as publishing
from acr_refresher.run.ports import OutcomeLog
from acr_refresher.run.publish import LATE, publish
from acr_refresher.settings import SETTINGS
from factories import HOUR, MINUTE, NOW, request
from virtual_time import VirtualTime, in_virtual_time

DENIED = Denied("log:PostLogStoreLogs denied", service="sls", code="Unauthorized", request_id="R")
THROTTLED = Throttled("too many requests", service="sls")
UNREACHABLE = Unreachable("no answer in time", service="sls")


@dataclass
class Log(OutcomeLog):
    """Takes what it is given, once it has met these; `None` is a success."""

    meets: list[Exception | None] = field(default_factory=list)
    stalls: bool = False
    seconds: float = 0
    calls: int = 0
    written: list[Record] = field(default_factory=list)
    at: datetime | None = None

    async def write(self, records: Sequence[Record], at: datetime) -> None:
        self.calls += 1
        if self.stalls:
            await asyncio.Event().wait()
        await asyncio.sleep(self.seconds)
        if self.meets and (error := self.meets.pop(0)):
            raise error
        self.written += records
        self.at = at


@pytest.fixture(autouse=True)
def no_waiting_between_attempts() -> Iterator[None]:
    with stamina.set_testing(True, attempts=4, cap=True):
        yield
    structlog.reset_defaults()


def outcome_of(namespaces: int, **more: Any) -> FinishedRun:
    secrets = tuple(
        SecretOutcome(
            namespace=f"n{n}",
            secret="acr-pull",
            result=Result.RENEWED,
            reason=Reason.NEAR_EXPIRY,
            **{"expires_at": NOW + HOUR, **more},
        )
        for n in range(namespaces)
    )
    cluster = ClusterOutcome(cluster="prod", secrets=secrets)
    return FinishedRun(Report("run-7", request(), NOW, (cluster,)), NOW + MINUTE)


def published(finished: FinishedRun, log: Log, left: timedelta = MINUTE) -> UnsentOutcomes | None:
    configure_logging()
    return asyncio.run(publish(finished, log, left))


def unsent(finished: FinishedRun, log: Log, left: timedelta = MINUTE) -> int:
    lost = published(finished, log, left)
    return lost.records if lost else 0


def printed_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_all_is_written_as_of_the_runs_end(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log()
    assert unsent(outcome_of(3), log) == 0
    assert [record["kind"] for record in log.written] == ["run", "cluster"] + 3 * ["secret"]
    assert log.at == NOW + MINUTE
    assert printed_lines(capsys) == []


@pytest.mark.parametrize("error", [THROTTLED, UNREACHABLE], ids=["throttled", "unreachable"])
def test_what_passes_is_tried_again(error: Exception) -> None:
    log = Log([error, error])
    assert unsent(outcome_of(1), log) == 0
    assert (log.calls, len(log.written)) == (3, 3)


def test_what_could_not_be_written_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log([DENIED])
    assert unsent(outcome_of(2), log) == 4
    assert log.calls == 1
    [line] = printed_lines(capsys)
    assert line["event"] == "outcomes.unsent"
    assert (line["count"], line["error"], line["request_id"]) == (4, "denied", "R")
    assert line["records"] == [
        "run served 2026-01-31T13:00:00Z",
        "prod served 2026-01-31T13:00:00Z",
        "prod/n0/acr-pull renewed near-expiry 2026-01-31T13:00:00Z",
        "prod/n1/acr-pull renewed near-expiry 2026-01-31T13:00:00Z",
    ]


def test_the_report_says_why_it_could_not_be_written() -> None:
    lost = published(outcome_of(2), Log([DENIED]))
    assert lost == UnsentOutcomes(
        4, Failure("denied", "log:PostLogStoreLogs denied", "", "sls", "Unauthorized", "R")
    )


def test_what_was_written_before_is_not_unsent(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log([None, DENIED])
    more = 3
    assert unsent(outcome_of(SETTINGS.batch_records - 2 + more), log) == more
    assert len(log.written) == SETTINGS.batch_records
    assert [line["count"] for line in printed_lines(capsys)] == [more]


def test_after_one_batch_failed_no_more_are_tried() -> None:
    log = Log([DENIED])
    assert unsent(outcome_of(2 * SETTINGS.batch_records), log) == 2 * SETTINGS.batch_records + 2
    assert log.calls == 1


def test_many_are_named_in_lines_of_a_certain_length(capsys: pytest.CaptureFixture[str]) -> None:
    unsent(outcome_of(SETTINGS.unsent_per_line + 1), Log([DENIED]))
    assert [line["count"] for line in printed_lines(capsys)] == [SETTINGS.unsent_per_line, 3]


def test_a_log_that_does_not_answer_is_given_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the least there is, though the clusters took all of the run's time."""
    monkeypatch.setattr(
        publishing, "SETTINGS", replace(SETTINGS, publish_time_min=timedelta(milliseconds=10))
    )
    assert unsent(outcome_of(1), Log(stalls=True), left=-MINUTE) == 3
    [line] = printed_lines(capsys)
    assert (line["error"], line["error_code"]) == ("unreachable", "Deadline")


def test_a_bug_in_writing_spoils_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert unsent(outcome_of(1), Log([KeyError("hunter2")])) == 3
    *bugs, line = printed_lines(capsys)
    assert {bug["event"] for bug in bugs} == {"bug.found"}
    assert line["error"] == "bug"
    assert "hunter2" not in json.dumps([*bugs, line])


def test_a_bug_in_making_the_records_spoils_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert unsent(outcome_of(1, warnings=(404,)), Log()) == 3
    *bugs, line = printed_lines(capsys)
    assert {bug["event"] for bug in bugs} == {"bug.found"}
    assert (line["error"], line["count"]) == ("bug", 3)


def test_a_bug_in_naming_the_records_spoils_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert unsent(outcome_of(1, expires_at="13 h"), Log()) == 3
    *bugs, line = printed_lines(capsys)
    assert {bug["event"] for bug in bugs} == {"bug.found"}
    assert (line["error"], line["records"]) == ("bug", ["run run-7"])


def in_time(finished: FinishedRun, log: Log, seconds: float) -> tuple[UnsentOutcomes | None, float]:
    """What is lost of it with so much time left, and how long that took."""

    async def work(loop: VirtualTime) -> tuple[UnsentOutcomes | None, float]:
        return await publish(finished, log, timedelta(seconds=seconds)), loop.time()

    configure_logging()
    return in_virtual_time(work)


def test_what_there_is_time_for_is_written_and_all_else_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = Log(seconds=2)
    lost, took = in_time(outcome_of(3 * SETTINGS.batch_records - 2), log, 5)
    assert (lost, took) == (UnsentOutcomes(SETTINGS.batch_records, LATE), 5)
    assert len(log.written) == 2 * SETTINGS.batch_records
    lines = printed_lines(capsys)
    assert sum(line["count"] for line in lines) == SETTINGS.batch_records
    assert lines[-1]["records"][-1].startswith(
        f"prod/n{3 * SETTINGS.batch_records - 3}/acr-pull renewed"
    )


def test_what_there_is_no_time_for_is_named_without_being_made_into_records(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fine, unmakeable = outcome_of(SETTINGS.batch_records), outcome_of(1, hosts=(404,))
    clusters = (*fine.report.clusters, *unmakeable.report.clusters)
    finished = replace(fine, report=replace(fine.report, clusters=clusters))
    lost, _ = in_time(finished, Log(stalls=True), 5)
    assert lost == UnsentOutcomes(SETTINGS.batch_records + 4, LATE)
    assert sum(line["count"] for line in printed_lines(capsys)) == SETTINGS.batch_records + 4


def test_what_looks_like_a_secret_is_masked() -> None:
    log = Log()
    unsent(outcome_of(1, warnings=("password=hunter2 was said",)), log)
    assert log.written[-1]["warnings"] == "password=********** was said"


def test_the_names_that_others_choose_are_masked_as_in_the_log_lines() -> None:
    """A trigger has the name that a user or another function gave it."""
    log, secret = Log(), "Bearer s3cr3t-of-a-user"
    finished = outcome_of(1)
    report = replace(finished.report, request=replace(request(), trigger=secret, reason=secret))
    unsent(replace(finished, report=report), log)
    for record in log.written:
        assert record["trigger"] == record["run_reason"] == "Bearer **********"
