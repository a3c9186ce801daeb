"""What only the cloud can say of a configuration: whether instances and domains exist."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from acr_refresher.cli.exit import FAILED, exit_on_errors
from acr_refresher.cli.options import Region
from acr_refresher.cli.render import pluralize
from acr_refresher.cli.session import Session, collecting_problems, open_session, region_problems
from acr_refresher.config.load import Config, load_config
from acr_refresher.config.strict import InvalidInput, Problem, join_names, quoted
from acr_refresher.config.timer import find_timer, timer_warnings
from acr_refresher.core.model import KubeconfigAccess, Registry
from acr_refresher.errors import PortError, Throttled, Unreachable
from acr_refresher.run.retry import retrying
from acr_refresher.run.tokens import Minter
from acr_refresher.settings import SETTINGS


class CloudAnswers(NamedTuple):
    """What the cloud says is wrong; and where it gave no usable answer, so that all may be well."""

    problems: tuple[Problem, ...]
    unanswered: tuple[Problem, ...]


async def ask_cloud(setup: Session) -> CloudAnswers:
    """A problem for each registry that the cloud does not know as it is configured.

    One that begins with a cluster's identity (RRSA) cannot be asked for from here and is passed
    over; so are the domains of Personal Edition, which no API lists.
    """
    dependencies = setup.dependencies
    minter = Minter(
        dependencies.sts,
        dependencies.registry_api,
        dependencies.registry_hosts,
        dependencies.function,
        f"acr-refresher-{uuid.uuid4()}",
        datetime.now(timezone.utc),
    )
    try:
        found = await asyncio.gather(
            *(
                _ask_about(setup, minter, registry, f"registries[{index}]")
                for index, registry in enumerate(setup.config.registries)
                if registry.instance_id and not registry.rrsa
            )
        )
    finally:
        await minter.aclose()
    return CloudAnswers(
        tuple(problem for one in found for problem in one.problems),
        tuple(problem for one in found for problem in one.unanswered),
    )


async def _ask_about(setup: Session, minter: Minter, registry: Registry, path: str) -> CloudAnswers:
    every_host = replace(registry, endpoints=())
    try:
        caller = await minter.session(registry.role_chain, SETTINGS.session_duration)
        hosts = await retrying(lambda: setup.dependencies.registry_api.hosts(caller, every_host))
    except (Unreachable, Throttled) as error:
        remedy = "what is configured may be right: ask again"
        return CloudAnswers((), (Problem(path, f"could not be asked for: {error}", remedy),))
    except PortError as error:
        remedy = "check instanceId, regionId and assumeRoleARN"
        return CloudAnswers((Problem(path, f"is not to be had: {error}", remedy),), ())
    problems = tuple(
        Problem(
            f"{path}.domains[{index}]",
            f"{domain} is not a domain of the instance",
            f"use one of: {join_names(hosts)}; or bind it to the instance first",
        )
        for index, domain in enumerate(registry.domains)
        if domain not in hosts
    )
    return CloudAnswers(problems, ())


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
    with exit_on_errors(), _opened(file, region, online=online) as (config, setup):
        ticks = find_timer(timer, os.environ, file)
        warnings = timer_warnings(config.timings, ticks) if ticks else ()
        if setup:
            _ask_the_cloud(setup)
    found = [
        pluralize(len(config.clusters), "cluster", "clusters"),
        pluralize(len(config.registries), "registry", "registries"),
    ]
    if config.discoveries:
        found.append(pluralize(len(config.discoveries), "discovery", "discoveries"))
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
                what = f"there is no file {quoted(str(file))}"
                yield Problem(f"clusters[{index}].kubeconfig", what, "put it there to be deployed")


@contextmanager
def _opened(file: Path, region: str, *, online: bool) -> Iterator[tuple[Config, Session | None]]:
    """The configuration; and where the cloud is to be asked, the way to it. Raises InvalidInput."""
    if online:
        with open_session(file, region) as setup:
            yield setup.config, setup
        return
    problems = [*region_problems(region)]
    with collecting_problems(problems):
        config = load_config(file)
    if problems:
        raise InvalidInput(problems)
    yield config, None


def _ask_the_cloud(setup: Session) -> None:
    """Raises InvalidInput with what is wrong; Exit, said why, where that was not found out."""
    found = asyncio.run(ask_cloud(setup))
    if found.problems:
        raise InvalidInput((*found.problems, *found.unanswered))
    for one in found.unanswered:
        typer.echo(str(one), err=True)
    if found.unanswered:
        raise typer.Exit(FAILED)
