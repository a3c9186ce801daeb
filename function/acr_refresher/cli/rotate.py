"""`acr-refresher rotate`: has the deployed function mint everything anew, whatever its age."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Annotated, Any

import typer

from acr_refresher.cli.exit import FAILED, confirm, exit_on_errors, interruptible
from acr_refresher.cli.options import (
    REGION_VARIABLES,
    AllowRemoval,
    Clusters,
    Namespaces,
    Output,
    OutputFormat,
    ReasonText,
    Registries,
)
from acr_refresher.cli.progress import progress
from acr_refresher.cli.refresh import event_for
from acr_refresher.cli.render import report_lines
from acr_refresher.cli.sanitize import as_json
from acr_refresher.cli.session import function_compute
from acr_refresher.config.events import parse_event
from acr_refresher.config.strict import Problem, quoted
from acr_refresher.core.model import Function
from acr_refresher.core.report import Report, report_from_json
from acr_refresher.errors import Invalid
from acr_refresher.run.ports import Functions

NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,127}"
Named = Annotated[
    str,
    typer.Option(
        "--function",
        metavar="NAME|SERVICE/FUNCTION",
        help="The function: of FC 3.0 by its name, of FC 2.0 with its service.",
        show_default=False,
    ),
]
Qualifier = Annotated[str, typer.Option(help="Its version or alias.", show_default="LATEST")]
Account = Annotated[
    str,
    typer.Option(
        envvar=["FC_ACCOUNT_ID", "ACR_REFRESHER_ACCOUNT"],
        help="The number of the account that it is in.",
        show_default=False,
    ),
]
Region = Annotated[
    str,
    typer.Option(
        envvar=list(REGION_VARIABLES),
        help="The region that it is in.",
        show_default=False,
    ),
]
Async = Annotated[bool, typer.Option("--async", help="Do not wait for it: print the task's ID.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def rotate(  # noqa: PLR0913  # a command has a parameter for each of its options
    function: Named,
    qualifier: Qualifier = "",
    clusters: Clusters = None,
    namespaces: Namespaces = None,
    registries: Registries = None,
    *,
    allow_removal: AllowRemoval = False,
    reason: ReasonText = "",
    account: Account = "",
    region: Region = "",
    asynchronous: Async = False,
    yes: Yes = False,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Have the deployed function renew the pull secrets by force, and show its report.

    The same as `s invoke -e '{"action": "refresh", "force": true}'`. The function goes by its
    own config.yaml. Tokens that were minted before live on until they expire.
    """
    with exit_on_errors():
        options = {"allowRemoval": allow_removal, "reason": reason}
        given = {key: value for key, value in options.items() if value}
        event = event_for(clusters, namespaces, registries, force=True, **given)
        parse_event(event)
        called = function_named(function, qualifier, region, account)
        with function_compute(region, tuple(_problems(called))) as functions:
            if not (yes or clusters or namespaces or registries):
                question = f"Renew every pull secret of every cluster that {function} serves?"
                confirm(question, ", or narrow it down by --cluster, --namespace or --registry")
            if asynchronous:
                _start(functions, called, event, output)
            else:
                _invoke(functions, called, event, output)


def function_named(name: str, qualifier: str, region_id: str, account_id: str) -> Function:
    """The function of that name, or of that service and name."""
    service, slash, function = name.rpartition("/")
    return Function(function, region_id, account_id, service or slash, qualifier)


def _problems(function: Function) -> Iterator[Problem]:
    """The account becomes part of the host name, so it may not be just any text."""
    name = f"{function.service}/{function.name}" if function.service else function.name
    yield from _unlike(f"({NAME}/)?{NAME}", "function", name, "write NAME, or SERVICE/FUNCTION")
    qualifier = rf"({NAME}|\d+)?"
    yield from _unlike(qualifier, "qualifier", function.qualifier, "write a version or an alias")
    remedy = "give --account, or set FC_ACCOUNT_ID or ACR_REFRESHER_ACCOUNT, to its number"
    yield from _unlike(r"\d+", "account", function.account_id, remedy)


def _unlike(pattern: str, what: str, value: str, remedy: str) -> Iterator[Problem]:
    if not re.fullmatch(pattern, value, re.ASCII):
        yield Problem(what, f"{quoted(value)} cannot be one" if value else "is not known", remedy)


def _invoke(functions: Functions, function: Function, event: str, output: OutputFormat) -> None:
    """Ends the command by what the run came to. Raises PortError."""
    with (
        interruptible("The function runs on, and logs what it does."),
        progress("rotating", None),
    ):
        answer = asyncio.run(functions.invoke(function, event.encode()))
    document, report = read_report(answer)
    if output is OutputFormat.JSON:
        typer.echo(as_json(document))
    else:
        for line in report_lines(report, datetime.now(timezone.utc)):
            typer.echo(line)
    if not document.get("ok", report.ok):
        raise typer.Exit(FAILED)


def read_report(answer: bytes) -> tuple[dict[str, Any], Report]:
    """The report that a function returned, as it came and as data. Raises Invalid."""
    try:
        return json.loads(answer), report_from_json(answer)
    except (RecursionError, ValueError) as error:
        raise Invalid(
            "the function did not return a report: is it acr-refresher?", service="fc"
        ) from error


def _start(functions: Functions, function: Function, event: str, output: OutputFormat) -> None:
    """Raises PortError."""
    task_id = f"rotate-{uuid.uuid4()}"
    started = f"The function may have been started all the same, as task {task_id}."
    with interruptible(started), progress("starting", None):
        asyncio.run(functions.start(function, event.encode(), task_id))
    told = (
        json.dumps({"task": task_id})
        if output is OutputFormat.JSON
        else f"Started as task {task_id}."
    )
    typer.echo(told)
