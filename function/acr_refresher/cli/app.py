"""The command line: its commands, and those that need no module of their own."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from acr_refresher import __version__
from acr_refresher.cli.check import check
from acr_refresher.cli.exit import refuse
from acr_refresher.cli.import_helper import import_helper
from acr_refresher.cli.refresh import plan, refresh
from acr_refresher.cli.rotate import rotate
from acr_refresher.cli.status import status
from acr_refresher.cli.unregister import unregister
from acr_refresher.cli.validate import validate
from acr_refresher.config.document import json_schema

CHECKOUT = Path(__file__).resolve().parents[3]


def schema() -> None:
    """Print the JSON Schema of config.yaml, for editors."""
    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


def demo() -> None:
    """Show the main job on this machine: a local cloud, local clusters and the function."""
    infra = CHECKOUT / "infra"
    if not (infra / "demo" / "__main__.py").is_file():
        refuse(f"The demo needs a checkout of the repository: {infra} has no demo.")
    path = os.pathsep.join((str(CHECKOUT / "function"), str(infra)))
    environment = {**os.environ, "PYTHONPATH": path}
    # The demo replaces this process, so that Ctrl-C reaches it and it can stop its servers.
    os.execve(sys.executable, [sys.executable, "-m", "demo"], environment)  # noqa: S606  # our own


app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",  # without it, the lines of a docstring end as in the source
    pretty_exceptions_enable=False,  # they show local variables, which may be secret
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001  # typer passes the option's value
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Keeps the ACR pull secrets of many Kubernetes clusters fresh.

    Commands that call the cloud and clusters use your own credentials. Set
    ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, and
    ALIBABA_CLOUD_SECURITY_TOKEN if the credentials are temporary.
    """


app.command()(validate)
app.command()(schema)
app.command("import")(import_helper)
for command in (plan, refresh, rotate, status, check, unregister, demo):
    app.command()(command)
