"""Serverless Devs at the locked version, which reads s.yaml."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localkube.assets import only_process_in

REPOSITORY = Path(__file__).resolve().parents[2]
STANDIN = Path(__file__).with_name("standin")
ACCOUNT = "1000000000000001"
FC3_SCHEMA = REPOSITORY.parent / "shared" / "fc3" / "schema.json"
"""The component's own schema of `props`, if it is in a folder beside this repository."""

_OURS = ("ACR_REFRESHER_ACCOUNT", "ACR_REFRESHER_REGION")
_LOCK = Path(__file__).with_name("npm")
_CACHE = REPOSITORY / "build" / "serverless-devs"


@dataclass(frozen=True)
class Deployment:
    """What `s deploy` left in a project's folder, and the input of the component."""

    folder: Path
    inputs: dict[str, Any]

    @property
    def code(self) -> Path:
        return self.folder / "function"


@dataclass(frozen=True)
class Answer:
    ok: bool
    output: str


@dataclass(frozen=True)
class ServerlessDevs:
    """The command `s`. `home` is where it keeps its settings and logs."""

    executable: Path
    home: Path

    def run(
        self, folder: Path, *arguments: str, account: str | None = ACCOUNT, **variables: str
    ) -> Answer:
        """Run it in a folder, for an account, on a PATH with uv, and without its daemons."""
        named = {} if account is None else {"ACR_REFRESHER_ACCOUNT": account}
        environment = {
            **{name: value for name, value in os.environ.items() if name not in _OURS},
            **with_uv(),
            "serverless_devs_config_home": str(self.home),
            "NODE_ENV": "test",  # no check for updates, no report of usage
            **named,
            **variables,
        }
        done = subprocess.run(  # noqa: S603  # the tool under test
            [self.executable, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return Answer(done.returncode == 0, done.stdout + done.stderr)

    def read(self, file: Path, account: str | None = ACCOUNT, **variables: str) -> dict[str, Any]:
        """The file with its variables filled in, as `s preview` shows it."""
        command = ("preview", "-t", file.name, "-o", "json")
        answer = self.run(file.parent, *command, account=account, **variables)
        assert answer.ok, answer.output
        document: dict[str, Any] = json.loads(answer.output[answer.output.index("\n{") :])
        return document


def with_uv() -> dict[str, str]:
    """The environment that infra/package needs in any folder: uv and a persistent cache."""
    tools = str(Path(sys.executable).parent)
    return {
        "PATH": os.pathsep.join((tools, os.environ["PATH"])),
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(REPOSITORY / "build" / "uv")),
    }


def installed() -> Path:
    """The tool's executable: installed from the lock file on first use, kept in build/."""
    executable = _CACHE / "node_modules" / ".bin" / "s"
    _CACHE.parent.mkdir(exist_ok=True)
    with only_process_in(_CACHE.parent):
        if not _up_to_date():
            _install()
    return executable


def _install() -> None:
    with tempfile.TemporaryDirectory(dir=_CACHE.parent) as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_LOCK / name, folder)
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],  # noqa: S607  # npm is where PATH says
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        shutil.rmtree(_CACHE, ignore_errors=True)
        shutil.copytree(folder, _CACHE, symlinks=True)


def _up_to_date() -> bool:
    lock = _CACHE / "package-lock.json"
    return lock.exists() and lock.read_bytes() == (_LOCK / lock.name).read_bytes()


def with_standin(file: Path, changes: Mapping[str, str] | None = None) -> str:
    """The file's text with the stand-in as its component, and other texts replaced."""
    text = file.read_text(encoding="utf-8")
    for component in ("fc3", "fc"):
        text = text.replace(f"component: {component}\n", f"component: {STANDIN}\n")
    for old, new in (changes or {}).items():
        assert text.count(old) == 1, f"{old} is not in {file.name} once"
        text = text.replace(old, new)
    return text


def props_of(document: dict[str, Any]) -> dict[str, Any]:
    """The properties of the only resource."""
    (resource,) = document["resources"].values()
    props: dict[str, Any] = resource["props"]
    return props
