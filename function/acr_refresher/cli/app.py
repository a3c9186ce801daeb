"""All commands under one name: a module each."""

from __future__ import annotations

import typer

from acr_refresher.cli import import_helper, schema, validate

app = typer.Typer(
    help="Keeps the ACR pull secrets of many Kubernetes clusters fresh.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # their frames show local variables, which may be secret
)
app.command("validate")(validate.validate)
app.command("schema")(schema.schema)
app.command("import")(import_helper.import_helper)
