"""The names that a shell completes: those in the config.yaml that the command line goes by."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import typer

from acr_refresher.config import Config, ConfigError, load_config

USUAL_CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
CONFIG_VARIABLE = "ACR_REFRESHER_CONFIG"


def cluster_names(context: typer.Context, incomplete: str) -> list[str]:
    """Of the clusters that are configured. Those to be discovered are not known here."""
    config = _config(context)
    return _beginning(incomplete, (each.name for each in config.clusters)) if config else []


def registry_names(context: typer.Context, incomplete: str) -> list[str]:
    """Of all registries."""
    config = _config(context)
    return _beginning(incomplete, (each.name for each in config.registries)) if config else []


def _config(context: typer.Context) -> Config | None:
    """Also for `rotate`, which has no --config: what was deployed is most likely this one."""
    given = context.params.get("config") or os.environ.get(CONFIG_VARIABLE)
    try:
        return load_config(Path(given or USUAL_CONFIG))
    except ConfigError:
        return None  # a shell has no place to say what is wrong with it


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
