"""How far a command has come: on standard error, and only where that is a terminal."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from acr_refresher.cli.sanitize import sanitize
from acr_refresher.log import configure_logging

Step = Callable[[str], None]
"""Told the name of each cluster that is done."""

CLUSTER_LINES = frozenset({"cluster.served", "cluster.failed", "cluster.skipped"})


@contextmanager
def progress(doing: str, clusters: int | None) -> Iterator[Step]:
    """Shows each step, of so many as there are clusters, None where that is yet to be found out.

    A run's log lines go nowhere else: the report has all that they tell.
    """
    console = Console(stderr=True)
    shown = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[last]}", style="dim", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with shown:
        task = shown.add_task(doing, total=clusters, last="")

        def step(cluster: str) -> None:
            shown.update(task, advance=1, last=sanitize(cluster))

        configure_logging(_ClusterLines(step))
        yield step


class _ClusterLines(io.StringIO):
    """A log whose lines about clusters are steps."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self._step = step

    def write(self, text: str) -> int:
        line = json.loads(text)
        if line["event"] in CLUSTER_LINES:
            self._step(line["cluster"])
        return len(text)
