"""The commands in processes of their own: completion, the demo, Ctrl-C, and how they end."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import acr_refresher

ROOT = Path(__file__).parents[2]
PATIENCE = 60
"""Seconds, of which the shell takes a few."""
COMMAND = ROOT / "bin" / "acr-refresher"
ROTATE = [sys.executable, "-m", "acr_refresher.cli", "rotate", "--function", "f", "--yes"]
OPERATOR = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAIhunter2",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "hunter2",
    "ACR_REFRESHER_ACCOUNT": "1000000000000001",
    "FC_REGION": "cn-hangzhou",
}


def ran(*command: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """What a command came to; what the environment has is kept, but for one variable."""
    kept = {name: value for name, value in os.environ.items() if name != "ACR_REFRESHER_CONFIG"}
    return subprocess.run(  # noqa: S603  # our own
        command, env={**kept, **environ}, capture_output=True, text=True, check=False
    )


def completed(*words: str, **environ: str) -> list[str]:
    """What bash offers in place of the last word."""
    asked = {
        "_ACR_REFRESHER_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(("acr-refresher", *words)),
        "COMP_CWORD": str(len(words)),
    }
    done = ran(COMMAND, **asked, **environ)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("pl",), ["plan"]),
        (("plan", "--cl"), ["--cluster"]),
        (("plan", "--cluster", "prod-h"), ["prod-hangzhou"]),
        (("refresh", "--registry", ""), ["main", "partner"]),
        (("unregister", "i"), ["idc"]),
        (("rotate", "--function", "f", "--cluster", "prod-b"), ["prod-beijing"]),
        (("rotate", "--registry", ""), ["main", "partner"]),
        (("status", "--config", "not-there.yaml", "--cluster", ""), []),
    ],
)
def test_the_shell_completes(words: tuple[str, ...], offered: list[str]) -> None:
    assert completed(*words) == offered


def test_names_are_those_of_the_config_that_is_meant(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "registries: [{name: a, instanceId: cri-a, regionId: cn-hangzhou}]\n"
        "clusters: [{name: elsewhere, kubeconfig: x.yaml}]\n"
    )
    assert completed("plan", "--config", str(file), "--cluster", "") == ["elsewhere"]
    assert completed("plan", "--cluster", "", ACR_REFRESHER_CONFIG=str(file)) == ["elsewhere"]
    assert completed("rotate", "--cluster", "", ACR_REFRESHER_CONFIG=str(file)) == ["elsewhere"]


def test_what_is_to_be_installed_in_bash_works() -> None:
    script = f"""
        eval "$({COMMAND} --show-completion)"
        COMP_WORDS=(acr-refresher unre) COMP_CWORD=1
        _acr_refresher_completion {COMMAND}
        echo "${{COMPREPLY[@]}}"
        complete -p acr-refresher
    """
    offered, installed = ran("bash", "-c", script).stdout.splitlines()
    assert offered == "unregister"
    assert installed.endswith("_acr_refresher_completion acr-refresher")


def documented() -> str:
    """How to have the command on PATH, with completion."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```sh\n([^`]*--install-completion[^`]*)^```", text, re.MULTILINE)
    return str(block)


def test_what_is_documented_puts_it_on_the_path_with_completion(tmp_path: Path) -> None:
    """Typed into an interactive bash, with the Tab key, in a new home."""
    own = {"HOME": str(tmp_path), "PATH": f"{tmp_path}/.local/bin:{os.environ['PATH']}"}
    keyboard, terminal = pty.openpty()
    with subprocess.Popen(
        ["bash", "-i"],  # noqa: S607  # whichever the user has
        cwd=ROOT,
        env={**os.environ, **own, "TERM": "dumb", "PS1": "$ "},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    ) as shell:
        os.close(terminal)
        typed = f"{documented()}exec bash -i\nacr-refresher rotate --cluster prod-h\t"
        os.write(keyboard, typed.encode())
        try:
            shown = read_until(keyboard, "prod-hangzhou ")
        finally:
            shell.kill()
    os.close(keyboard)
    assert "completion installed" in shown


def read_until(terminal: int, wanted: str) -> str:
    """What is shown there until then. Fails where nothing more comes."""
    shown = ""
    while wanted not in shown:
        ready, _, _ = select.select([terminal], [], [], PATIENCE)
        assert ready, shown
        shown += os.read(terminal, 4096).decode()
    return shown


