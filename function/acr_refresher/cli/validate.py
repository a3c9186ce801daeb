"""`acr-refresher validate`: whether a config.yaml can be used, and everything that keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from acr_refresher.cli.refusal import refusing
from acr_refresher.config import load_config


def validate(
    file: Annotated[Path, typer.Argument(help="The config.yaml to look at.", show_default=False)],
) -> None:
    """Say what is wrong with a config.yaml: every problem at once, with its remedy."""
    with refusing():
        config = load_config(file)
    found = [
        _counted(len(config.clusters), "cluster", "clusters"),
        _counted(len(config.registries), "registry", "registries"),
    ]
    if config.discoveries:
        found.append(_counted(len(config.discoveries), "discovery", "discoveries"))
    typer.echo(f"ok: {', '.join(found)}")


def _counted(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"
