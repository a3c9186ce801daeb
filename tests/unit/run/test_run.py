"""What a run does where the system itself fails: a bug met once must not stop the rest."""

from __future__ import annotations

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from acr_refresher.core.outcome import ClusterOutcome
from acr_refresher.core.report import Report, report_to_json
from acr_refresher.run import cluster, contents
from runs import Fleet, Kube


def served(kubes: dict[str, Kube], *names: str, clock_skew: timedelta | None = None) -> Report:
    return Fleet(kubes, clock_skew=clock_skew).run(names=names)


def test_a_bug_in_one_cluster_is_told_with_its_place_and_the_others_are_served() -> None:
    well = Kube()
    report = served({"well": well}, "ill", "well")
    ill = report.clusters[0].failure
    assert ill
    assert ill.meaning == "bug"
    assert "unexpected KeyError at run/connect.py:" in ill.message
    assert sorted(well.written) == ["one", "two"]
    assert report.failing == ("ill",)


def test_a_bug_in_one_namespace_is_told_and_the_others_are_served() -> None:
    kube = Kube(broken="one")
    report = served({"a": kube}, "a")
    assert [secret.result.value for secret in report.clusters[0].secrets] == ["failed", "created"]
    assert kube.written == ["two"]


def test_what_a_bug_says_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    report = served({"a": Kube(broken="one")}, "a")
    assert "hunter2" not in str(report_to_json(report)) + capsys.readouterr().out


@pytest.mark.parametrize(
    ("skew", "reported"),
    [
        (None, None),
        (timedelta(seconds=60), None),
        (timedelta(seconds=61), 61),
        (timedelta(minutes=-3), -180),
    ],
)
def test_a_clock_more_than_a_minute_off_is_a_warning_of_the_run(
    skew: timedelta | None, reported: int | None
) -> None:
    with capture_logs() as lines:
        report = served({"a": Kube()}, "a", clock_skew=skew)
    assert report_to_json(report)["clockSkewSeconds"] == reported
    (line,) = (line for line in lines if line["event"] == "run.finished")
    assert (line["log_level"] == "warning") is (reported is not None)
    assert line["clock_skew_seconds"] == reported
    assert report.ok


def test_a_bug_in_telling_of_one_cluster_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def telling(outcome: ClusterOutcome) -> None:
        if outcome.cluster == "ill":
            raise KeyError("hunter2")

    monkeypatch.setattr(cluster, "log_cluster", telling)
    fleet = Fleet({name: Kube() for name in ("ill", "well", "last")})
    report = fleet.run(concurrency=1)
    assert fleet.served == {"ill", "well", "last"}
    assert report.failing == ("ill",)
    assert report.clusters[0].failure
    assert "unexpected KeyError at run/cluster.py:" in report.clusters[0].failure.message


def test_a_bug_in_a_namespace_is_logged_with_its_place() -> None:
    with capture_logs() as lines:
        served({"a": Kube(("one", "two"), broken="two")}, "a")
    [line] = [line for line in lines if line["event"] == "bug.found"]
    assert (line["cluster"], line["namespace"], line["secret"]) == ("a", "two", "acr-pull")
    assert "hunter2" not in str(lines)


def test_a_bug_in_minting_fails_each_secret_and_is_logged_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One content is made for all namespaces, and one traceback says why it could not be."""

    def broken(*_: object) -> None:
        raise KeyError("hunter2")

    monkeypatch.setattr(contents, "content_to_write", broken)
    with capture_logs() as lines:
        report = served({"a": Kube(("one", "two", "three"))}, "a")
    secrets = report.clusters[0].secrets
    assert [each.result.value for each in secrets] == ["failed"] * 3
    assert {each.failures[0].meaning for each in secrets} == {"bug"}
    [line] = [line for line in lines if line["event"] == "bug.found"]
    assert line["exception"] == "KeyError"
    assert (line["cluster"], line["namespace"], line["secret"]) == ("a", "one", "acr-pull")
    assert line["traceback"][-2].startswith("run/contents.py:")
    assert "hunter2" not in str(lines)
