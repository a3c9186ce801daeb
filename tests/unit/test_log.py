"""Log lines are JSON that SLS can index, and hold no secret, whatever libraries do."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from acr_refresher.core.reasons import Reason
from acr_refresher.errors import Denied, log_bug, unexpected_error
from acr_refresher.log import MASK, configure_logging, get_logger, redact

HERE = Path(__file__).parent
NOON_IN_CHINA = datetime(2026, 1, 31, 20, 0, tzinfo=timezone(timedelta(hours=8)))


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    monkeypatch.setenv("DEBUG", "SDK")
    stream = io.StringIO()
    configure_logging(stream)
    yield stream
    logging.disable(logging.NOTSET)
    structlog.reset_defaults()


def line(stream: io.StringIO) -> dict[str, Any]:
    (text,) = stream.getvalue().splitlines()
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_a_line_has_its_time_level_and_event(stream: io.StringIO) -> None:
    get_logger().warning("cluster.failed", cluster="prod")
    written = line(stream)
    assert written.pop("ts").endswith("Z")
    assert written == {"event": "cluster.failed", "level": "warning", "cluster": "prod"}


def test_what_is_for_debugging_is_left_out(stream: io.StringIO) -> None:
    get_logger().debug("detail")
    assert stream.getvalue() == ""


def test_lines_go_to_stdout_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    try:
        get_logger().info("run.finished")
    finally:
        logging.disable(logging.NOTSET)
        structlog.reset_defaults()
    assert json.loads(capsys.readouterr().out)["event"] == "run.finished"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        pytest.param("at", NOON_IN_CHINA, "2026-01-31T12:00:00Z", id="time"),
        pytest.param("token_expires_at", NOON_IN_CHINA, "2026-01-31T12:00:00Z", id="expiry"),
        pytest.param("took", timedelta(minutes=1.5), 90, id="span"),
        pytest.param("took_ms", timedelta(seconds=0.25), 250, id="span in milliseconds"),
        pytest.param("reason", Reason.SECRET_MISSING, "secret-missing", id="enum"),
        pytest.param("secret", "acr-pull", "acr-pull", id="name of a secret"),
        pytest.param("tokens", 3, 3, id="number of tokens"),
        pytest.param("ok", True, True, id="boolean"),
        pytest.param("failures", 0, 0, id="none of them"),
        pytest.param("hosts", ({"a": "Bearer s3cr3t-"},), [{"a": f"Bearer {MASK}"}], id="nested"),
        pytest.param("hosts", ("a", "b"), ["a", "b"], id="tuple"),
        pytest.param("hosts", frozenset({"a"}), ["a"], id="set"),
        pytest.param("path", Path("a/b"), "a/b", id="anything else"),
        pytest.param("value", SecretStr("s3cr3t"), MASK, id="masked type"),
        pytest.param("body", b"s3cr3t", MASK, id="bytes"),
        pytest.param("password", "s3cr3t", MASK, id="by its key"),
        pytest.param("tokens", ["s3cr3t"], MASK, id="list by its key"),
        pytest.param("headers", {"Authorization": "s", "a": 1}, {"Authorization": MASK, "a": 1}),
        pytest.param("detail", ["Bearer s3cr3t-"], [f"Bearer {MASK}"], id="by its look"),
    ],
)
def test_values(stream: io.StringIO, key: str, value: object, expected: object) -> None:
    get_logger().info("event", **{key: value})
    assert line(stream)[key] == expected


@pytest.mark.parametrize("value", [None, "", (), []])
def test_what_says_nothing_is_left_out(stream: io.StringIO, value: object) -> None:
    get_logger().info("x.y", remedy=value)
    assert "remedy" not in json.loads(stream.getvalue())


def test_an_exception_of_ours_is_told_with_its_message(stream: io.StringIO) -> None:
    error = Denied("cr:GetAuthorizationToken is missing", service="cr")
    get_logger().error("token.failed", exc_info=error)
    assert line(stream)["exception"] == "Denied: cr:GetAuthorizationToken is missing"


def test_an_exception_of_others_is_told_by_its_type_alone(stream: io.StringIO) -> None:
    try:
        int("s3cr3t")
    except ValueError:
        get_logger().exception("run.failed")
    assert line(stream)["exception"] == "ValueError"
    assert "s3cr3t" not in stream.getvalue()


def test_no_exception_is_no_exception(stream: io.StringIO) -> None:
    get_logger().info("run.finished", exc_info=False)
    assert "exception" not in line(stream)


def test_the_sdks_switch_for_debugging_is_off(stream: io.StringIO) -> None:  # noqa: ARG001  # on
    assert "DEBUG" not in os.environ


class Refusing(BaseHTTPRequestHandler):
    """Answers 403 to everything, and keeps what the requests were signed with."""

    signed: list[str]

    def do_POST(self) -> None:
        self.signed += [value for name, value in self.headers.items() if name in SIGNING]
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b'{"Code": "Forbidden", "Message": "no", "ErrorCode": "Forbidden"}'
        self.send_response(403)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its given name
        """Stay quiet."""


SIGNING = {"Authorization", "authorization", "x-acs-security-token", "x-fc-security-token"}


@pytest.fixture
def refusing() -> Iterator[HTTPServer]:
    Refusing.signed = []
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_no_library_shows_what_it_signs_requests_with(refusing: HTTPServer) -> None:
    """Even imported later, refused, and asked to debug."""
    url = f"http://127.0.0.1:{refusing.server_port}"
    path = os.pathsep.join(str(HERE.parents[1] / each) for each in ("function", "tests"))
    ended = subprocess.run(  # noqa: S603  # our own script
        [sys.executable, HERE / "leaky_libraries.py", url],
        env={"DEBUG": "sdk", "PYTHONPATH": path, "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    lines = [json.loads(each) for each in ended.stdout.splitlines()]
    assert [each["event"] for each in lines] == ["call.refused"] * 3
    assert ended.stderr == ""
    assert len(Refusing.signed) >= 6
    for secret in (*Refusing.signed, "made-up"):
        assert secret not in ended.stdout


def test_a_line_is_written_whatever_stands_in_it(stream: io.StringIO) -> None:
    """Half a surrogate pair, which JSON lets pass and UTF-8 has no bytes for."""
    get_logger().info("cluster.failed", message="it said \ud800", found={"\ud800": 7})
    assert stream.getvalue().isascii()
    assert line(stream)["message"] == "it said  "


def test_a_line_begins_with_level_event_and_message(stream: io.StringIO) -> None:
    get_logger().error("cluster.failed", cluster="prod", message="it is down")
    assert list(line(stream))[:3] == ["level", "event", "message"]


def test_a_traceback_names_places_and_no_values(stream: io.StringIO) -> None:
    try:
        json.loads('{"password": s3cr3t}')
    except ValueError as error:
        failure = log_bug(error, cluster="prod")
    written = line(stream)
    assert (written["event"], written["cluster"]) == ("bug.found", "prod")
    assert written["message"] == failure.message
    assert written["exception"] == "JSONDecodeError"
    assert written["traceback"][0].startswith("test_log.py:")
    assert written["traceback"][-1].startswith("decoder.py:")
    assert "s3cr3t" not in stream.getvalue()


def test_an_unexpected_error_is_placed_in_our_code() -> None:
    """A library's last line says nothing of where we called it."""
    with pytest.raises(RecursionError) as raised:
        redact({"a": Endless()})
    assert re.search(
        r"RecursionError at log\.py:\d+; please", unexpected_error(raised.value).message
    )


class Endless:
    def __str__(self) -> str:
        return str(self)


def test_events_go_to_an_observer_instead_of_a_stream() -> None:
    seen: list[Mapping[str, Any]] = []
    stream = io.StringIO()
    configure_logging(stream, on_event=seen.append)
    try:
        get_logger().info("cluster.served", cluster="prod", password="s3cr3t")
    finally:
        logging.disable(logging.NOTSET)
        structlog.reset_defaults()
    expected = {"level": "info", "event": "cluster.served", "cluster": "prod", "password": MASK}
    assert seen == [expected]
    assert stream.getvalue() == ""
