"""How commands end: with a result or with errors, an exit code, and without a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.console import RenderableType

from acr_refresher.cli.options import OutputFormat
from acr_refresher.cli.render import as_json, sanitize, show
from acr_refresher.config.strict import InvalidInput
from acr_refresher.errors import PortError

FAILED = 1
REFUSED = 2
INTERRUPTED = 130
"""What shells use: 128, plus the number of the signal that Ctrl-C sends."""


@contextmanager
def exit_on_errors() -> Iterator[None]:
    """End the command with 2 if its input cannot be used, and with 1 if a service fails.

    Ctrl-C ends it with 130 and says that nothing was changed. So code that changes something must
    be in an `interruptible` of its own.
    """
    try:
        with interruptible("Nothing was changed."):
            yield
    except InvalidInput as error:
        refuse(*map(str, error.problems))
    except PortError as error:
        fail(str(error))


def refuse(*messages: str) -> NoReturn:
    """End the command with 2: it cannot start with what it was given."""
    _end(messages, REFUSED)


def fail(*messages: str) -> NoReturn:
    """End the command with 1: something failed or needs attention."""
    _end(messages, FAILED)


def print_result(
    output: OutputFormat, document: Mapping[str, Any], view: Iterable[RenderableType]
) -> None:
    """Print the document for programs, or the view for people."""
    if output is OutputFormat.JSON:
        typer.echo(as_json(document))
    else:
        show(*view)


def _end(messages: tuple[str, ...], code: int) -> NoReturn:
    for message in messages:
        typer.echo(sanitize(message), err=True)
    raise typer.Exit(code)


@contextmanager
def interruptible(message: str) -> Iterator[None]:
    """End the command at Ctrl-C. The message says what may have been done until then."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"Interrupted. {message}", err=True)
        sys.stdout.flush()
        os._exit(INTERRUPTED)  # Python would wait for threads that wait for answers of the cloud


def confirm(statement: str, alternative: str = "") -> None:
    """Ask whether to do what the statement says. Ends the command with 1 if the answer is no.

    Ends the command with 2 if standard input is not a terminal: then only --yes, or the
    alternative to it, confirms.
    """
    if not sys.stdin.isatty():
        refuse(f"{statement} stdin is not a terminal, so confirm with --yes{alternative}.")
    try:
        typer.confirm(f"{sanitize(statement)} Continue?", abort=True, err=True)
    except typer.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):  # typer treats it as a no
            raise KeyboardInterrupt from None
        raise
