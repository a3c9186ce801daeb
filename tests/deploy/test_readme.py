"""The README's steps from a clone to a first refresh, taken one after another.

The tools are real, except for what they would change elsewhere: npm installs nothing, Terraform
plans what it would apply, kubectl finds the files, `s` hands a stand-in what it would deploy.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

from acr_refresher.events import parse_event
from deploy import provider
from deploy.packaged import copy_code
from deploy.serverless_devs import REPOSITORY, ServerlessDevs, with_standin
from deploy.terraform import LIBRARY, copy_infra

_SECTION = (REPOSITORY / "README.md").read_text("utf-8").split("## Deploy\n")[1].split("\n## ")[0]
STEPS = re.findall(r"^\d+\. (.*?)(?=^\d+\. |\Z)", _SECTION, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [[code for code in re.findall(r"`([^`]*)`", step) if " " in code] for step in STEPS]
"""Of each step; what has no space is the name of a file."""


def test_there_are_ten_steps_at_most_and_each_is_a_command() -> None:
    assert 0 < len(STEPS) <= 10
    assert all(len(commands) == 1 for commands in COMMANDS)


def test_they_lead_from_a_clone_to_a_refresh(
    tmp_path: Path, serverless_devs: ServerlessDevs, terraform_command: tuple[str, ...]
) -> None:
    asked = tmp_path / "asked"
    asked.mkdir()
    tools = {
        "make": f'exec {shutil.which("make")} --dry-run "$@"',
        "npm": f'printf "%s\\n" "$@" >{asked}/npm',
        "terraform": f"PYTHONPATH={LIBRARY} exec {shlex.join(terraform_command)}"
        ' "${@/#apply/plan}"',
        "kubectl": 'for file in "${@:1}"; do [[ $file != *.yaml || -f $file ]]; done',
        "s": 'if [ "$1" = config ]; then set -- "$@" -a default --AccountID 1 --AccessKeyID LTAI'
        " --AccessKeySecret example; fi\n"
        f"export STANDIN_INPUTS=$(mktemp {asked}/$1.XXXX)\n"
        f'exec {serverless_devs.executable} "$@"',
    }
    with provider.serving() as environment:
        home = {"serverless_devs_config_home": str(tmp_path), "NODE_ENV": "test"}
        path = os.pathsep.join((str(_executables(tmp_path / "tools", tools)), os.environ["PATH"]))
        done = subprocess.run(  # noqa: S603  # what the README says
            ["bash", "-euo", "pipefail", "-c", "\n".join(chain(*COMMANDS))],  # noqa: S607  # it is where PATH says
            cwd=_clone(tmp_path / "clone"),
            env={**os.environ, **environment, **home, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (asked / "npm").read_text("utf-8").split()[-1] == _locked_tool()
    assert [each["props"]["handler"] for each in _inputs(asked, "deploy")] == ["handler.handle"]
    events = [parse_event(_event(each)) for each in _inputs(asked, "invoke")]
    assert sorted(event.dry_run for event in events) == [False, True]


def _clone(to: Path) -> Path:
    """A checkout with the virtual environment of these tests, and a stand-in for the component."""
    copy_code(to / "function")
    copy_infra(to / "infra")
    shutil.copytree(REPOSITORY / "infra" / "rbac", to / "infra" / "rbac")
    shutil.copytree(REPOSITORY / "bin", to / "bin")
    for name in (".env.example", "Makefile", "requirements-dev.txt"):
        shutil.copy(REPOSITORY / name, to / name)
    built_elsewhere = {"infra/package function/python ${vars.python}": "pwd"}
    text = with_standin(REPOSITORY / "s.yaml", built_elsewhere)
    (to / "s.yaml").write_text(text, encoding="utf-8")
    (to / ".venv").symlink_to(sys.prefix)
    return to


def _executables(folder: Path, scripts: dict[str, str]) -> Path:
    folder.mkdir()
    for name, script in scripts.items():
        file = folder / name
        file.write_text(f"#!/usr/bin/env bash\nset -euo pipefail\n{script}\n", encoding="utf-8")
        file.chmod(0o755)
    return folder


def _inputs(folder: Path, command: str) -> list[dict[str, Any]]:
    """What the component was given, each time that the command was asked for."""
    return [json.loads(file.read_text("utf-8")) for file in folder.glob(f"{command}.*")]


def _event(inputs: dict[str, Any]) -> str:
    arguments: list[str] = inputs["args"]
    return arguments[arguments.index("-e") + 1]


def _locked_tool() -> str:
    package = json.loads(
        Path(__file__).with_name("npm").joinpath("package.json").read_text("utf-8")
    )
    (name,) = package["dependencies"]
    return str(name)
