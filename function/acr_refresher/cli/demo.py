"""`acr-refresher demo`: what `make demo` runs, from the same checkout."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from acr_refresher.cli.refusal import REFUSED

CHECKOUT = Path(__file__).resolve().parents[3]


def demo() -> None:
    """Play the main job through on this machine: a local cloud, local clusters, the function."""
    infra = CHECKOUT / "infra"
    if not (infra / "demo" / "__main__.py").is_file():
        typer.echo(f"demo: needs a checkout, and {infra} has no demo", err=True)
        raise typer.Exit(REFUSED)
    path = os.pathsep.join((str(CHECKOUT / "function"), str(infra)))
    environment = {**os.environ, "PYTHONPATH": path}
    # In place of this process: interrupted, it ends its servers itself, and nobody kills it early.
    os.execve(sys.executable, [sys.executable, "-m", "demo"], environment)  # noqa: S606  # our own
