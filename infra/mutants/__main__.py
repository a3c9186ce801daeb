"""Runs mutmut over the decisions and their application, and prints each fault that no test notices.

Exit code 1 only if the tests fail without any fault.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
STAGE = ROOT / "build" / "mutants"
"""mutmut finds modules by their path below `src`, so it runs in a folder that has one."""
LOG, OF_THE_LOG = STAGE / "mutmut.log", 3000  # characters
LINKED = {
    "src": "function",
    "infra": "infra",
    "docs": "docs",
    "function/config.yaml": "function/config.yaml",
    "tests/unit": "tests/unit",
}
MUTMUT = (sys.executable, "-m", "mutmut")
SURVIVED = {"survived", "no tests"}
NOT_RUN = {"not checked", "check was interrupted by user"}


def main() -> int:
    """Print the survivors and a summary."""
    parser = argparse.ArgumentParser(prog="python -m mutants", description=__doc__)
    parser.add_argument("--minutes", type=float, default=28, help="for the tests, without printing")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that mutmut ends too
    _stage()
    in_time = _run(asked.minutes, asked.workers)
    fates = dict(_fates())
    if in_time and all(fate in NOT_RUN for fate in fates.values()):
        sys.stderr.write(f"mutmut failed: {LOG.read_text(encoding='utf-8')[-OF_THE_LOG:]}\n")
        return 1
    for mutant, fate in fates.items():
        if fate in SURVIVED:
            sys.stdout.write(f"{_described(mutant)}\n")
    count = Counter(map(_summed, fates.values()))
    sys.stdout.write(
        f"{len(fates)} mutants, {count['killed']} killed, {count['survived']} survived,"
        f" {count['not run']} not run in time\n"
    )
    return 0


def _stage() -> None:
    """A folder with the code below `src`, for mutmut to copy; nothing is changed in place."""
    shutil.rmtree(STAGE, ignore_errors=True)
    tests = {f"tests/{path.name}": f"tests/{path.name}" for path in (ROOT / "tests").glob("*.py")}
    for link, target in (LINKED | tests).items():
        (STAGE / link).parent.mkdir(parents=True, exist_ok=True)
        (STAGE / link).symlink_to(ROOT / target)
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    settings = settings.replace('["function", "infra", "tests"]', '["src", "infra", "tests"]')
    (STAGE / "pyproject.toml").write_text(settings, encoding="utf-8")


def _run(minutes: float, workers: int) -> bool:
    """Whether mutmut ends in time; what it has found out until then is kept."""
    command = [*MUTMUT, "run", "--max-children", str(workers)]
    with (
        LOG.open("w", encoding="utf-8") as log,
        subprocess.Popen(  # noqa: S603  # arguments of our own
            command,
            cwd=STAGE,
            env=_environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as mutmut,
    ):
        try:
            mutmut.wait(60 * minutes)
        except subprocess.TimeoutExpired:
            return False
        finally:
            if mutmut.poll() is None:
                os.killpg(mutmut.pid, signal.SIGTERM)
    return True


def _fates() -> Iterator[tuple[str, str]]:
    for line in _asked("results", "--all", "true").splitlines():
        mutant, _, fate = line.strip().rpartition(": ")
        yield mutant, fate


def _summed(fate: str) -> str:
    """A time-out, a crash and a type error are noticed too."""
    if fate in SURVIVED:
        return "survived"
    return "not run" if fate in NOT_RUN else "killed"


def _described(mutant: str) -> str:
    """Where it is, and the change as a diff. Lines that mutmut gives count from the function."""
    _, _, diff = _asked("show", mutant).partition("\n+++ src/")
    path, _, hunks = diff.partition("\n")
    first = _first_line(ROOT / "function" / path, mutant.rpartition(".")[2])
    header, *lines = hunks.rstrip().splitlines()
    offset = int(header.split()[1].partition(",")[0].removeprefix("-")) - 1
    unchanged = next(number for number, line in enumerate(lines) if line.startswith(("-", "+")))
    return "\n".join([f"function/{path}:{first + offset + unchanged}", *lines, ""])


def _first_line(path: Path, mutant: str) -> int:
    """That of the function: mutmut names them `x_function` and `xǁClassǁmethod`."""
    *classes, name = mutant.partition("__mutmut_")[0].removeprefix("x_").split("ǁ")
    nodes: list[ast.stmt] = ast.parse(path.read_bytes()).body
    for each in classes[1:]:
        nodes = next(
            node.body for node in nodes if isinstance(node, ast.ClassDef) and node.name == each
        )
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return next(node.lineno for node in nodes if isinstance(node, functions) and node.name == name)


def _asked(*arguments: str) -> str:
    return subprocess.run(  # noqa: S603  # arguments of our own
        [*MUTMUT, *arguments],
        cwd=STAGE,
        env=_environment(),
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def _environment() -> Mapping[str, str]:
    """With our mypy, and without the code as it is: mutmut's copy is to be found."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": ""}


if __name__ == "__main__":
    sys.exit(main())
