"""`acr-refresher schema`: the JSON Schema of config.yaml, for editors."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import typer

from acr_refresher.cli.check import check
from acr_refresher.cli.exit import REFUSED
from acr_refresher.cli.import_helper import import_helper
from acr_refresher.cli.refresh import plan, refresh
from acr_refresher.cli.rotate import rotate
from acr_refresher.cli.status import status
from acr_refresher.cli.unregister import unregister
from acr_refresher.cli.validate import validate
from acr_refresher.config.document import json_schema


def schema() -> None:
    """Print the JSON Schema of config.yaml, for editors."""
    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


CHECKOUT = Path(__file__).resolve().parents[3]


def demo() -> None:
    """Play the main job through on this machine: a local cloud, local clusters, the function."""
    infra = CHECKOUT / "infra"
    if not (infra / "demo" / "__main__.py").is_file():
        typer.echo(f"demo: needs a checkout, and {infra} has no demo", err=True)
        raise typer.Exit(REFUSED)
    path = os.pathsep.join((str(CHECKOUT / "function"), str(infra)))
    environment = {**os.environ, "PYTHONPATH": path}
    # In place of this process: interrupted, it ends its servers itself, and nobody kills it early.
    os.execve(sys.executable, [sys.executable, "-m", "demo"], environment)  # noqa: S606  # our own


app = typer.Typer(
    help="Keeps the ACR pull secrets of many Kubernetes clusters fresh.\n\n"
    "Commands that go to the cloud and to clusters use your own credentials, from the environment:"
    " ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET and, where they are temporary,"
    " ALIBABA_CLOUD_SECURITY_TOKEN.",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # else the lines of a docstring end where they end in the source
    pretty_exceptions_enable=False,  # their frames show local variables, which may be secret
)
app.command("validate")(validate)
app.command("schema")(schema)
app.command("import")(import_helper)
app.command("plan")(plan)
app.command("refresh")(refresh)
app.command("rotate")(rotate)
app.command("status")(status)
app.command("check")(check)
app.command("unregister")(unregister)
app.command("demo")(demo)
