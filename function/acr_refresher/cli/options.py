"""The names that a shell completes: those in the config.yaml that the command line goes by."""

from __future__ import annotations

import os
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from acr_refresher.config.load import Config, ConfigError, load_config

DEFAULT_CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
CONFIG_VARIABLE = "ACR_REFRESHER_CONFIG"


def cluster_names(context: typer.Context, incomplete: str) -> list[str]:
    """Of the clusters that are configured. Those to be discovered are not known here."""
    config = _configured(context)
    return _starting_with(incomplete, (each.name for each in config.clusters)) if config else []


def registry_names(context: typer.Context, incomplete: str) -> list[str]:
    """Of all registries."""
    config = _configured(context)
    return _starting_with(incomplete, (each.name for each in config.registries)) if config else []


def _configured(context: typer.Context) -> Config | None:
    """Also for `rotate`, which has no --config: what was deployed is most likely this one."""
    given = context.params.get("config") or os.environ.get(CONFIG_VARIABLE)
    try:
        return load_config(Path(given or DEFAULT_CONFIG))
    except ConfigError:
        return None  # a shell has no place to say what is wrong with it


def _starting_with(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


REGION_VARIABLES = ("FC_REGION", "ALIBABA_CLOUD_REGION_ID", "ACR_REFRESHER_REGION")
"""The last is that of .env, which s.yaml takes the region from."""


class OutputFormat(str, Enum):
    """How a result is written."""

    TABLE = "table"
    """For people."""
    JSON = "json"
    """For programs."""


ConfigFile = Annotated[
    Path,
    typer.Option(
        "--config",
        envvar=CONFIG_VARIABLE,
        help="The config.yaml to go by.",
        show_default="function/config.yaml",
    ),
]
Region = Annotated[
    str,
    typer.Option(
        envvar=list(REGION_VARIABLES),
        help="The region of STS, and of the logstore unless config.yaml names another.",
        show_default=False,
    ),
]
Clusters = Annotated[
    list[str] | None,
    typer.Option(
        "--cluster",
        metavar="GLOB",
        help="Only these clusters; may be repeated.",
        autocompletion=cluster_names,
    ),
]
Namespaces = Annotated[
    list[str] | None,
    typer.Option("--namespace", metavar="GLOB", help="Only these namespaces; may be repeated."),
]
Registries = Annotated[
    list[str] | None,
    typer.Option(
        "--registry",
        metavar="GLOB",
        help="Only these registries; may be repeated.",
        autocompletion=registry_names,
    ),
]
Output = Annotated[
    OutputFormat, typer.Option("--output", "-o", help="A table is for people, JSON for programs.")
]
ReasonText = Annotated[str, typer.Option("--reason", help="Why, for the report and the records.")]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Renew all pull secrets, whatever their age.",
    ),
]
AllowRemoval = Annotated[
    bool,
    typer.Option(
        "--allow-removal",
        help="Allow the removal of more than 30 % of a cluster's pull secrets in one run.",
    ),
]
