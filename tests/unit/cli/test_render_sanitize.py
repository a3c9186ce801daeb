"""Text from elsewhere cannot control a terminal: odd characters are printed as escapes."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from acr_refresher.cli.exit import exit_on_errors
from acr_refresher.cli.render import as_json, report_view, sanitize, show
from acr_refresher.cli.session import progress
from acr_refresher.cli.status import status_view
from acr_refresher.config.strict import InvalidInput, Problem
from acr_refresher.core.outcome import ClusterOutcome, Deferral, Failure, SecretOutcome
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.report import Report, ShardStart, UnsentOutcomes
from acr_refresher.core.secret_status import FleetStatus, SecretStatus, State, UnreadCluster
from acr_refresher.errors import Denied
from factories import NOW, request

EVIL = "\x1b]0;owned\x07\x9b2J\r\n\u202e[bold]"
MADE_HARMLESS = r"\u001b]0;owned\u0007\u009b2J\r\n\u202e[bold]"
OUR_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
FAILURE = Failure("denied", EVIL, EVIL, EVIL, EVIL, EVIL)
SECRET = SecretOutcome(
    namespace=EVIL,
    secret=EVIL,
    result=Result.INCOMPLETE,
    reason=Reason.FORCED,
    service_accounts=(EVIL,),
    bound=(EVIL,),
    waiting_for=(EVIL,),
    hosts=(EVIL,),
    expires_at=NOW + timedelta(hours=1),
    failures=(FAILURE,),
    warnings=(EVIL,),
)
REPORT = Report(
    EVIL,
    request(reason=EVIL),
    NOW,
    (
        ClusterOutcome(cluster=EVIL, secrets=(SECRET,), failure=FAILURE, warnings=(EVIL,)),
        ClusterOutcome(cluster="b", skipped=EVIL),
        ClusterOutcome(cluster="c", deferred=Deferral(EVIL)),
    ),
    unsent=UnsentOutcomes(1, FAILURE),
    delegated=(ShardStart(EVIL, 1, failure=FAILURE),),
    throttled={EVIL: 1},
)
STATUS = FleetStatus(
    NOW,
    (
        SecretStatus(
            cluster=EVIL,
            namespace=EVIL,
            secret=EVIL,
            state=State.DUE,
            registries=(EVIL,),
            hosts=(EVIL,),
            service_accounts=(EVIL,),
        ),
    ),
    (UnreadCluster(EVIL, EVIL, failed=True),),
)


@given(st.text())
def test_any_text_can_be_printed_and_what_could_be_is_as_it_was(text: str) -> None:
    shown = sanitize(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable()


def test_what_is_no_text_stays_as_it_is() -> None:
    assert sanitize(REPORT.clusters[0].secrets[0].result) is Result.INCOMPLETE
    assert sanitize((None, 7, NOW, "über 命名空间")) == (None, 7, NOW, "über 命名空间")


@given(
    st.recursive(
        st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_json_says_the_same_in_lines_that_can_be_printed(document: object) -> None:
    written = as_json(document)
    assert all(line.isprintable() for line in written.split("\n"))
    assert json.loads(written) == document


def test_a_report_is_printable_in_every_word(capsys: pytest.CaptureFixture[str]) -> None:
    show(*report_view(REPORT, NOW))
    message = OUR_COLOURS.sub("", capsys.readouterr().out)
    assert all(line.isprintable() for line in message.split("\n"))
    assert message.count(MADE_HARMLESS) > 10


@pytest.mark.parametrize("colour", ["", "1"], ids=["in a file", "on a terminal"])
def test_a_status_is_printable_in_every_word(
    colour: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if colour:
        monkeypatch.setenv("FORCE_COLOR", colour)
        monkeypatch.setenv("COLUMNS", "1000")
    show(*status_view(STATUS))
    message = OUR_COLOURS.sub("", capsys.readouterr().out)
    assert all(line.isprintable() for line in message.split("\n"))
    assert message.count(MADE_HARMLESS) == 7


def test_the_name_of_a_cluster_is_shown_as_it_is_while_a_command_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "1000")
    with progress("refreshing", 1) as step:
        step(EVIL)
    assert MADE_HARMLESS in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [Denied(EVIL, service="kube"), InvalidInput([Problem(EVIL, EVIL, EVIL)])],
    ids=["a service", "an input"],
)
def test_a_refusal_is_printable(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), exit_on_errors():
        raise error
    assert capsys.readouterr().err.removesuffix("\n").isprintable()
