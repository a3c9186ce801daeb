"""`acr-refresher refresh`: a run made from here, with one's own credentials."""

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
    Why,
)
from acr_refresher.cli.refusal import interruptible, refusing
from acr_refresher.cli.setup import opened

PARTLY = (
    "Some pull secrets may have been written or bound already, each as a whole:"
    " the next run, or this command started again, does what is left."
)


def refresh(  # noqa: PLR0913  # a command has a parameter for each of its options
    config: ConfigFile = USUAL_CONFIG,
    clusters: Clusters = None,
    namespaces: Namespaces = None,
    registries: Registries = None,
    *,
    force: Force = False,
    reason: Why = "",
    region: Region = "",
    output: Output = Form.TABLE,
) -> None:
    """Refresh the pull secrets from here, as the function would."""
    with refusing():
        request = request_for(clusters, namespaces, registries, force=force, reason=reason)
        with opened(config, region) as setup, interruptible(PARTLY):
            report = run_from_here(setup, request, "refreshing")
            show(report, output)
