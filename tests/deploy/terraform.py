"""Terraform itself checks infra/terraform, with the stand-in for the provider."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deploy.serverless_devs import REPOSITORY, with_uv
from localkube.assets import only_process_in

_PREFIX = "acr-refresher-"
_LOCK = Path(__file__).with_name("terraform.txt")
LIBRARY = REPOSITORY / "build" / "terraform"
"""The folder of the package, if it had to be installed."""


@dataclass(frozen=True)
class Terraform:
    """The command, in a copy of infra/ beside a config.yaml.

    `environment` has the stand-in's address.
    """

    command: tuple[str, ...]
    infra: Path
    environment: Mapping[str, str]

    @property
    def root(self) -> Path:
        return self.infra / "terraform"

    def run(self, *arguments: str, workspace: str = "") -> subprocess.CompletedProcess[str]:
        chosen = {"TF_WORKSPACE": workspace} if workspace else {}
        return subprocess.run(  # noqa: S603  # the tool under test
            [*self.command, *arguments],
            cwd=self.root,
            env={**_environment(), **self.environment, **chosen, "PYTHONPATH": str(LIBRARY)},
            capture_output=True,
            text=True,
            check=False,
        )

    def output(self, *arguments: str, workspace: str = "") -> str:
        done = self.run(*arguments, workspace=workspace)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def configure(self, document: Mapping[str, Any]) -> None:
        """Replace config.yaml."""
        text = yaml.safe_dump({**document})
        (self.infra.parent / "function" / "config.yaml").write_text(text, encoding="utf-8")

    def plan(self, workspace: str = "", **variables: str) -> Plan:
        """What Terraform would create in an account, with the example's variables and changes."""
        self.output("init")
        self.output("plan", "-out=plan", *_given(variables), workspace=workspace)
        return Plan(json.loads(self.output("show", "-json", "plan", workspace=workspace)))

    def refusal(self, workspace: str = "", **variables: str) -> str:
        """The error instead of a plan, on one line."""
        self.output("init")
        done = self.run("plan", "-no-color", *_given(variables), workspace=workspace)
        assert done.returncode != 0, done.stdout
        return " ".join(done.stderr.replace("│", " ").split())


@dataclass(frozen=True)
class Plan:
    document: Mapping[str, Any]

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Address, such as `module.sls.alicloud_log_project.this`, to arguments."""
        root = self.document["planned_values"]["root_module"]
        return {
            resource["address"]: resource["values"]
            for module in (root, *root.get("child_modules", ()))
            for resource in module.get("resources", ())
            if resource["type"] == kind
        }

    def trusts(self) -> dict[str, Any]:
        """Trust policies by the role's name without the common prefix."""
        return {
            values["role_name"].removeprefix(_PREFIX): json.loads(
                values["assume_role_policy_document"]
            )
            for values in self.resources("alicloud_ram_role").values()
        }

    def policies(self) -> dict[str, Any]:
        """Policies by name without the common prefix."""
        return {
            values["policy_name"].removeprefix(_PREFIX): json.loads(values["policy_document"])
            for values in self.resources("alicloud_ram_policy").values()
        }

    def grants(self) -> dict[str, set[str]]:
        """The clusters in which a role is given the ClusterRole, by the ID of the role."""
        return {
            values["uid"]: {each["cluster"] for each in values["permissions"]}
            for values in self.resources("alicloud_cs_kubernetes_permissions").values()
        }

    def outputs(self) -> dict[str, Any]:
        values = self.document["planned_values"]["outputs"]
        return {name: output.get("value") for name, output in values.items()}


def command() -> tuple[str, ...]:
    """Terraform of this machine, or else from a package that is installed on first use in build/.

    Raises CalledProcessError or OSError if neither is possible.
    """
    if found := shutil.which("terraform"):
        return (found,)
    LIBRARY.parent.mkdir(exist_ok=True)
    with only_process_in(LIBRARY.parent):
        lock = LIBRARY / _LOCK.name
        if not lock.exists() or lock.read_bytes() != _LOCK.read_bytes():
            _install()
            shutil.copy(_LOCK, lock)
    return (sys.executable, str(Path(__file__).with_name("terraform_cli.py")))


def _install() -> None:
    shutil.rmtree(LIBRARY, ignore_errors=True)
    subprocess.run(  # noqa: S603  # uv, which is locked as well
        ["uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--python",  # noqa: S607  # it is where PATH says
         sys.executable, "--target", LIBRARY, "--requirements", _LOCK],
        env={**os.environ, **with_uv()},
        check=True,
    )  # fmt: skip


def copy_infra(to: Path) -> Path:
    """Copy the modules and the files that they read, without Terraform's working files."""
    for part in ("terraform", "ram", "sls"):
        if (REPOSITORY / "infra" / part).exists():
            ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars")
            shutil.copytree(REPOSITORY / "infra" / part, to / part, ignore=ignored)
    return to


def _given(variables: Mapping[str, str]) -> list[str]:
    changed = [f"-var={name}={value}" for name, value in variables.items()]
    return ["-var-file=terraform.tfvars.example", *changed]


def _environment() -> dict[str, str]:
    """An environment without user settings, questions and checks for updates."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    return {**kept, "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