def test_the_demo_runs_as_a_command() -> None:
    done = ran(COMMAND, "demo")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("Every secret is where it should be")


ENV = """# A comment, ACR_REFRESHER_REGION=not-this
ACR_REFRESHER_ACCOUNT=4000000000000004
ACR_REFRESHER_REGION = "eu-central-1"  # Frankfurt
LANG=zz
ACR_REFRESHER_CONFIG='other.yaml'"""
"""The last line has no end."""


@pytest.mark.parametrize(
    ("environ", "seen"),
    [
        ({}, "4000000000000004 eu-central-1 C other.yaml"),
        ({"ACR_REFRESHER_REGION": "cn-x"}, "4000000000000004 cn-x C other.yaml"),
    ],
)
def test_what_env_says_holds_unless_the_environment_says_otherwise(
    tmp_path: Path, environ: dict[str, str], seen: str
) -> None:
    """The interpreter is a stand-in that prints what it was given."""
    (tmp_path / "bin").mkdir()
    shutil.copy(COMMAND, tmp_path / "bin")
    (tmp_path / ".env").write_text(ENV)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    names = ("ACR_REFRESHER_ACCOUNT", "ACR_REFRESHER_REGION", "LANG", "ACR_REFRESHER_CONFIG")
    python.write_text(f"#!/bin/sh\necho {' '.join(f'${name}' for name in names)}\n")
    python.chmod(0o755)
    done = ran(tmp_path / "bin" / "acr-refresher", LANG="C", **environ)
    assert (done.stdout.strip(), done.stderr) == (seen, "")


def test_without_a_checkout_there_is_no_demo(tmp_path: Path) -> None:
    """As in the deployed package."""
    shutil.copytree(
        ROOT / "function" / "acr_refresher",
        tmp_path / "function" / "acr_refresher",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    there = {"PYTHONPATH": str(tmp_path / "function")}
    done = ran(sys.executable, "-m", "acr_refresher.cli", "demo", **there)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("The demo needs a checkout of the repository")


def test_a_full_disk_is_told_in_a_line() -> None:
    done = ran("bash", "-c", f"{COMMAND} schema >/dev/full")
    assert (done.returncode, done.stderr) == (1, "acr-refresher: No space left on device\n")


def test_what_nobody_foresaw_is_told_without_its_words(tmp_path: Path) -> None:
    """A module that fails stands for any bug."""
    (tmp_path / "sitecustomize.py").write_text(
        "import json\ndef broken(*_, **__): raise RuntimeError('hunter2')\njson.dumps = broken\n"
    )
    done = ran(COMMAND, "schema", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("acr-refresher: unexpected RuntimeError at cli/app.py:")
    assert "hunter2" not in done.stderr


def test_it_runs_from_a_checkout() -> None:
    command = [str(ROOT / "bin" / "acr-refresher"), "validate", "function/config.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603  # our own
    assert done.stdout.startswith("ok: ")


def test_the_function_needs_nothing_of_the_commands() -> None:
    """What they import besides is not deployed."""
    program = (
        "import sys; sys.modules['typer'] = sys.modules['rich'] = None; import handler;"
        " print([name for name in sys.modules if name.startswith('acr_refresher.cli')])"
    )
    done = subprocess.run(  # noqa: S603  # our own
        [sys.executable, "-c", program],
        cwd=ROOT / "function",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_an_interrupted_rotate_does_not_wait_for_the_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        environ = {
            **os.environ,
            **OPERATOR,
            "ACR_REFRESHER_LOCAL_CLOUD": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "PYTHONPATH": str(Path(acr_refresher.__file__).parents[1]),
        }
        with subprocess.Popen(  # noqa: S603  # our own command
            ROTATE, env=environ, stderr=subprocess.PIPE, text=True
        ) as rotating:
            try:
                asked, _ = silent.accept()
                with asked:
                    asked.recv(1)
                    rotating.send_signal(signal.SIGINT)
                    _, message = rotating.communicate(timeout=PATIENCE)
            finally:
                rotating.kill()
    assert message == "Interrupted. The function continues, and logs what it does.\n"
    assert rotating.returncode == 130
