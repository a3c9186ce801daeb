"""A cluster that stalls costs its own time and no other's; what there is no time for can wait."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from acr_refresher.core.fleet import LastSeen
from acr_refresher.core.model import (
    InClusterAccess,
    KubeconfigAccess,
    Registry,
    SecretContent,
)
from acr_refresher.core.report import Report, report_to_json
from acr_refresher.core.request import Request
from acr_refresher.run.ports import AppliedSecret, CloudCredentials, Kubeconfig, RegistryToken
from acr_refresher.run.run import Dependencies
from factories import HOUR, MINUTE, NOW, request
from runs import NEVER, Files, Fleet, Kube, Registries

SHORT, A_SHORT_RUN = timedelta(seconds=5), 10


def outcomes(report: Report) -> dict[str, str]:
    return {each.namespace: each.result.value for each in report.clusters[0].secrets}


@dataclass(eq=False)
class Counted(Kube):
    """Counts how many secrets are written at a time."""

    now: int = 0
    peak: int = 0

    async def apply_secret(
        self,
        namespace: str,
        name: str,
        content: SecretContent,
        uid: str | None,
        resource_version: str | None = None,
    ) -> AppliedSecret:
        self.now += 1
        self.peak = max(self.peak, self.now)
        await asyncio.sleep(0.1)
        written = await super().apply_secret(namespace, name, content, uid, resource_version)
        self.now -= 1
        return written


class SlowRegistries(Registries):
    """Take ten seconds per token."""

    async def token(self, caller: CloudCredentials, registry: Registry) -> RegistryToken:
        await asyncio.sleep(10)
        return await super().token(caller, registry)


class Slow(Fleet):
    """A fleet whose registries are slow."""

    def dependencies(self) -> Dependencies:
        return replace(super().dependencies(), registry_api=SlowRegistries())


def test_what_was_written_before_a_cluster_is_cut_off_is_reported_and_the_rest_is_named() -> None:
    with capture_logs() as lines:
        report = Fleet({"a": Kube(stalled="two")}).run(cluster_timeout=SHORT)
    assert outcomes(report) == {"one": "created", "two": "failed"}
    [failure] = report.clusters[0].secrets[1].failures
    assert (failure.meaning, failure.code) == ("unreachable", "Deadline")
    assert failure.message == (
        "not finished within the 5 s of its cluster: if the cluster is only slow,"
        " raise clusterTimeout. The API server may have made the change"
    )
    assert report.failing == ("a",)
    [line] = [line for line in lines if line["event"] == "secret.failed"]
    assert (line["namespace"], line["error_code"]) == ("two", "Deadline")


def test_a_namespace_that_stalls_holds_up_no_other_of_its_cluster() -> None:
    names = tuple(f"n{number:02}" for number in range(25))
    kube = Kube(names, stalled="n00 n07 n08")
    report = Fleet({"a": kube}).run(cluster_timeout=SHORT)
    came_out = outcomes(report)
    failed = {name for name, result in came_out.items() if result == "failed"}
    assert failed == {"n00", "n07", "n08"}
    assert list(came_out) == list(names), "reported in order all the same"
    assert len(kube.written) == 22


def test_waiting_for_a_token_opens_no_further_connection() -> None:
    """Tokens are minted before the first write: a slow registry is no sign of a slow cluster."""
    kube = Counted(tuple(f"n{number:02}" for number in range(25)))
    report = Slow({"a": kube}).run()
    assert set(outcomes(report).values()) == {"created"}
    assert kube.peak == 1


def test_a_cluster_that_does_not_answer_at_all_is_unreachable() -> None:
    report = Fleet({"a": Kube(unanswered=True)}).run(cluster_timeout=SHORT)
    failure = report.clusters[0].failure
    assert failure
    assert (failure.meaning, failure.code) == ("unreachable", "Deadline")
    assert "is it up, and can the function's VPC reach it?" in failure.message
    assert report.clusters[0].secrets == ()
    assert report.clusters[0].duration == SHORT


@dataclass(eq=False)
class Noted(Kube):
    """A cluster that stalls, and whose adapter remembers this."""

    cut_off: str = ""
    last_error: str = ""


DEAD = "cannot connect to API server https://10.0.0.1:6443: no answer in time. Is the cluster up?"
PATCH = "PATCH /api/v1/namespaces/two/secrets/acr-pull"


@pytest.mark.parametrize(
    ("kube", "message"),
    [
        (Noted(unanswered=True, last_error=DEAD), f"The last error was: {DEAD}"),
        (
            Noted(unanswered=True, last_error=DEAD, cut_off="GET /api/v1/namespaces"),
            f"GET /api/v1/namespaces had no answer yet. The last error was: {DEAD}",
        ),
        (
            Noted(stalled="two", cut_off=PATCH),
            (
                f"{PATCH} had no answer yet. An admission webhook may hang. If the cluster is slow,"
                " raise clusterTimeout. The API server may have made the change"
            ),
        ),
    ],
)
@pytest.mark.parametrize(
    ("limits", "where"),
    [
        ({"cluster_timeout": SHORT}, "not finished within the 5 s of its cluster: "),
        ({"seconds": A_SHORT_RUN}, "not finished within the run's time: "),
    ],
)
def test_the_last_error_is_not_lost_in_a_time_out(
    kube: Kube, message: str, limits: dict[str, Any], where: str
) -> None:
    [outcome] = Fleet({"a": kube}).run(**limits).clusters
    failures = [outcome.failure, *(each for one in outcome.secrets for each in one.failures)]
    assert [each.message for each in failures if each] == [where + message]


def test_a_list_without_an_answer_is_named() -> None:
    kube = Noted(unanswered=True, cut_off="GET /api/v1/secrets")
    [outcome] = Fleet({"a": kube}).run(cluster_timeout=SHORT).clusters
    assert outcome.failure
    assert "did not answer GET /api/v1/secrets within the 5 s" in outcome.failure.message


class Hanging(Files):
    """A file system that answers nothing."""

    async def kubeconfig(self, access: KubeconfigAccess | InClusterAccess) -> Kubeconfig:
        await asyncio.sleep(NEVER)
        return await super().kubeconfig(access)


def test_a_kubeconfig_file_that_cannot_be_read_is_named_as_the_cause() -> None:
    fleet = Fleet({"a": Kube()}, files=Hanging())
    [outcome] = fleet.run(cluster_timeout=SHORT).clusters
    assert outcome.failure
    assert outcome.failure.code == "Deadline"
    assert outcome.failure.message == (
        "its kubeconfig could not be read within the 5 s of its cluster: does the file system hang?"
    )


def test_where_the_runs_own_time_ends_first_it_is_what_the_message_names() -> None:
    report = Fleet({"a": Kube(unanswered=True)}).run(seconds=A_SHORT_RUN)
    assert report.clusters[0].failure
    assert "raise the function's timeout" in report.clusters[0].failure.message


def test_a_stalled_cluster_takes_one_place_and_the_others_are_served() -> None:
    fleet = Fleet.of(20)
    fleet.kubes["c0000"].unanswered = True
    report = fleet.run(concurrency=2, cluster_timeout=SHORT)
    assert report.failing == ("c0000",)
    assert len(fleet.served) == 19


FRESH, DUE = LastSeen(NOW - MINUTE, NOW + HOUR), LastSeen(NOW - MINUTE, NOW + MINUTE)


def out_of_time(asked: Request | None = None, **known: LastSeen) -> tuple[Fleet, Report]:
    """A run whose time a stalled cluster takes, which is never seen before and so goes first."""
    fleet = Fleet({"slow": Kube(unanswered=True), **{name: Kube() for name in known}})
    fleet.last_seen.seen.update(known)
    return fleet, fleet.run(asked, seconds=A_SHORT_RUN, concurrency=1)


def test_what_cannot_be_begun_in_time_is_deferred_and_says_so() -> None:
    with capture_logs() as lines:
        fleet, report = out_of_time(fresh=FRESH, due=DUE)
    assert fleet.served == set()
    assert report.deferred == ("fresh", "due")
    lines_by = {line["cluster"]: line for line in lines if line["event"] == "cluster.deferred"}
    assert {name: line["ok"] for name, line in lines_by.items()} == {"fresh": True, "due": False}
    assert {line["log_level"] for line in lines_by.values()} == {"warning"}
    [finished] = [line for line in lines if line["event"] == "run.finished"]
    assert finished["clusters_deferred"] == 2
    clusters = {each["cluster"]: each for each in report_to_json(report)["clusters"]}
    assert clusters["fresh"]["deferred"]["fresh"] is True
    assert clusters["fresh"]["deferred"]["earliestExpiry"] == "2026-01-31T13:00:00Z"
    assert clusters["slow"]["deferred"] is None


def test_a_deferred_cluster_fails_a_run_unless_it_is_known_to_be_fresh() -> None:
    assert out_of_time(fresh=FRESH, due=DUE)[1].failing == ("slow", "due")
    forced = out_of_time(request(force=True), fresh=FRESH)[1]
    assert forced.failing == ("slow", "fresh"), "a forced run is about what is fresh, too"
    unseen = Fleet({name: Kube(unanswered=True) for name in "abc"})
    assert unseen.run(seconds=A_SHORT_RUN, concurrency=1).failing == ("a", "b", "c")


def test_what_was_deferred_goes_first_in_the_next_run() -> None:
    """A warm instance remembers when it saw each cluster."""
    fleet, _ = out_of_time(one=FRESH, two=FRESH)
    fleet.kubes["slow"].unanswered = False
    with capture_logs() as lines:
        fleet.run(now=NOW + MINUTE, concurrency=1)
    served = [line["cluster"] for line in lines if line["event"] == "cluster.served"]
    assert sorted(served[:2]) == ["one", "two"]
    assert served[2:] == ["slow"]


def test_a_run_that_serves_a_part_of_each_cluster_says_nothing_of_when_it_was_served() -> None:
    fleet = Fleet.of(1)
    fleet.run(request(namespaces=("one",)))
    fleet.run(request(dry_run=True))
    assert fleet.last_seen.seen == {}
    fleet.run()
    assert fleet.last_seen.seen == {"c0000": LastSeen(NOW, NOW + HOUR)}


def test_a_failed_visit_does_not_make_a_cluster_less_urgent() -> None:
    fleet = Fleet.of(1)
    fleet.run()
    fleet.kubes["c0000"].unanswered = True
    fleet.run(now=NOW + MINUTE, cluster_timeout=SHORT)
    assert fleet.last_seen.seen == {"c0000": LastSeen(NOW + MINUTE, NOW + HOUR, ok=False)}


def test_when_the_secrets_of_a_cluster_end_that_cannot_be_reached_is_told_from_the_last_visit() -> (
    None
):
    fleet = Fleet.of(1)
    fleet.run()
    fleet.kubes["c0000"].unanswered = True
    with capture_logs() as lines:
        fleet.run(now=NOW + MINUTE, cluster_timeout=SHORT)
    lines_by = {line["event"]: line for line in lines}
    assert lines_by["cluster.failed"]["earliest_expiry"] == NOW + HOUR
    assert lines_by["run.finished"]["earliest_expiry"] == NOW + HOUR


def test_a_cluster_that_failed_when_it_was_first_seen_is_not_taken_for_fresh() -> None:
    fleet = Fleet({"slow": Kube(unanswered=True), "ill": Kube(unanswered=True)})
    fleet.run(names=("ill",), cluster_timeout=SHORT)
    report = fleet.run(seconds=A_SHORT_RUN, concurrency=1)
    assert report.deferred == ("ill",)
    assert report.failing == ("slow", "ill")


def test_a_cluster_in_which_a_secret_failed_is_not_taken_for_fresh() -> None:
    fleet = Fleet({"slow": Kube(unanswered=True), "ill": Kube(broken="two")})
    fleet.run(names=("ill",))
    report = fleet.run(seconds=A_SHORT_RUN, concurrency=1)
    assert report.deferred == ("ill",)
    assert report.failing == ("slow", "ill")
