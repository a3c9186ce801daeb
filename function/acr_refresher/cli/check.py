"""`acr-refresher check`: tries what a run needs, and prints what to add if something is missing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, groupby

from pydantic_core import to_jsonable_python
from rich.console import RenderableType
from rich.text import Text

from acr_refresher.cli import options
from acr_refresher.cli.check_cluster import preflight
from acr_refresher.cli.check_rights import CheckResult, Verdict
from acr_refresher.cli.exit import exit_on_errors, fail, print_result
from acr_refresher.cli.render import columns, sanitize
from acr_refresher.cli.session import open_session, run_in_clusters

COLOURS = {
    Verdict.OK: "green",
    Verdict.WARNING: "yellow",
    Verdict.UNREACHABLE: "magenta",
    Verdict.MISSING: "bright_red",
}


def check(
    config: options.ConfigOption = options.DEFAULT_CONFIG,
    clusters: options.ClusterOption = None,
    *,
    region: options.RegionOption = "",
    output: options.OutputOption = options.OutputFormat.TABLE,
) -> None:
    """Try every role, permission, cluster right, address, policy and the clock.

    Nothing is stored: in one namespace of each cluster, a run's writes are sent as dry runs.

    The check uses the credentials in the environment. Set those of the function's role to see
    what the function may do. If something is missing, the statement or rule to add is printed.
    """
    with exit_on_errors():
        request = options.request_for(clusters, None, None)
        with open_session(config, region) as session:
            results = run_in_clusters(session, request, "checking", preflight)
    ok = not any(result.failing for result in results)
    document = {"ok": ok, "findings": to_jsonable_python(results)}
    print_result(output, document, _view(sanitize(results)))
    if not ok:
        fail()


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
