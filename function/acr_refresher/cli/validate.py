"""`acr-refresher validate`: shows what is wrong with a config.yaml, with --online by the cloud."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from acr_refresher.cli.exit import exit_on_errors, fail
from acr_refresher.cli.options import RegionOption
from acr_refresher.cli.render import pluralize, sanitize
from acr_refresher.cli.session import (
    ClusterSession,
    Session,
    cluster_session,
    collecting_problems,
    open_session,
    region_problems,
)
from acr_refresher.config.load import Config, load_config
from acr_refresher.config.strict import InvalidInput, Problem, join_names, quoted
from acr_refresher.config.timer import find_timer, timer_warnings
from acr_refresher.core.model import KubeconfigAccess, Registry
from acr_refresher.errors import PortError, Throttled, Unreachable
from acr_refresher.run.retry import retrying
from acr_refresher.settings import SETTINGS


def validate(
    file: Annotated[Path, typer.Argument(help="The config.yaml to validate.", show_default=False)],
    *,
    online: Annotated[
        bool,
        typer.Option(
            "--online",
            help="Ask the cloud, with your own credentials, whether the instances exist and have"
            " these domains.",
        ),
    ] = False,
    region: RegionOption = "",
    timer: Annotated[
        str,
        typer.Option(
            metavar="SCHEDULE",
            help='The schedule of the function\'s timer, such as "@every 5m", to check that no'
            " secret expires between two runs. Default: ACR_REFRESHER_TIMER, or vars.every of the"
            " s.yaml above the configuration's folder, if there is one.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Show every problem of a config.yaml at once, each with its remedy."""
    with exit_on_errors(), _configuration(file, region, online=online) as (config, session):
        schedule = find_timer(timer, os.environ, file)
        warnings = timer_warnings(config.timings, schedule) if schedule else ()
        if session:
            _validate_online(session)
    for warning in (*warnings, *_missing_kubeconfigs(config, file.parent)):
        typer.echo(sanitize(f"warning: {warning}"), err=True)
    timer_words = f"; timer: {schedule.schedule} ({schedule.place})" if schedule else ""
    typer.echo(sanitize(f"ok: {', '.join(_sections(config))}{timer_words}"))


@contextmanager
def _configuration(
    file: Path, region: str, *, online: bool
) -> Iterator[tuple[Config, Session | None]]:
    """The configuration, and a session if the cloud is to be asked. Raises InvalidInput."""
    if online:
        with open_session(file, region) as session:
            yield session.config, session
        return
    problems = [*region_problems(region)]
    with collecting_problems(problems):
        config = load_config(file)
    if problems:
        raise InvalidInput(problems)
    yield config, None


def _sections(config: Config) -> Iterator[str]:
    yield pluralize(len(config.clusters), "cluster", "clusters")
    yield pluralize(len(config.registries), "registry", "registries")
    if config.discoveries:
        yield pluralize(len(config.discoveries), "discovery", "discoveries")


def _missing_kubeconfigs(config: Config, folder: Path) -> Iterator[Problem]:
    """A warning per missing file. It is not an error: a pipeline may add it before it deploys."""
    for index, cluster in enumerate(config.clusters):
        access = cluster.access
        if isinstance(access, KubeconfigAccess) and not (file := folder / access.path).is_file():
            problem = f"file {quoted(str(file))} does not exist"
            yield Problem(f"clusters[{index}].kubeconfig", problem, "create it before you deploy")


# ---- what only the cloud knows -------------------------------------------------------------------


class Unanswered(Problem):
    """A question that the cloud did not answer."""


def _validate_online(session: Session) -> None:
    """Raise InvalidInput with what is wrong. Fail the command if that could not be found out."""
    problems = asyncio.run(ask_cloud(session))
    unanswered = [problem for problem in problems if isinstance(problem, Unanswered)]
    if wrong := [problem for problem in problems if problem not in unanswered]:
        raise InvalidInput([*wrong, *unanswered])
    if unanswered:
        fail(*map(str, unanswered))


async def ask_cloud(session: Session) -> list[Problem]:
    """A problem for each registry that the cloud does not know as it is configured.

    Two things cannot be asked for: registries that need a cluster's identity (RRSA), and the
    domains of Personal Edition, which no API lists.
    """
    async with cluster_session(session) as clusters:
        asked = (
            _ask_about(clusters, registry, f"registries[{index}]")
            for index, registry in enumerate(session.config.registries)
            if registry.instance_id and not registry.rrsa
        )
        return [*chain.from_iterable(await asyncio.gather(*asked))]


async def _ask_about(session: ClusterSession, registry: Registry, path: str) -> Iterable[Problem]:
    every_host = replace(registry, endpoints=())
    api = session.dependencies.registry_api
    try:
        caller = await session.minter.session(registry.role_chain, SETTINGS.session_duration)
        hosts = await retrying(lambda: api.hosts(caller, every_host))
    except (Unreachable, Throttled) as error:
        remedy = "the configuration may be right: try again"
        return [Unanswered(path, f"no answer from the cloud: {error}", remedy)]
    except PortError as error:
        remedy = "check instanceId, regionId and assumeRoleARN"
        return [Problem(path, f"cannot be read: {error}", remedy)]
    return (
        Problem(
            f"{path}.domains[{index}]",
            f"{domain} is not a domain of the instance",
            f"use one of: {join_names(hosts)}; or add the domain to the instance first",
        )
        for index, domain in enumerate(registry.domains)
        if domain not in hosts
    )
