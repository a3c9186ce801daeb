"""`acr-refresher validate`: whether a config.yaml can be used, and everything that keeps it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from acr_refresher.cli.online import online_findings
from acr_refresher.cli.options import Region
from acr_refresher.cli.refusal import FAILED, refusing
from acr_refresher.cli.setup import Setup, gathering, opened, region_problems
from acr_refresher.cli.timer import timer_of
from acr_refresher.cli.words import counted
from acr_refresher.config import Config, load_config
from acr_refresher.config.timing import warnings_of
from acr_refresher.core.model import KubeconfigAccess
from acr_refresher.inputs.problems import InvalidInput, Problem, shown


def validate(
    file: Annotated[Path, typer.Argument(help="The config.yaml to look at.", show_default=False)],
    *,
    online: Annotated[
        bool,
        typer.Option(
            "--online",
            help="Ask the cloud too, with your own credentials: whether the instances exist, and"
            " whether the domains are theirs.",
        ),
    ] = False,
    region: Region = "",
    timer: Annotated[
        str,
        typer.Option(
            metavar="SCHEDULE",
            help='When the function is woken, such as "@every 5m": whether secrets can expire in'
            " between. Default: ACR_REFRESHER_TIMER, or vars.every of the s.yaml above the"
            " configuration's folder, if there is one.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Say what is wrong with a config.yaml: every problem at once, with its remedy."""
    with refusing(), _opened(file, region, online=online) as (config, setup):
        ticks = timer_of(timer, os.environ, file)
        warnings = warnings_of(config.timings, ticks) if ticks else ()
        if setup:
            _ask_the_cloud(setup)
    found = [
        counted(len(config.clusters), "cluster", "clusters"),
        counted(len(config.registries), "registry", "registries"),
    ]
    if config.discoveries:
        found.append(counted(len(config.discoveries), "discovery", "discoveries"))
    for warning in (*warnings, *_missing_kubeconfigs(config, file.parent)):
        typer.echo(f"warning: {warning}", err=True)
    told = f"; timer: {ticks.schedule} ({ticks.place})" if ticks else ""
    typer.echo(f"ok: {', '.join(found)}{told}")


def _missing_kubeconfigs(config: Config, folder: Path) -> Iterator[Problem]:
    """No mistake here: a pipeline may put them there when it deploys."""
    for index, cluster in enumerate(config.clusters):
        if isinstance(cluster.access, KubeconfigAccess):
            file = folder / cluster.access.path
            if not file.is_file():
                what = f"there is no file {shown(str(file))}"
                yield Problem(f"clusters[{index}].kubeconfig", what, "put it there to be deployed")


@contextmanager
def _opened(file: Path, region: str, *, online: bool) -> Iterator[tuple[Config, Setup | None]]:
    """The configuration; and where the cloud is to be asked, the way to it. Raises InvalidInput."""
    if online:
        with opened(file, region) as setup:
            yield setup.config, setup
        return
    problems = [*region_problems(region)]
    with gathering(problems):
        config = load_config(file)
    if problems:
        raise InvalidInput(problems)
    yield config, None


def _ask_the_cloud(setup: Setup) -> None:
    """Raises InvalidInput with what is wrong; Exit, said why, where that was not found out."""
    found = asyncio.run(online_findings(setup))
    if found.problems:
        raise InvalidInput((*found.problems, *found.unanswered))
    for one in found.unanswered:
        typer.echo(str(one), err=True)
    if found.unanswered:
        raise typer.Exit(FAILED)
