"""How a command ends that cannot do its work: lines on stderr, an exit code, no traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from acr_refresher.cli.sanitize import sanitize
from acr_refresher.config.strict import InvalidInput, Problem
from acr_refresher.errors import PortError

FAILED = 1
REFUSED = 2
INTERRUPTED = 130
"""As shells have it: 128, and the number of the signal of Ctrl-C."""


@contextmanager
def exit_on_errors() -> Iterator[None]:
    """Ends the command: with 2 where its input cannot be used, with 1 where a service fails it.

    With 130 where it is interrupted, saying that nothing was changed: what changes anything is to
    stand in an `interruptible` of its own.
    """
    try:
        with interruptible("Nothing was changed."):
            yield
    except InvalidInput as error:
        for problem in error.problems:
            typer.echo(sanitize(str(problem)), err=True)
        raise typer.Exit(REFUSED) from None
    except PortError as error:
        typer.echo(sanitize(f"{error.service}: {error}"), err=True)
        raise typer.Exit(FAILED) from None


@contextmanager
def interruptible(told: str) -> Iterator[None]:
    """Ends the command where Ctrl-C interrupts it, with what may have been done until then."""
    try:
        yield
    except KeyboardInterrupt:
        exit_now(f"Interrupted. {told}")


def exit_now(told: str) -> NoReturn:
    """At once: the interpreter would wait for threads that wait for the cloud's answers."""
    typer.echo(told, err=True)
    sys.stdout.flush()
    os._exit(INTERRUPTED)


def confirm(question: str, alternative: str = "") -> None:
    """Goes on if somebody at a terminal says yes, and ends the command with 1 if they do not.

    Raises InvalidInput where there is nobody to ask, with what else could be given than --yes.
    """
    if not sys.stdin.isatty():
        remedy = f"give --yes{alternative}"
        raise InvalidInput([Problem(question, "nobody is there to ask", remedy)])
    try:
        typer.confirm(question, abort=True, err=True)
    except typer.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):  # which typer takes for a no
            raise KeyboardInterrupt from None
        raise
