"""The names that a shell completes: those in the config.yaml that the command line goes by."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from acr_refresher.config import Config, ConfigError, load_config


def cluster_names(context: typer.Context, incomplete: str) -> list[str]:
    """Of the clusters that are configured. Those to be discovered are not known here."""
    config = _config(context)
    return _beginning(incomplete, (each.name for each in config.clusters)) if config else []


def registry_names(context: typer.Context, incomplete: str) -> list[str]:
    """Of all registries."""
    config = _config(context)
    return _beginning(incomplete, (each.name for each in config.registries)) if config else []


def _config(context: typer.Context) -> Config | None:
    file = context.params.get("config")
    try:
        return load_config(file) if file else None
    except ConfigError:
        return None  # a shell has no place to say what is wrong with it


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
