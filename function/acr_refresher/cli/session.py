"""What a command works with: the configuration, the cloud and the clusters, as the operator."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Generic, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from acr_refresher.cli.options import REGION_VARIABLES, Missing, unmatched_by_option
from acr_refresher.cli.render import sanitize
from acr_refresher.config.events import InvalidEvent, unknown_name_problems
from acr_refresher.config.fields import is_region_id
from acr_refresher.config.load import Config, load_config
from acr_refresher.config.strict import InvalidInput, Problem, quoted
from acr_refresher.core.model import Cluster
from acr_refresher.core.outcome import Failure
from acr_refresher.core.request import Request
from acr_refresher.errors import NotRunning, PortError, unexpected_error
from acr_refresher.invocation import environment_credentials
from acr_refresher.log import configure_logging
from acr_refresher.run.concurrency import run_bounded
from acr_refresher.run.connect import ClusterConnections
from acr_refresher.run.discover import Discoverer, RegisteredClusters
from acr_refresher.run.ports import Caller, Functions, KubeApi
from acr_refresher.run.run import Dependencies, targets
from acr_refresher.run.tokens import Minter
from acr_refresher.settings import SETTINGS
from acr_refresher.wiring import Instance

CREDENTIALS = (
    "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, and"
    " ALIBABA_CLOUD_SECURITY_TOKEN if the credentials are temporary"
)
"""The variables that hold an operator's own credentials."""

T = TypeVar("T")
Step = Callable[[str], None]
"""Called with the name of each cluster that is done."""


@dataclass(frozen=True, slots=True)
class Session:
    """A configuration, and the clients for everything that it names."""

    config: Config
    dependencies: Dependencies


@contextmanager
def open_session(config_file: Path, region_id: str) -> Iterator[Session]:
    """The session of one command.

    Raises InvalidInput with every problem: of the configuration, credentials, region, environment.
    """
    problems: list[Problem] = []
    with collecting_problems(problems):
        config = load_config(config_file)
    with _operator(region_id, problems) as (caller, instance):
        yield Session(config, instance.dependencies(config, config_file.parent, caller))


@contextmanager
def function_compute(region_id: str, problems: Iterable[Problem]) -> Iterator[Functions]:
    """The client that invokes functions. Raises InvalidInput with the problems given and found."""
    with _operator(region_id, problems) as (caller, instance):
        yield instance.functions(caller)


@contextmanager
def collecting_problems(problems: list[Problem]) -> Iterator[None]:
    """Add the problems of an InvalidInput to the list, so that all are shown together."""
    try:
        yield
    except InvalidInput as error:
        problems += error.problems


def region_problems(region_id: str) -> Iterator[Problem]:
    """A problem if a region is given and malformed: it becomes part of host names."""
    if region_id and not is_region_id(region_id):
        problem = f"{quoted(region_id)} is not a region ID"
        yield Problem("--region", problem, "use one such as cn-hangzhou")


@contextmanager
def _operator(region_id: str, problems: Iterable[Problem]) -> Iterator[tuple[Caller, Instance]]:
    """The operator's identity, and an instance. Raises InvalidInput with all problems together."""
    found = [*problems, *region_problems(region_id)]
    credentials = environment_credentials(os.environ)
    if credentials is None:
        found.append(Missing("credentials", "No credentials found", f"Set {CREDENTIALS}"))
    if not region_id:
        remedy = f"Use --region, or set {' or '.join(REGION_VARIABLES)}"
        found.append(Missing("region", "No region found", remedy))
    try:
        instance = Instance.new(os.environ)
    except ValueError as error:
        found.append(Problem("environment", str(error), "unset it, or correct it"))
    if found or credentials is None:
        raise InvalidInput(found)
    renewal = f"get a new one, and set {CREDENTIALS}"
    try:
        yield Caller(replace(credentials, renewal=renewal), region_id), instance
    finally:
        instance.close()


