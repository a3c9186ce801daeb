"""`acr-refresher check`: a preflight, and what to paste where something is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import groupby
from typing import Any

import typer

from acr_refresher.cli.check_cluster import preflight
from acr_refresher.cli.check_result import CheckResult, Verdict
from acr_refresher.cli.exit import FAILED, exit_on_errors
from acr_refresher.cli.options import (
    DEFAULT_CONFIG,
    Clusters,
    ConfigFile,
    Output,
    OutputFormat,
    Region,
)
from acr_refresher.cli.progress import Step, progress
from acr_refresher.cli.refresh import check_names, cluster_count, request_for
from acr_refresher.cli.sanitize import as_json, sanitize
from acr_refresher.cli.session import ClusterVisitor, Session, open_session
from acr_refresher.core.request import Request

COLOURS = {
    Verdict.OK: "green",
    Verdict.WARNING: "yellow",
    Verdict.UNREACHABLE: "magenta",
    Verdict.MISSING: "bright_red",
}
WIDTH = max(len(verdict.value) for verdict in Verdict)


def check(
    config: ConfigFile = DEFAULT_CONFIG,
    clusters: Clusters = None,
    *,
    region: Region = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Try every role, permission, cluster right, address and the clock. Nothing is written.

    It is tried with the credentials in the environment: give those of the function's role to see
    what the function may do. Where something is missing, the statement or rule to add is printed.
    """
    with exit_on_errors():
        request = request_for(clusters, None, None)
        with open_session(config, region) as setup:
            check_names(request, setup)
            with progress("trying", cluster_count(setup, request)) as step:
                findings = asyncio.run(_preflight(setup, request, step))
    ok = not any(one.failing for one in findings)
    if output is OutputFormat.JSON:
        document = {"ok": ok, "findings": [_to_json(one) for one in findings]}
        typer.echo(as_json(document))
    else:
        for line in _lines(sanitize(findings)):
            typer.echo(line)
    if not ok:
        raise typer.Exit(FAILED)


async def _preflight(setup: Session, request: Request, step: Step) -> tuple[CheckResult, ...]:
    visitor = ClusterVisitor.new(setup, datetime.now(timezone.utc))
    try:
        return await preflight(visitor, request, step)
    finally:
        await visitor.close()


def _lines(findings: tuple[CheckResult, ...]) -> Iterator[str]:
    for subject, group in groupby(findings, key=lambda one: one.subject):
        yield typer.style(subject, bold=True)
        for finding in group:
            verdict = typer.style(f"{finding.verdict.value:{WIDTH}}", fg=COLOURS[finding.verdict])
            yield f"  {verdict}  {finding.what}"
            yield from (f"{'':{WIDTH + 4}}{line}" for line in _details(finding))
        yield ""
    verdicts = [one.verdict for one in findings]
    yield ", ".join(f"{verdicts.count(one)} {one.value}" for one in Verdict if one in verdicts)


def _details(finding: CheckResult) -> Iterator[str]:
    if finding.why:
        yield finding.why
    for grant in finding.grants:
        yield f"add to {grant.where}:"
        yield f"  {grant.text}"


def _to_json(finding: CheckResult) -> dict[str, Any]:
    return {
        "subject": finding.subject,
        "what": finding.what,
        "verdict": finding.verdict.value,
        "why": finding.why,
        "grants": [{"where": one.where, "text": one.text} for one in finding.grants],
    }
