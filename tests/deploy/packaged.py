"""The function's code as it is uploaded, started like on the platform."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.serverless_devs import REPOSITORY, with_uv

_INSTANCE = Path(__file__).with_name("instance.py")


class NoInterpreter(Exception):
    """This machine has no Python of the version of a runtime."""


@dataclass(frozen=True)
class Package:
    """A complete code root, and the interpreter of its runtime."""

    root: Path
    interpreter: str
    tag: str
    """The version as in file names: `310`."""

    def invoke(self, context: Mapping[str, Any], *events: str, **variables: str) -> list[Any]:
        """The results of an instance with nothing else installed: a result or `{"error": …}` each.

        The first entry is that of `initialize`. Raises CalledProcessError with its stderr.
        """
        command = [self.interpreter, "-I", "-S", "-B", str(_INSTANCE), str(self.root)]
        done = subprocess.run(  # noqa: S603  # the interpreter of the runtime
            command,
            input=json.dumps({"context": context, "events": events}),
            env={"PATH": os.defpath, **variables},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        *_log, answers = done.stdout.splitlines()
        results: list[Any] = json.loads(answers)
        return results


def interpreter(version: str) -> str:
    """The Python of a runtime, from PYTHON310 or PYTHON312, the PATH, or pyenv.

    Raises NoInterpreter.
    """
    variable = f"PYTHON{version.replace('.', '')}"
    for candidate in _candidates(os.environ.get(variable), version):
        if _version_of(candidate) == version:
            return candidate
    raise NoInterpreter(f"no Python {version} here: install it, or name it in {variable}")


def _candidates(named: str | None, version: str) -> Iterator[str]:
    if named:
        yield named
    yield f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(str(path) for path in pyenv.glob(f"versions/{version}.*/bin/python"))


def _version_of(command: str) -> str:
    """Empty if it is no Python: some commands of pyenv on the PATH only print an instruction."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(  # noqa: S603  # a candidate from above
            [command, "-I", "-c", code], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def copy_code(to: Path) -> None:
    """The code root as in the repository, without built and compiled files."""
    ignored = shutil.ignore_patterns("__pycache__", "python")
    shutil.copytree(REPOSITORY / "function", to, ignore=ignored)


def build_dependencies(folder: Path, version: str, **variables: str) -> str:
    """Run infra/package and return its output."""
    done = subprocess.run(  # noqa: S603  # our own script
        [REPOSITORY / "infra" / "package", folder, version],
        env={**os.environ, **with_uv(), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
