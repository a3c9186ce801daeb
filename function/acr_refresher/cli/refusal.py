"""How a command ends that cannot do its work: lines on stderr, an exit code, no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from acr_refresher.cli.printable import printable
from acr_refresher.errors import PortError
from acr_refresher.inputs.problems import InvalidInput

FAILED = 1
REFUSED = 2


@contextmanager
def refusing() -> Iterator[None]:
    """Ends the command: with 2 where its input cannot be used, with 1 where a service fails it."""
    try:
        yield
    except InvalidInput as error:
        for problem in error.problems:
            typer.echo(printable(str(problem)), err=True)
        raise typer.Exit(REFUSED) from None
    except PortError as error:
        typer.echo(printable(f"{error.service}: {error}"), err=True)
        raise typer.Exit(FAILED) from None
