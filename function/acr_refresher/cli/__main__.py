"""`python -m acr_refresher.cli`."""

from __future__ import annotations

import sys

import typer

from acr_refresher.bugs import bug
from acr_refresher.cli.app import app
from acr_refresher.cli.refusal import FAILED


def main() -> None:
    """Run a command. What nobody foresaw is told by its type and place, as everywhere."""
    try:
        app(prog_name="acr-refresher")
    except OSError as error:  # the output cannot be written: a full disk
        typer.echo(f"acr-refresher: {error.strerror}", err=True)
        sys.exit(FAILED)
    except Exception as error:  # noqa: BLE001  # a traceback helps no operator, and may show secrets
        typer.echo(f"acr-refresher: {bug(error).message}", err=True)
        sys.exit(FAILED)


main()