# ---- clusters ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClusterResult(Generic[T]):
    """What a command found in a cluster, or the failure, or why the cluster was skipped."""

    cluster: str
    found: T | None = None
    failure: Failure | None = None
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class ClusterSession(Session):
    """A session in an event loop, with the role sessions, tokens and connections of a command."""

    minter: Minter
    now: datetime
    step: Step

    async def register(self, request: Request) -> RegisteredClusters:
        """The configured and the discovered clusters. Raises InvalidEvent."""
        ack, config = self.dependencies.kubeconfigs.ack, self.config
        discoverer = Discoverer(ack, self.minter, SETTINGS.local_list_timeout)
        return await discoverer.register(config.clusters, config.discoveries, request)

    async def for_each_cluster(
        self, clusters: Iterable[Cluster], use: Callable[[Cluster, KubeApi], Awaitable[T]]
    ) -> tuple[ClusterResult[T], ...]:
        """What `use` finds in each of these clusters. A cluster that fails does not stop others."""
        return await run_bounded(
            self.config.concurrency, (self._visit(cluster, use) for cluster in clusters)
        )

    async def _visit(
        self, cluster: Cluster, use: Callable[[Cluster, KubeApi], Awaitable[T]]
    ) -> ClusterResult[T]:
        kubeconfigs, connector = self.dependencies.kubeconfigs, self.dependencies.connector
        connections = ClusterConnections(kubeconfigs, connector, self.minter, self.now)
        try:
            found = await connections.visit(cluster, lambda kube: use(cluster, kube))
        except NotRunning as error:
            return ClusterResult(cluster.name, skipped=str(error))
        except PortError as error:
            return ClusterResult(cluster.name, failure=error.failure())
        except asyncio.TimeoutError:
            return ClusterResult(cluster.name, failure=Failure("unreachable", "no answer in time"))
        except Exception as error:  # noqa: BLE001  # a bug in one cluster must not stop others
            return ClusterResult(cluster.name, failure=unexpected_error(error))
        finally:
            self.step(cluster.name)
        return ClusterResult(cluster.name, found)


@asynccontextmanager
async def cluster_session(
    session: Session, step: Step = lambda _: None
) -> AsyncIterator[ClusterSession]:
    """A cluster session whose role sessions have a name of their own. All calls end with it."""
    now = datetime.now(timezone.utc)
    dependencies = session.dependencies
    minter = Minter(
        dependencies.sts,
        dependencies.registry_api,
        dependencies.registry_hosts,
        dependencies.credentials,
        f"acr-refresher-{uuid.uuid4()}",
        now,
    )
    try:
        yield ClusterSession(session.config, dependencies, minter, now, step)
    finally:
        await minter.aclose()


# ---- progress ------------------------------------------------------------------------------------

CLUSTER_EVENTS = frozenset({"cluster.served", "cluster.failed", "cluster.skipped"})


def run_in_clusters(
    session: Session,
    request: Request,
    doing: str,
    work: Callable[[ClusterSession, Request], Awaitable[T]],
) -> T:
    """Await the work with a cluster session, and show its progress. Raises InvalidInput."""

    async def in_session(step: Step) -> T:
        async with cluster_session(session, step) as clusters:
            return await work(clusters, request)

    return run_with_progress(session, request, doing, in_session)


def run_with_progress(
    session: Session, request: Request, doing: str, work: Callable[[Step], Coroutine[Any, Any, T]]
) -> T:
    """Await the work on the clusters that the request selects, and show its progress.

    Raises InvalidInput if an option names a cluster or registry that does not exist.
    """
    with unmatched_by_option(request):
        if unknown := unknown_name_problems(request, session.config):
            raise InvalidEvent(unknown)
        config = session.config
        clusters = None if config.discoveries else len(targets(config.clusters, request))
        with progress(doing, clusters) as step:
            return asyncio.run(work(step))


@contextmanager
def progress(doing: str, clusters: int | None) -> Iterator[Step]:
    """A progress bar on standard error, if that is a terminal. It counts clusters.

    If `clusters` is None, their number is not known yet. The events of a run are its steps. They
    are not logged, because the report has all that they say.
    """
    console = Console(stderr=True)
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[last]}", style="dim", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(doing, total=clusters, last="")

        def step(cluster: str) -> None:
            bar.update(task, advance=1, last=sanitize(cluster))

        def on_event(fields: Mapping[str, Any]) -> None:
            if fields["event"] in CLUSTER_EVENTS:
                step(fields["cluster"])

        configure_logging(on_event=on_event)
        yield step
