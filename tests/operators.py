"""An operator at the command line: credentials in the environment, and the command's result."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from typer.testing import CliRunner, Result

import acr_refresher
from acr_refresher.cli.app import app
from demo.company import FUNCTION_ROLE, REGION
from demo.stage import Stage
from localkube.double import DoubleCluster, Fault

CLI = [sys.executable, "-m", "acr_refresher.cli"]
CODE_ROOT = Path(acr_refresher.__file__).parents[1]
LIMIT_SECONDS = 120


def command(function: Stage, *arguments: str, role: str = FUNCTION_ROLE) -> Result:
    """The result of a command with the permissions of the role, in the function's folder."""
    result = CliRunner(env=credentials(function, role)).invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def credentials(function: Stage, role: str = FUNCTION_ROLE) -> dict[str, str]:
    """The environment variables of an operator with the permissions of the role."""
    session = function.cloud.function_credentials(role)
    return {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": session.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": session.access_key_secret,
        "ALIBABA_CLOUD_SECURITY_TOKEN": session.security_token,
        "ALIBABA_CLOUD_REGION_ID": REGION,
    }


@contextmanager
def process(function: Stage, *arguments: str, stdin: int) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, which ends on exit or after two minutes."""
    own = {**credentials(function), "PYTHONPATH": str(CODE_ROOT)}
    with subprocess.Popen(  # noqa: S603  # the command under test
        [*CLI, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **own},
    ) as running:
        limit = threading.Timer(LIMIT_SECONDS, running.kill)
        limit.start()
        try:
            yield running
        finally:
            limit.cancel()
            running.kill()


def at_a_terminal(function: Stage, typed: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The result of a command whose standard input is a terminal, on which this is typed."""
    keyboard, terminal = pty.openpty()
    os.write(keyboard, f"{typed}\n".encode())
    try:
        with process(function, *arguments, stdin=terminal) as running:
            out, err = running.communicate()
        return subprocess.CompletedProcess([*arguments], running.returncode, out, err)
    finally:
        os.close(keyboard)
        os.close(terminal)


def interrupted_at(
    cluster: DoubleCluster, method: str, function: Stage, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """The result of a command that Ctrl-C interrupts at its first such request."""
    met = threading.Event()
    ended = threading.Event()

    def meanwhile() -> None:
        met.set()
        ended.wait(LIMIT_SECONDS)

    cluster.faults.add(Fault(method, meanwhile=meanwhile))
    with process(function, *arguments, stdin=subprocess.DEVNULL) as running:
        try:
            assert met.wait(LIMIT_SECONDS), "it did not come so far"
            running.send_signal(signal.SIGINT)
            out, err = running.communicate()
        finally:
            ended.set()
    return subprocess.CompletedProcess([*arguments], running.returncode, out, err)


def printed_secrets(function: Stage, result: Result) -> list[str]:
    """The secrets of the cloud that the command printed."""
    sessions = function.cloud.sessions.values()
    secrets = [
        *function.cloud.registry_tokens,
        *(session.access_key_secret for session in sessions),
        *(session.security_token for session in sessions),
    ]
    return [secret for secret in secrets if secret in result.output + result.stderr]


def write_config(folder: Path, clusters: str, registries: str = "") -> Path:
    """A config.yaml with these sections, in YAML's flow style."""
    file = folder / "config.yaml"
    known = registries or "{name: a, instanceId: cri-a, regionId: cn-hangzhou}"
    file.write_text(f"registries: [{known}]\nclusters: [{clusters}]\n")
    return file
