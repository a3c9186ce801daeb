"""What `rotate` refuses, how it reads and prints a report, and how it ends."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from acr_refresher.cli.app import app
from acr_refresher.cli.options import OutputFormat
from acr_refresher.cli.refresh import finish_with_report
from acr_refresher.cli.render import report_view, show
from acr_refresher.cli.rotate import read_report
from acr_refresher.core.outcome import ClusterOutcome, Deferral, Failure, SecretOutcome
from acr_refresher.core.reasons import Reason
from acr_refresher.core.reasons import Result as Came
from acr_refresher.core.report import Report, ShardStart, UnsentOutcomes, report_to_json
from acr_refresher.core.request import Request
from acr_refresher.errors import Invalid

KEYS = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAIhunter2", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "hunter2"}
PLACE = {"FC_REGION": "cn-hangzhou", "ACR_REFRESHER_ACCOUNT": "1000000000000001"}
UNSET: dict[str, str | None] = dict.fromkeys(
    (
        "ACR_REFRESHER_ACCOUNT",
        "ACR_REFRESHER_LOCAL_CLOUD",
        "ACR_REFRESHER_REGION",
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        "ALIBABA_CLOUD_REGION_ID",
        "FC_ACCOUNT_ID",
        "FC_REGION",
    )
)


def rotate(*arguments: str, **environ: str) -> Result:
    return CliRunner(env={**UNSET, **environ}).invoke(app, ["rotate", *arguments])


def test_all_that_is_missing_is_told_at_once() -> None:
    result = rotate("--function", "acr-refresher")
    assert (result.exit_code, result.stdout) == (2, "")
    assert [line.split(".")[0] for line in result.stderr.splitlines()] == [
        "No account ID found",
        "No credentials found",
        "No region found",
    ]
    assert "set FC_ACCOUNT_ID or ACR_REFRESHER_ACCOUNT" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param((), "Missing option '--function'", id="no function"),
        pytest.param(("--function", "a/b/c"), "use NAME or SERVICE/FUNCTION", id="two slashes"),
        pytest.param(("--function", "/b"), "use NAME or SERVICE/FUNCTION", id="no service"),
        pytest.param(("--function", "a?b"), "use NAME or SERVICE/FUNCTION", id="no name"),
        pytest.param(
            ("--function", "a", "--region", "evil.example/"), "--region: ", id="no region at all"
        ),
        pytest.param(
            ("--function", "a", "--account", "me@evil.example"), "--account: ", id="no number"
        ),
        pytest.param(("--function", "a", "--qualifier", "a/b"), "--qualifier: ", id="no qualifier"),
        pytest.param(("--function", "a", "--namespace", "A B"), "--namespace: ", id="no glob"),
        pytest.param(
            ("--function", "a", "--reason", "x" * 201), "--reason: ", id="too long a reason"
        ),
        pytest.param(("--function", "a", "-o", "yaml"), "'yaml' is not one of", id="unknown form"),
    ],
)
def test_bad_usage_ends_with_two(options: tuple[str, ...], message: str) -> None:
    result = rotate("--yes", *options, **KEYS, **PLACE)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


NOW = datetime(2026, 11, 25, 12, 0, tzinfo=timezone.utc)
FAILED = Failure("denied", "no", "main", "cr", "NoPermission", "7-A")
REPORT = Report(
    "run-1",
    Request("manual", force=True, reason="leak"),
    NOW,
    (
        ClusterOutcome(
            cluster="prod",
            secrets=(
                SecretOutcome(
                    namespace="shop",
                    secret="acr-pull",
                    result=Came.INCOMPLETE,
                    reason=Reason.FORCED,
                    service_accounts=("default", "ci"),
                    bound=("ci",),
                    waiting_for=("later",),
                    hosts=("acme.example",),
                    expires_at=NOW + timedelta(hours=1),
                    failures=(FAILED,),
                    warnings=("look",),
                ),
            ),
            warnings=("and look",),
            requests=5,
            duration=timedelta(milliseconds=1234),
        ),
        ClusterOutcome(cluster="idc", failure=FAILED),
        ClusterOutcome(cluster="old", skipped="it is being deleted"),
        ClusterOutcome(cluster="late", deferred=Deferral("no time", fresh=True)),
        ClusterOutcome(cluster="due", deferred=Deferral("no time", earliest_expiry=NOW)),
    ),
    clock_skew=timedelta(minutes=2),
    unsent=UnsentOutcomes(3, FAILED),
    delegated=(
        ShardStart("manual-1of3", 1, started=True),
        ShardStart("manual-2of3", 500),
        ShardStart("manual-3of3", 499, failure=FAILED),
    ),
    throttled={"sts": 2},
)


def test_a_report_is_read_as_it_was_written() -> None:
    document, report = read_report(json.dumps(report_to_json(REPORT)).encode())
    assert report == REPORT
    assert document == report_to_json(REPORT)


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    show(*report_view(REPORT, NOW))
    return capsys.readouterr().out.splitlines()


def test_tasks_that_serve_the_other_clusters_are_listed(printed: list[str]) -> None:
    start = printed.index("= manual-1of3  1 cluster     started")
    assert printed[start : start + 4] == [
        "= manual-1of3  1 cluster     started",
        "= manual-2of3  500 clusters  already started",
        "! manual-3of3  499 clusters  denied: main: no [request 7-A]",
        "",
    ]
    assert printed[-1].endswith(", 501 clusters delegated.")


def test_what_happened_to_a_secret_is_explained(printed: list[str]) -> None:
    assert printed[printed.index("prod") + 1 :][:4] == [
        "  ! shop/acr-pull  incomplete  forced; the tokens it holds now: 1h 00m left",
        "                               bound ci",
        "                               waits for later",
        "                               denied: main: no [request 7-A]",
    ]


def test_a_deferred_cluster_has_its_reason(printed: list[str]) -> None:
    assert printed[printed.index("late") + 1] == "  = deferred: no time"
    assert printed[printed.index("due") + 1] == "  ! deferred: no time"


def test_warnings_and_the_clock_and_unsent_outcomes_are_printed(printed: list[str]) -> None:
    assert "warning, prod: and look" in printed
    assert "The clock is 120 s ahead of the cloud's." in printed
    why = "denied: main: no [request 7-A]"
    assert f"3 outcomes could not be written to the logstore: {why}" in printed


@pytest.mark.parametrize("output", OutputFormat)
def test_options_that_select_nothing_fail(
    output: OutputFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = Report("run-1", REPORT.request, NOW, (ClusterOutcome(cluster="prod"),))
    asked = Request("manual", clusters=("prod",), namespaces=("teem-web",))
    with pytest.raises(typer.Exit) as ended:
        finish_with_report(nothing, asked, output)
    assert ended.value.exit_code == 1
    message = capsys.readouterr().err
    assert message == (
        "No namespace matches --cluster prod --namespace teem-web. Nothing was changed.\n"
    )


def test_an_empty_fleet_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = Report("run-1", REPORT.request, NOW, (ClusterOutcome(cluster="prod"),))
    finish_with_report(nothing, REPORT.request, OutputFormat.TABLE)
    shown = capsys.readouterr()
    assert (shown.out.splitlines()[:2], shown.err) == (["prod", "  = no matching namespace"], "")


@pytest.mark.parametrize("ok", [True, False])
def test_the_functions_own_verdict_is_the_exit_code(ok: bool) -> None:
    """A newer function may know better than what this version can read of its report."""
    report = Report("run-1", REPORT.request, NOW, REPORT.clusters[2:3])
    document = {**report_to_json(report), "ok": ok}
    if ok:
        finish_with_report(report, REPORT.request, OutputFormat.JSON, document)
    else:
        with pytest.raises(typer.Exit):
            finish_with_report(report, REPORT.request, OutputFormat.JSON, document)


def test_what_a_newer_function_adds_is_kept() -> None:
    document, report = read_report(json.dumps({**report_to_json(REPORT), "tasks": ["t"]}).encode())
    assert (document["tasks"], report) == (["t"], REPORT)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"done", id="no JSON"),
        pytest.param(b"[1]", id="no object"),
        pytest.param(b'{"ok": true}', id="another object"),
        pytest.param(json.dumps({**report_to_json(REPORT), "startedAt": 7}).encode(), id="no time"),
        pytest.param(
            json.dumps({**report_to_json(REPORT), "clusters": [7]}).encode(), id="no clusters"
        ),
    ],
)
def test_anything_else_is_refused(answer: Any) -> None:
    with pytest.raises(Invalid, match="did not return a report"):
        read_report(answer)
