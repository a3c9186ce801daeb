"""Options that several commands share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from acr_refresher.cli import completion
from acr_refresher.cli.completion import CONFIG_VARIABLE, cluster_names, registry_names

USUAL_CONFIG = completion.USUAL_CONFIG
REGION_VARIABLES = ("FC_REGION", "ALIBABA_CLOUD_REGION_ID", "ACR_REFRESHER_REGION")
"""The last is that of .env, which s.yaml takes the region from."""


class Form(str, Enum):
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
    Form, typer.Option("--output", "-o", help="A table is for people, JSON for programs.")
]
Why = Annotated[str, typer.Option("--reason", help="Why, for the report and the records.")]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Renew secrets of any age, and remove even more than 30 % of a cluster's.",
    ),
]
