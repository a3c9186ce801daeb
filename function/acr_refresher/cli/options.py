"""Command-line options, the names that a shell completes for them, and the event they stand for."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from acr_refresher.config.events import InvalidEvent, parse_event
from acr_refresher.config.load import Config, ConfigError, load_config
from acr_refresher.config.strict import InvalidInput, Problem
from acr_refresher.core.request import Request

DEFAULT_CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
CONFIG_VARIABLE = "ACR_REFRESHER_CONFIG"
REGION_VARIABLES = ("FC_REGION", "ALIBABA_CLOUD_REGION_ID", "ACR_REFRESHER_REGION")
"""The last one is set in .env, where s.yaml reads the region."""
ACCOUNT_VARIABLES = ("FC_ACCOUNT_ID", "ACR_REFRESHER_ACCOUNT")


def cluster_names(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the names of the configured clusters. Discovered clusters are not known here."""
    config = _configured(context)
    return _starting_with(incomplete, (each.name for each in config.clusters)) if config else []


def registry_names(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the names of all registries."""
    config = _configured(context)
    return _starting_with(incomplete, (each.name for each in config.registries)) if config else []


def _configured(context: typer.Context) -> Config | None:
    """The configuration of the command line. `rotate` has no --config and uses the default."""
    given = context.params.get("config") or os.environ.get(CONFIG_VARIABLE)
    try:
        return load_config(Path(given or DEFAULT_CONFIG))
    except ConfigError:
        return None  # completion cannot show an error


def _starting_with(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


# ---- options that several commands have ----------------------------------------------------------


class OutputFormat(str, Enum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config",
        envvar=CONFIG_VARIABLE,
        help="The config.yaml to use.",
        show_default="function/config.yaml",
    ),
]
RegionOption = Annotated[
    str,
    typer.Option(
        "--region",
        envvar=list(REGION_VARIABLES),
        help="The region of STS, and of the logstore unless config.yaml names another one.",
        show_default=False,
    ),
]
ClusterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--cluster",
        metavar="GLOB",
        help="Only these clusters. May be repeated.",
        autocompletion=cluster_names,
    ),
]
NamespaceOption = Annotated[
    list[str] | None,
    typer.Option("--namespace", metavar="GLOB", help="Only these namespaces. May be repeated."),
]
RegistryOption = Annotated[
    list[str] | None,
    typer.Option(
        "--registry",
        metavar="GLOB",
        help="Only these registries. May be repeated.",
        autocompletion=registry_names,
    ),
]
OutputOption = Annotated[
    OutputFormat,
    typer.Option("--output", "-o", help="Print a table for people, or JSON for programs."),
]
ReasonOption = Annotated[
    str, typer.Option("--reason", help="Why you do this. Stands in the report and the records.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Renew pull secrets of any age.")]
AllowRemovalOption = Annotated[
    bool,
    typer.Option(
        "--allow-removal",
        help="Allow a run to remove more than 30 % of the pull secrets of a cluster.",
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


# ---- the event that the options stand for --------------------------------------------------------


class Missing(Problem):
    """Something that a command needs and was not given."""

    def __str__(self) -> str:
        """Two sentences: what is missing, and how to give it."""
        return f"{self.problem}. {self.remedy}."


Globs = list[str] | None
_OPTIONS = {
    "clusters": ("--cluster", "cluster"),
    "namespaces": ("--namespace", "namespace"),
    "registries": ("--registry", "registry"),
}


def event_for(clusters: Globs, namespaces: Globs, registries: Globs, **fields: object) -> str:
    """The event that asks for the same as the options. Fields without a value are left out."""
    selection = {"clusters": clusters, "namespaces": namespaces, "registries": registries}
    given = {key: value for key, value in {**selection, **fields}.items() if value}
    return json.dumps({"action": "refresh", **given})


def request_for(clusters: Globs, namespaces: Globs, registries: Globs, **fields: object) -> Request:
    """The request that the options make. Raises InvalidInput, which names the wrong options."""
    try:
        return parse_event(event_for(clusters, namespaces, registries, **fields))
    except InvalidEvent as error:
        raise InvalidInput(map(_by_option, error.problems)) from None


@contextmanager
def unmatched_by_option(request: Request) -> Iterator[None]:
    """Turns an InvalidEvent into an InvalidInput that names the options that match nothing."""
    try:
        yield
    except InvalidEvent as error:
        raise InvalidInput(_unmatched(request, problem) for problem in error.problems) from None


def selection_of(request: Request) -> str:
    """The options that narrow the request down, as typed: `--cluster prod --namespace web`."""
    return " ".join(
        f"{option} {glob}"
        for key, (option, _) in _OPTIONS.items()
        for glob in getattr(request, key)
    )


def _by_option(problem: Problem) -> Problem:
    """The problem under the name of the option, instead of the event's field."""
    field = problem.path.partition("[")[0]
    option, _ = _OPTIONS.get(field, (f"--{field}", ""))
    return replace(problem, path=option)


def _unmatched(request: Request, problem: Problem) -> Problem:
    found = re.fullmatch(r"(clusters|registries)\[(\d+)\]", problem.path)
    if not found:
        return _by_option(problem)
    option, thing = _OPTIONS[found[1]]
    pattern = getattr(request, found[1])[int(found[2])]
    return Problem(f"{option} {pattern}", f"no such {thing}", problem.remedy)
