"""What is seen of a command while it runs."""

from __future__ import annotations

import pytest

from acr_refresher.cli.session import progress
from acr_refresher.log import get_logger


def run() -> None:
    with progress("refreshing", 2) as step:
        get_logger().info("token.minted", registry="main")
        get_logger().info("cluster.served", cluster="prod")
        step("idc")


def test_each_cluster_is_a_step_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    run()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "refreshing" in shown.err
    assert "2/2" in shown.err
    assert "idc" in shown.err


def test_elsewhere_nothing_is_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    run()
    assert capsys.readouterr() == ("", "")
