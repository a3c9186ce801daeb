"""`acr-refresher check`: what a run needs is tried, and what to add where something is missing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain, groupby
from typing import Any

import typer
from rich.console import RenderableType
from rich.text import Text

from acr_refresher.cli.check_cluster import preflight
from acr_refresher.cli.check_rights import CheckResult, Verdict
from acr_refresher.cli.exit import FAILED, exit_on_errors
from acr_refresher.cli.options import (
    DEFAULT_CONFIG,
    ClusterOption,
    ConfigOption,
    OutputFormat,
    OutputOption,
    RegionOption,
    request_for,
)
from acr_refresher.cli.render import as_json, columns, sanitize, show
from acr_refresher.cli.session import (
    open_session,
    run_with_progress,
)

COLOURS = {
    Verdict.OK: "green",
    Verdict.WARNING: "yellow",
    Verdict.UNREACHABLE: "magenta",
    Verdict.MISSING: "bright_red",
}


def check(
    config: ConfigOption = DEFAULT_CONFIG,
    clusters: ClusterOption = None,
    *,
    region: RegionOption = "",
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Try every role, permission, cluster right, address and the clock. Nothing is written.

    The check uses the credentials in the environment. Set those of the function's role to see
    what the function may do. If something is missing, the statement or rule to add is printed.
    """
    with exit_on_errors():
        request = request_for(clusters, None, None)
        with open_session(config, region) as session:
            work = partial(preflight, session, request)
            results = run_with_progress(session, request, "checking", work)
    ok = not any(result.failing for result in results)
    if output is OutputFormat.JSON:
        document = {"ok": ok, "findings": [_to_json(result) for result in results]}
        typer.echo(as_json(document))
    else:
        show(*_view(sanitize(results)))
    if not ok:
        raise typer.Exit(FAILED)


def _view(results: tuple[CheckResult, ...]) -> Iterator[RenderableType]:
    for subject, group in groupby(results, key=lambda result: result.subject):
        tried = tuple(group)
        yield Text(subject, "bold")
        yield columns(map(_row, tried))
        yield from chain.from_iterable(map(_grants, tried))
        yield Text()
    verdicts = [result.verdict for result in results]
    counts = (f"{verdicts.count(each)} {each.value}" for each in Verdict if each in verdicts)
    yield Text(", ".join(counts))


def _row(result: CheckResult) -> tuple[Text, Text]:
    verdict = Text(f"  {result.verdict.value}", COLOURS[result.verdict])
    return verdict, Text("\n".join(filter(None, (result.what, result.why))))


def _grants(result: CheckResult) -> Iterator[Text]:
    """What to add, on lines that are never broken, so that they can be copied."""
    for grant in result.grants:
        yield Text(f"  For {result.what}, add to {grant.where}:")
        yield Text(f"    {grant.text}")


def _to_json(result: CheckResult) -> dict[str, Any]:
    return {
        "subject": result.subject,
        "what": result.what,
        "verdict": result.verdict.value,
        "why": result.why,
        "grants": [{"where": grant.where, "text": grant.text} for grant in result.grants],
    }
