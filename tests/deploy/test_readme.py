"""Two newcomers take the README's steps from a clone to a first refresh, one after another.

Nothing of theirs is the example's: an ID that stands fixed somewhere would come to light. The tools
are real, except for what they would change elsewhere: npm installs nothing, Terraform
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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from acr_refresher.config.events import parse_event
from deploy import provider
from deploy.packaged import copy_code
from deploy.serverless_devs import REPOSITORY, ServerlessDevs, with_standin
from deploy.terraform import LIBRARY, Plan, copy_infra

README = (REPOSITORY / "README.md").read_text("utf-8")
_SECTION = README.split("## Deploy\n")[1].split("\n## ")[0]
STEPS = re.findall(r"^\d+\. (.*?)(?=^\d+\. |\Z)", _SECTION, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [[code for code in re.findall(r"`([^`]*)`", step) if " " in code] for step in STEPS]
"""The parts of each step. A part without a space is the name of a file."""
EVERY_OTHER_ACCOUNT = "TF_WORKSPACE=partner "
"""The first command that is repeated for each account other than the function's."""

OURS = {
    "1000000000000001": "4000000000000004",
    "2000000000000002": "5000000000000005",
    "3000000000000003": "6000000000000006",
    "cri-acmehz0000000001": "cri-oursfra000000004",
    "cri-partnerbj00000001": "cri-theirslon0000005",
    "c1d00000000000000000000000000001": "c4f00000000000000000000000000004",
    "c1d00000000000000000000000000002": "c6f00000000000000000000000000006",
    "cn-hangzhou": "eu-central-1",
    "cn-beijing": "eu-west-1",
    "platform-on-call": "our-on-call",
}
"""Replacements for the values of the example company."""
HOME, PARTNER = list(OURS.values())[:2]
FUNCTION_ROLE = f"acs:ram::{HOME}:role/acr-refresher-function"


@dataclass(frozen=True)
class Newcomer:
    """A newcomer who follows the steps, with the edited files and the other accounts."""

    files: Mapping[str, str]
    other_accounts: Sequence[str] = ()


def _ours(text: str) -> str:
    for theirs, ours in OURS.items():
        text = text.replace(theirs, ours)
    return text


def _example(name: str) -> str:
    return _ours((REPOSITORY / name).read_text("utf-8"))


ENV, TFVARS, CONFIG = ".env", "infra/terraform/terraform.tfvars", "function/config.yaml"
ONE_ACCOUNT = Newcomer(
    {
        ENV: _example(".env.example"),
        CONFIG: _ours(README.split("```yaml\n")[1].split("```")[0]),
        TFVARS: f'region = "eu-central-1"\naccounts = {{ default = {{ number = "{HOME}" }} }}\n'
        'action_policy = "our-on-call"\n',
    }
)
THREE_ACCOUNTS = Newcomer(
    {
        ENV: _example(".env.example"),
        CONFIG: _example("function/config.yaml"),
        TFVARS: _example("infra/terraform/terraform.tfvars.example"),
    },
    ("beijing", "partner"),
)


@dataclass(frozen=True)
class Taken:
    """The result of the steps: the inputs of npm and the component, and plans by workspace."""

    folder: Path

    def plan(self, workspace: str = "default") -> Plan:
        return Plan(json.loads((self.folder / f"plan.{workspace}.json").read_text("utf-8")))

    def inputs(self, command: str) -> list[dict[str, Any]]:
        """The inputs of the component, for each call of the command."""
        return [json.loads(file.read_text("utf-8")) for file in self.folder.glob(f"{command}.*")]

    def everything(self) -> str:
        return "".join(file.read_text("utf-8") for file in self.folder.glob("*.json")) + "".join(
            json.dumps(each["props"]) for each in self.inputs("deploy")
        )


def test_there_are_at_most_ten_steps_and_each_is_a_command() -> None:
    assert 0 < len(STEPS) <= 10
    once = [
        [command for command in commands if not command.startswith(EVERY_OTHER_ACCOUNT)]
        for commands in COMMANDS
    ]
    assert all(len(commands) == 1 for commands in once)


@pytest.fixture(scope="module")
def with_one(
    tmp_path_factory: pytest.TempPathFactory,
    serverless_devs: ServerlessDevs,
    terraform_command: tuple[str, ...],
) -> Taken:
    return _take(ONE_ACCOUNT, tmp_path_factory.mktemp("one"), serverless_devs, terraform_command)


@pytest.fixture(scope="module")
def with_three(
    tmp_path_factory: pytest.TempPathFactory,
    serverless_devs: ServerlessDevs,
    terraform_command: tuple[str, ...],
) -> Taken:
    folder = tmp_path_factory.mktemp("three")
    return _take(THREE_ACCOUNTS, folder, serverless_devs, terraform_command)


