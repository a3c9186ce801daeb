"""`acr-refresher check`: a preflight, and what to paste where something is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import groupby
from typing import Any

import typer

from acr_refresher.cli.findings import Finding, Verdict
from acr_refresher.cli.from_here import check_names, cluster_count, request_for
from acr_refresher.cli.options import USUAL_CONFIG, Clusters, ConfigFile, Form, Output, Region
from acr_refresher.cli.preflight import preflight
from acr_refresher.cli.printable import as_json, printable
from acr_refresher.cli.progress import Step, progress
from acr_refresher.cli.refusal import FAILED, refusing
from acr_refresher.cli.setup import Setup, opened
from acr_refresher.cli.visit import Visitor
from acr_refresher.core.request import Request

COLOURS = {
    Verdict.OK: "green",
    Verdict.WARNING: "yellow",
    Verdict.UNREACHABLE: "magenta",
    Verdict.MISSING: "bright_red",
}
WIDTH = max(len(verdict.value) for verdict in Verdict)


def check(
    config: ConfigFile = USUAL_CONFIG,
    clusters: Clusters = None,
    *,
    region: Region = "",
    output: Output = Form.TABLE,
) -> None:
    """Try every role, permission, cluster right, address and the clock. Nothing is written.

    It is tried with the credentials in the environment: give those of the function's role to see
    what the function may do. Where something is missing, the statement or rule to add is printed.
    """
    with refusing():
        request = request_for(clusters, None, None)
        with opened(config, region) as setup:
            check_names(request, setup)
            with progress("trying", cluster_count(setup, request)) as step:
                findings = asyncio.run(_preflight(setup, request, step))
    ok = not any(one.failing for one in findings)
    if output is Form.JSON:
        document = {"ok": ok, "findings": [_to_json(one) for one in findings]}
        typer.echo(as_json(document))
    else:
        for line in _lines(printable(findings)):
            typer.echo(line)
    if not ok:
        raise typer.Exit(FAILED)


async def _preflight(setup: Setup, request: Request, step: Step) -> tuple[Finding, ...]:
    visitor = Visitor.new(setup, datetime.now(timezone.utc))
    try:
        return await preflight(visitor, request, step)
    finally:
        await visitor.close()


def _lines(findings: tuple[Finding, ...]) -> Iterator[str]:
    for subject, group in groupby(findings, key=lambda one: one.subject):
        yield typer.style(subject, bold=True)
        for finding in group:
            verdict = typer.style(f"{finding.verdict.value:{WIDTH}}", fg=COLOURS[finding.verdict])
            yield f"  {verdict}  {finding.what}"
            yield from (f"{'':{WIDTH + 4}}{line}" for line in _details(finding))
        yield ""
    verdicts = [one.verdict for one in findings]
    yield ", ".join(f"{verdicts.count(one)} {one.value}" for one in Verdict if one in verdicts)


def _details(finding: Finding) -> Iterator[str]:
    if finding.why:
        yield finding.why
    for grant in finding.grants:
        yield f"add to {grant.where}:"
        yield f"  {grant.text}"


def _to_json(finding: Finding) -> dict[str, Any]:
    return {
        "subject": finding.subject,
        "what": finding.what,
        "verdict": finding.verdict.value,
        "why": finding.why,
        "grants": [{"where": one.where, "text": one.text} for one in finding.grants],
    }
