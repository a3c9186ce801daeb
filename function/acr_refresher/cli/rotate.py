"""`acr-refresher rotate`: lets the deployed function renew the pull secrets, whatever their age."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from acr_refresher.cli import options
from acr_refresher.cli.exit import confirm, exit_on_errors, interruptible
from acr_refresher.cli.options import OutputFormat
from acr_refresher.cli.refresh import finish_with_report
from acr_refresher.cli.session import function_compute, progress
from acr_refresher.config.strict import Problem, quoted
from acr_refresher.core.model import Function
from acr_refresher.core.report import Report, report_from_json
from acr_refresher.core.request import Request
from acr_refresher.errors import Invalid
from acr_refresher.run.ports import Functions

NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,127}"
FunctionOption = Annotated[
    str,
    typer.Option(
        "--function",
        metavar="NAME|SERVICE/FUNCTION",
        help="The function: its name in FC 3.0, its service and name in FC 2.0.",
        show_default=False,
    ),
]
QualifierOption = Annotated[
    str, typer.Option("--qualifier", help="The function's version or alias.", show_default="LATEST")
]
AccountOption = Annotated[
    str,
    options.from_environment(
        "--account", options.ACCOUNT_VARIABLES, "The ID of the function's Alibaba Cloud account."
    ),
]
FunctionRegionOption = Annotated[
    str, options.from_environment("--region", options.REGION_VARIABLES, "The function's region.")
]
AsyncOption = Annotated[
    bool, typer.Option("--async", help="Do not wait for the report. Print the ID of the task.")
]


def rotate(  # noqa: PLR0913  # a command has a parameter for each of its options
    function: FunctionOption,
    qualifier: QualifierOption = "",
    clusters: options.ClusterOption = None,
    namespaces: options.NamespaceOption = None,
    registries: options.RegistryOption = None,
    *,
    allow_removal: options.AllowRemovalOption = False,
    reason: options.ReasonOption = "",
    account: AccountOption = "",
    region: FunctionRegionOption = "",
    asynchronous: AsyncOption = False,
    yes: options.YesOption = False,
    output: options.OutputOption = OutputFormat.TABLE,
) -> None:
    """Let the deployed function renew the pull secrets, whatever their age, and show its report.

    This does the same as `s invoke -e '{"action": "refresh", "force": true}'`. The function uses
    its own config.yaml. Tokens that were minted before stay valid until they expire.
    """
    with exit_on_errors():
        fields = {"force": True, "allowRemoval": allow_removal, "reason": reason}
        request = options.request_for(clusters, namespaces, registries, **fields)
        event = options.event_for(clusters, namespaces, registries, **fields).encode()
        target = function_named(function, qualifier, region, account)
        with function_compute(region, tuple(_problems(target))) as functions:
            if not (yes or options.selection_of(request)):
                confirm(
                    f"This renews every pull secret of every cluster that {function} serves.",
                    ", or select with --cluster, --namespace or --registry",
                )
            if asynchronous:
                _start(functions, target, event, output)
            else:
                _invoke(functions, target, event, request, output)


def function_named(name: str, qualifier: str, region_id: str, account_id: str) -> Function:
    """The function of this name in FC 3.0, or of this service and name in FC 2.0."""
    service, slash, function = name.rpartition("/")
    return Function(function, region_id, account_id, service or slash, qualifier)


def _problems(function: Function) -> Iterator[Problem]:
    """What is wrong with the options. The account ID becomes part of the host name."""
    name = f"{function.service}/{function.name}" if function.service else function.name
    if not re.fullmatch(f"({NAME}/)?{NAME}", name, re.ASCII):
        problem = f"{quoted(name)} is not the name of a function"
        yield Problem("--function", problem, "use NAME or SERVICE/FUNCTION")
    if not re.fullmatch(rf"({NAME}|\d+)?", function.qualifier, re.ASCII):
        problem = f"{quoted(function.qualifier)} is not a qualifier"
        yield Problem("--qualifier", problem, "use a version or an alias")
    if not function.account_id:
        remedy = f"Use --account, or set {' or '.join(options.ACCOUNT_VARIABLES)}"
        yield options.Missing("account", "No account ID found", remedy)
    elif not re.fullmatch(r"\d+", function.account_id, re.ASCII):
        problem = f"{quoted(function.account_id)} is not an account ID"
        yield Problem("--account", problem, "use the account's number")


def _invoke(
    functions: Functions, function: Function, event: bytes, request: Request, output: OutputFormat
) -> None:
    """Print the report, and end the command by what it says. Raises PortError."""
    interrupted = "The function continues, and logs what it does."
    with interruptible(interrupted), progress("rotating", None):
        answer = asyncio.run(functions.invoke(function, event))
    document, report = read_report(answer)
    finish_with_report(report, request, output, document)


def read_report(answer: bytes) -> tuple[dict[str, Any], Report]:
    """The report of a function of any version, as its JSON and as data. Raises Invalid."""
    try:
        return json.loads(answer), report_from_json(answer)
    except (RecursionError, ValueError) as error:
        message = "the function did not return a report: is it acr-refresher?"
        raise Invalid(message, service="fc") from error


def _start(functions: Functions, function: Function, event: bytes, output: OutputFormat) -> None:
    """Start the function and print the ID of the task. Raises PortError."""
    task_id = f"rotate-{uuid.uuid4()}"
    interrupted = f"The function may have been started, as task {task_id}."
    with interruptible(interrupted), progress("starting", None):
        asyncio.run(functions.start(function, event, task_id))
    document = json.dumps({"task": task_id})
    typer.echo(document if output is OutputFormat.JSON else f"Started as task {task_id}.")