@pytest.mark.parametrize("newcomer", ["with_one", "with_three"])
def test_the_steps_lead_from_a_clone_to_a_refresh(
    newcomer: str, request: pytest.FixtureRequest
) -> None:
    taken: Taken = request.getfixturevalue(newcomer)
    assert (taken.folder / "npm").read_text("utf-8").split()[-1] == _locked_tool()
    (deployed,) = (each["props"] for each in taken.inputs("deploy"))
    assert (deployed["handler"], deployed["region"]) == ("handler.handle", "eu-central-1")
    assert taken.plan().outputs()["s_yaml"] == {
        "role": deployed["role"],
        "project": deployed["logConfig"]["project"],
        "logstore": deployed["logConfig"]["logstore"],
        "destination": deployed["asyncInvokeConfig"]["destinationConfig"]["onFailure"][
            "destination"
        ],
    }
    assert deployed["role"] == FUNCTION_ROLE
    events = [parse_event(_event(each)) for each in taken.inputs("invoke")]
    assert sorted(event.dry_run for event in events) == [False, True]
    for example in OURS:
        assert example not in taken.everything()


def test_with_a_single_account_the_functions_role_has_all_permissions(with_one: Taken) -> None:
    plan = with_one.plan()
    assert set(plan.trusts()) == {"function"}
    assert f"instance/{OURS['cri-acmehz0000000001']}" in str(
        plan.policies()["function-registry-main"]
    )
    assert plan.grants() == {
        "id-of-acr-refresher-function": {OURS["c1d00000000000000000000000000001"]}
    }


def test_with_three_accounts_each_account_trusts_the_function(with_three: Taken) -> None:
    made = {name: set(with_three.plan(name).trusts()) for name in ("default", "beijing", "partner")}
    assert made == {
        "default": {"function", "cluster"}, "beijing": {"cluster"}, "partner": {"registry"},
    }  # fmt: skip
    for name in ("beijing", "partner"):
        (trust,) = with_three.plan(name).trusts().values()
        assert trust["Statement"][0]["Principal"] == {"RAM": [FUNCTION_ROLE]}
    assert f"{PARTNER}:instance/{OURS['cri-partnerbj00000001']}" in str(
        with_three.plan("partner").policies()
    )
    assert with_three.plan("beijing").grants() == {
        "id-of-acr-refresher-cluster": {OURS["c1d00000000000000000000000000002"]}
    }


def _take(
    newcomer: Newcomer,
    folder: Path,
    serverless_devs: ServerlessDevs,
    terraform_command: tuple[str, ...],
) -> Taken:
    asked = folder / "asked"
    asked.mkdir()
    tools = {
        "make": f'exec {shutil.which("make")} --dry-run "$@"',
        "npm": f'printf "%s\\n" "$@" >{asked}/npm',
        "terraform": _TERRAFORM.format(
            library=LIBRARY, command=shlex.join(terraform_command), asked=asked
        ),
        "kubectl": 'for file in "${@:1}"; do [[ $file != *.yaml || -f $file ]]; done',
        "s": 'if [ "$1" = config ]; then set -- "$@" -a default --AccountID 1 --AccessKeyID LTAI'
        " --AccessKeySecret example; fi\n"
        f"export STANDIN_INPUTS=$(mktemp {asked}/$1.XXXX)\n"
        f'exec {serverless_devs.executable} "$@"',
    }
    with provider.serving(HOME) as environment:
        home = {"serverless_devs_config_home": str(folder), "NODE_ENV": "test"}
        path = os.pathsep.join((str(_executables(folder / "tools", tools)), os.environ["PATH"]))
        done = subprocess.run(  # noqa: S603  # what the README says
            ["bash", "-euo", "pipefail", "-c", _script(newcomer, folder / "edited")],  # noqa: S607  # it is where PATH says
            cwd=_clone(folder / "clone"),
            env={**os.environ, **environment, **home, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return Taken(asked)


_TERRAFORM = """
run() {{ PYTHONPATH={library} {command} "$@"; }}
[[ $* = *" apply" ]] || {{ run "$@"; exit; }}
plan={asked}/plan.${{TF_WORKSPACE:-default}}
run "${{@/#apply/plan}}" -out="$plan"
run "$1" show -json "$plan" >"$plan.json"
rm "$plan"
"""
"""A stand-in that plans instead of applying, and keeps the plan."""


def _script(newcomer: Newcomer, edited: Path) -> str:
    """The commands of each step, with the newcomer's file after the step that edits it."""
    lines = []
    for step, commands in zip(STEPS, COMMANDS, strict=True):
        for command in commands:
            if not command.startswith(EVERY_OTHER_ACCOUNT):
                lines.append(command)
                continue
            lines += [command.replace("=partner ", f"={name} ") for name in newcomer.other_accounts]
        for name, text in newcomer.files.items():
            if f"edit `{name}`" in step or f" {name}`" in step.partition(" — ")[0]:
                file = edited / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
                # Edited files are placed before the command, copied files are edited after it.
                lines.insert(len(lines) - 1 if "edit" in step else len(lines), f"cp {file} {name}")
    return "\n".join(lines)


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


def _event(inputs: dict[str, Any]) -> str:
    arguments: list[str] = inputs["args"]
    return arguments[arguments.index("-e") + 1]


def _locked_tool() -> str:
    package = json.loads(
        Path(__file__).with_name("npm").joinpath("package.json").read_text("utf-8")
    )
    (name,) = package["dependencies"]
    return str(name)
