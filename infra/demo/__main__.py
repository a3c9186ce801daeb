"""The main job, played through: a timer, again, fifty minutes later, and by hand with force.

Exit code 0: every secret came to what it should have. 1: the last line says what did not.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import time_machine
from rich.console import Console

from demo import cast, facts
from demo.stage import Stage, stage
from demo.table import table

MOVED_ON = timedelta(minutes=50)
WIDTH = 136


@dataclass(frozen=True)
class Scene:
    """One invocation: its title, how it is started, and what should come of it."""

    title: str
    invoke: Callable[[Stage], dict[str, Any]]
    result: str
    waiting: str
    rotates: bool
    later: timedelta = timedelta()


SCENES = (
    Scene("1. The timer fires for the first time", Stage.timer, "created", "created", rotates=True),
    Scene("2. It fires again at once", Stage.timer, "unchanged", "waiting", rotates=False),
    Scene(
        f"3. The timer fires when {MOVED_ON.seconds // 60} of the tokens' 60 minutes are gone",
        Stage.timer,
        "renewed",
        "renewed",
        rotates=True,
        later=MOVED_ON,
    ),
    Scene(
        '4. By hand: {"action": "refresh", "force": true, "reason": "suspected leak"}',
        lambda function: function.invoke(force=True, reason="suspected leak"),
        "renewed",
        "renewed",
        rotates=True,
        later=MOVED_ON,
    ),
)


def main() -> int:
    """Play every scene. 0 where all came out as it should."""
    console = Console(width=WIDTH, highlight=False)
    console.print("Starting a local Alibaba Cloud and three Kubernetes clusters ...")
    wrong: list[str] = []
    with cast.clusters() as (clusters, kind), stage(clusters) as function:
        console.print(f"Clusters: {', '.join(clusters)} ({kind})\n")
        for scene in SCENES:
            wrong += [f"{scene.title}: {mistake}" for mistake in _play(scene, function, console)]
    for mistake in wrong:
        console.print(f"[red]not as it should be[/] {mistake}")
    if not wrong:
        console.print("[green]Every secret is where it should be, and nowhere else.[/]")
    return 1 if wrong else 0


def _play(scene: Scene, function: Stage, console: Console) -> Iterator[str]:
    before = facts.tokens(function.clusters)
    log = io.StringIO()
    with time_machine.travel(datetime.now(timezone.utc) + scene.later, tick=True):
        began = time.perf_counter()
        with contextlib.redirect_stdout(log):
            report = scene.invoke(function)
        took = time.perf_counter() - began
        console.print(f"[bold]{scene.title}[/]\n")
        console.print(table(report))
    calls = len(function.cloud.calls())
    requests = sum(cluster["requests"] for cluster in report["clusters"])
    console.print(
        f"\n{took:.2f} s, {requests} requests to the clusters; calls to the cloud so far: {calls}."
        f" Last line of the log, in part:\n[dim]{_last_line(log)}[/]\n"
    )
    yield from facts.mistakes(function.clusters, report, scene.result, scene.waiting)
    yield from _unrotated(before, facts.tokens(function.clusters), rotates=scene.rotates)


def _unrotated(before: facts.Tokens, after: facts.Tokens, *, rotates: bool) -> Iterator[str]:
    for place in before.keys() & after.keys():
        for host in before[place].keys() & after[place].keys():
            if (before[place][host] != after[place][host]) is not rotates:
                yield f"the token for {host} in {'/'.join(place)} is {'old' if rotates else 'new'}"


def _last_line(log: io.StringIO) -> str:
    line = json.loads(log.getvalue().splitlines()[-1])
    shown = ("event", "run", "trigger", "ok", "clusters", "duration_ms", "earliest_expiry")
    return json.dumps({key: line[key] for key in shown})


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted. The local cloud and the clusters are gone.\n")
        sys.exit(130)
