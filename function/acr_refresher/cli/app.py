"""All commands under one name: a module each."""

from __future__ import annotations

import typer

from acr_refresher.cli import (
    check,
    demo,
    import_helper,
    plan,
    refresh,
    rotate,
    schema,
    status,
    unregister,
    validate,
)

app = typer.Typer(
    help="Keeps the ACR pull secrets of many Kubernetes clusters fresh.\n\n"
    "Commands that go to the cloud and to clusters use your own credentials, from the environment:"
    " ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET and, where they are temporary,"
    " ALIBABA_CLOUD_SECURITY_TOKEN.",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # else the lines of a docstring end where they end in the source
    pretty_exceptions_enable=False,  # their frames show local variables, which may be secret
)
app.command("validate")(validate.validate)
app.command("schema")(schema.schema)
app.command("import")(import_helper.import_helper)
app.command("plan")(plan.plan)
app.command("refresh")(refresh.refresh)
app.command("rotate")(rotate.rotate)
app.command("status")(status.status)
app.command("check")(check.check)
app.command("unregister")(unregister.unregister)
app.command("demo")(demo.demo)
