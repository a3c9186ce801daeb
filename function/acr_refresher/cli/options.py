"""Command-line options, the names that a shell completes for them, and the event they make."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from acr_refresher.config.events import InvalidEvent, parse_event
from acr_refresher.config.load import CONFIG_VARIABLE, ConfigError, load_config
from acr_refresher.config.strict import InvalidInput, Problem
from acr_refresher.core.request import Request

DEFAULT_CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
REGION_VARIABLES = ("FC_REGION", "ALIBABA_CLOUD_REGION_ID", "ACR_REFRESHER_REGION")
"""The last one is set in .env, where s.yaml reads the region."""
ACCOUNT_VARIABLES = ("FC_ACCOUNT_ID", "ACR_REFRESHER_ACCOUNT")
Globs = list[str] | None
Completion = Callable[[typer.Context, str], list[str]]


def cluster_names(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the names of the configured clusters. Discovered clusters are not known here."""
    return _complete(context, incomplete, "clusters")


def registry_names(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the names of all registries."""
    return _complete(context, incomplete, "registries")


def _complete(context: typer.Context, incomplete: str, section: str) -> list[str]:
    """The matching names in the configuration. `rotate` has no --config and uses the default."""
    given = context.params.get("config") or os.environ.get(CONFIG_VARIABLE)
    try:
        config = load_config(Path(given or DEFAULT_CONFIG))
    except ConfigError:
        return []  # completion cannot show an error
    return [each.name for each in getattr(config, section) if each.name.startswith(incomplete)]


# ---- options that several commands have ----------------------------------------------------------


class OutputFormat(str, Enum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


def from_environment(option: str, variables: Sequence[str], words: str) -> Any:
    """An option whose value can be in a variable instead. The first variable that is set counts."""
    return typer.Option(option, envvar=list(variables), help=words, show_default=False)


def _globs(option: str, things: str, complete: Completion | None = None) -> Any:
    words = f"Only these {things}. May be repeated."
    return typer.Option(option, metavar="GLOB", help=words, autocompletion=complete)


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
    from_environment(
        "--region",
        REGION_VARIABLES,
        "The region of STS, and of the logstore unless config.yaml names another one.",
    ),
]
ClusterOption = Annotated[Globs, _globs("--cluster", "clusters", cluster_names)]
NamespaceOption = Annotated[Globs, _globs("--namespace", "namespaces")]
RegistryOption = Annotated[Globs, _globs("--registry", "registries", registry_names)]
OutputOption = Annotated[
    OutputFormat,
    typer.Option("--output", "-o", help="Print a table for people, or JSON for programs."),
]
ReasonOption = Annotated[
    str, typer.Option("--reason", help="Why you do this. The report and the records show it.")
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


# ---- the event that the options make -------------------------------------------------------------


class Missing(Problem):
    """Something that a command needs and was not given."""

    def __str__(self) -> str:
        """Two sentences: what is missing, and how to give it."""
        return f"{self.problem}. {self.remedy}."


_OPTIONS = {
    "clusters": ("--cluster", "cluster"),
    "namespaces": ("--namespace", "namespace"),
    "registries": ("--registry", "registry"),
}


def event_for(clusters: Globs, namespaces: Globs, registries: Globs, **fields: object) -> str:
    """The event that requests the same as the options. Fields without a value are left out."""
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
    """Turn an InvalidEvent into an InvalidInput that names the options that match nothing."""
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
