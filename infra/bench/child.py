"""Processes of their own for what is measured, for what it is compared with, and for the servers.

A child answers questions: one JSON object a line on its stdin, one a line on its stdout.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
Ask: TypeAlias = Callable[..., Json]

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
CLIENT_CORE, SERVER_CORE = 0, 1
"""Client and server do not share a core where there are two: neither slows the other down."""

STOP_TIMEOUT_SECONDS = 10


@contextmanager
def child(module: str, core: int, **variables: str) -> Iterator[Ask]:
    """A process of `python -m module` on one core; gives what asks it. Ended on exit."""
    with starting_on(core):
        process = subprocess.Popen(  # noqa: S603  # our own module
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables},
        )

    def ask(question: str, **details: object) -> Json:
        assert process.stdin  # noqa: S101  # for the type checker: both are pipes
        assert process.stdout  # noqa: S101  # as above
        process.stdin.write(json.dumps({"question": question, **details}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{module} ended when it was asked {question!r}: see above")
        answer: Json = json.loads(line)
        return answer

    try:
        yield ask
    finally:
        process.stdin.close()  # type: ignore[union-attr]  # a pipe, as above
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()  # type: ignore[union-attr]  # a pipe, as above


@contextmanager
def starting_on(core: int) -> Iterator[None]:
    """Processes that are started meanwhile stay on this core, where there are two."""
    if len(CORES) < 2:
        yield
        return
    os.sched_setaffinity(0, {CORES[core % len(CORES)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, CORES)


def answer_questions(answers: Mapping[str, Callable[..., Json]]) -> None:
    """Be a child, until stdin ends. What else is printed goes nowhere."""
    with os.fdopen(os.dup(1), "w") as replies:
        sys.stdout.flush()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        for line in sys.stdin:
            details = json.loads(line)
            answer = answers[details.pop("question")](**details)
            replies.write(json.dumps(answer) + "\n")
            replies.flush()


def measured(call: Callable[[], Json]) -> Json:
    """What the call gives, with its wall and CPU seconds and the process's peak memory in MB."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = call()
    return answer | {
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
        "peak_mb": peak_mb(),
    }


def peak_mb() -> float:
    """The most memory that this process ever had resident.

    Linux's getrusage also counts the process that started this one: a fork begins with its pages.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
