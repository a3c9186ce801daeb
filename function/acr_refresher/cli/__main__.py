"""Entry point of `python -m acr_refresher.cli`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run a command. An unexpected error is one line with its type and place, as everywhere.

    The imports are inside, so that Ctrl-C during them ends in one line, too.
    """
    try:
        _run()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted. Nothing was done.\n")
        os._exit(130)


def _run() -> None:
    import typer  # noqa: PLC0415  # see main

    from acr_refresher.cli.app import app  # noqa: PLC0415  # see main
    from acr_refresher.cli.exit import FAILED, INTERRUPTED  # noqa: PLC0415  # see main
    from acr_refresher.errors import unexpected_error  # noqa: PLC0415  # see main

    try:
        app(prog_name="acr-refresher")
    except SystemExit as end:
        if end.code == INTERRUPTED:  # while the result was printed: typer itself prints nothing
            typer.echo("Interrupted.", err=True)
        raise
    except OSError as error:  # the output cannot be written, for example to a full disk
        typer.echo(f"acr-refresher: {error.strerror}", err=True)
        sys.exit(FAILED)
    except Exception as error:  # noqa: BLE001  # a traceback does not help, and may show secrets
        typer.echo(f"acr-refresher: {unexpected_error(error).message}", err=True)
        sys.exit(FAILED)


main()
