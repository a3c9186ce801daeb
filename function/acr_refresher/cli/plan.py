"""`acr-refresher plan`: what a refresh would do, found out with one's own credentials."""

from __future__ import annotations

from acr_refresher.cli.changes import show
from acr_refresher.cli.from_here import request_for, run_from_here
from acr_refresher.cli.options import (
    USUAL_CONFIG,
    Clusters,
    ConfigFile,
    Force,
    Form,
    Namespaces,
    Output,
    Region,
    Registries,
)
from acr_refresher.cli.refusal import refusing
from acr_refresher.cli.setup import opened


def plan(  # noqa: PLR0913  # a command has a parameter for each of its options
    config: ConfigFile = USUAL_CONFIG,
    clusters: Clusters = None,
    namespaces: Namespaces = None,
    registries: Registries = None,
    *,
    force: Force = False,
    region: Region = "",
    output: Output = Form.TABLE,
) -> None:
    """Show what a refresh would change in which cluster, and why. Nothing is minted or written."""
    with refusing():
        request = request_for(clusters, namespaces, registries, force=force, dryRun=True)
        with opened(config, region) as setup:
            report = run_from_here(setup, request, "looking at the clusters")
        show(report, output)
