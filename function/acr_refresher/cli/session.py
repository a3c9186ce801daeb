"""What a command works with: the configuration, and all outside, reached as the operator."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeVar

from acr_refresher.cli.options import REGION_VARIABLES
from acr_refresher.cli.progress import Step
from acr_refresher.config.fields import is_region_id
from acr_refresher.config.load import Config, load_config
from acr_refresher.config.strict import InvalidInput, Problem, quoted
from acr_refresher.core.fleet import Discovery
from acr_refresher.core.model import Cluster
from acr_refresher.core.outcome import Failure
from acr_refresher.core.request import Request
from acr_refresher.errors import NotRunning, PortError, unexpected_error
from acr_refresher.invocation import environment_credentials
from acr_refresher.run.concurrency import run_bounded
from acr_refresher.run.connect import ClusterConnections
from acr_refresher.run.discover import Discoverer, RegisteredClusters
from acr_refresher.run.ports import Caller, Functions, KubeApi
from acr_refresher.run.run import Dependencies, targets
from acr_refresher.run.tokens import Minter
from acr_refresher.settings import SETTINGS
from acr_refresher.wiring import Instance

VARIABLES = (
    "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, and"
    " ALIBABA_CLOUD_SECURITY_TOKEN where they are temporary"
)
"""Where an operator's own credentials come from."""


@dataclass(frozen=True, slots=True)
class Session:
    """A configuration, and all that it speaks of."""

    config: Config
    dependencies: Dependencies


@contextmanager
def open_session(config_file: Path, region_id: str) -> Iterator[Session]:
    """The setup for one command.

    Raises InvalidInput with every problem: of the configuration, credentials, region, environment.
    """
    problems: list[Problem] = []
    with collecting_problems(problems):
        config = load_config(config_file)
    caller, instance = _operator(region_id, problems)
    try:
        yield Session(config, instance.dependencies(config, config_file.parent, caller))
    finally:
        instance.close()


@contextmanager
def function_compute(region_id: str, problems: Iterable[Problem]) -> Iterator[Functions]:
    """The functions that are deployed, invoked as the operator.

    Raises InvalidInput with the problems, if any, and those found here.
    """
    caller, instance = _operator(region_id, problems)
    try:
        yield instance.functions(caller)
    finally:
        instance.close()


@contextmanager
def collecting_problems(problems: list[Problem]) -> Iterator[None]:
    """Keeps what is wrong, so that all of it is told together."""
    try:
        yield
    except InvalidInput as error:
        problems += error.problems


def region_problems(region_id: str) -> Iterator[Problem]:
    """A region becomes part of host names, so it may not be just any text. Empty: not given."""
    if region_id and not is_region_id(region_id):
        yield Problem("region", f"{quoted(region_id)} cannot be one", "use one such as cn-hangzhou")


def _operator(region_id: str, problems: Iterable[Problem]) -> tuple[Caller, Instance]:
    """Who asks, and with what. Raises InvalidInput with these problems and all it finds itself."""
    found = [*problems]
    with collecting_problems(found):
        caller = _caller(os.environ, region_id)
    with collecting_problems(found):
        instance = _instance(os.environ)
    if found:
        raise InvalidInput(found)
    return caller, instance


def _caller(environ: Mapping[str, str], region_id: str) -> Caller:
    credentials = environment_credentials(environ)
    problems = [*region_problems(region_id)]
    if credentials is None:
        problems.append(Problem("credentials", "are not in the environment", f"set {VARIABLES}"))
    if not region_id:
        remedy = f"give --region, or set {' or '.join(REGION_VARIABLES)}"
        problems.append(Problem("region", "is not known", remedy))
    if credentials is None or problems:
        raise InvalidInput(problems)
    renewal = f"get another, and set {VARIABLES} anew"
    return Caller(replace(credentials, renewal=renewal), region_id)


def _instance(environ: Mapping[str, str]) -> Instance:
    try:
        return Instance.new(environ)
    except ValueError as error:
        problem = Problem("environment", str(error), "unset it, or correct it")
        raise InvalidInput([problem]) from None


"""For a list of clusters."""

T = TypeVar("T")
Use = Callable[[Cluster, KubeApi], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class ClusterResult(Generic[T]):
    """What was found in a cluster; or what kept it from being looked at, or why it was not."""

    cluster: str
    found: T | None = None
    failure: Failure | None = None
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class ClusterVisitor:
    """Goes to the clusters of a setup, for one command; to be closed in the end."""

    setup: Session
    minter: Minter
    now: datetime

    @staticmethod
    def new(setup: Session, now: datetime) -> ClusterVisitor:
        """One whose role sessions have a name of their own."""
        dependencies = setup.dependencies
        session = f"acr-refresher-{uuid.uuid4()}"
        minter = Minter(
            dependencies.sts,
            dependencies.registry_api,
            dependencies.registry_hosts,
            dependencies.function,
            session,
            now,
        )
        return ClusterVisitor(setup, minter, now)

    async def register(
        self, request: Request, discoveries: Sequence[Discovery] | None = None
    ) -> RegisteredClusters:
        """The clusters configured, and those discovered. Raises InvalidEvent."""
        config, ack = self.setup.config, self.setup.dependencies.kubeconfigs.ack
        wanted = config.discoveries if discoveries is None else discoveries
        return await Discoverer(ack, self.minter, SETTINGS.local_list_timeout).register(
            config.clusters, wanted, request
        )

    async def visit_all(
        self, request: Request, use: Use[T], step: Step
    ) -> tuple[ClusterResult[T], ...]:
        """What `use` finds in each cluster that the request is about. Raises InvalidEvent."""
        registered = await self.register(request)
        there = targets(registered.clusters, request)
        last_seen = await self.visit_each(there, use, step)
        others = (
            ClusterResult[T](one.cluster, failure=one.failure, skipped=one.skipped)
            for one in registered.outcomes
        )
        return (*last_seen, *others)

    async def visit_each(
        self, clusters: Iterable[Cluster], use: Use[T], step: Step
    ) -> tuple[ClusterResult[T], ...]:
        """What `use` finds in each of these clusters."""

        async def visit(cluster: Cluster) -> ClusterResult[T]:
            visited = await self._visit(cluster, use)
            step(cluster.name)
            return visited

        return await run_bounded(self.setup.config.concurrency, map(visit, clusters))

    async def close(self) -> None:
        """Leave no call behind that nobody awaits any more."""
        await self.minter.aclose()

    async def _visit(self, cluster: Cluster, use: Use[T]) -> ClusterResult[T]:
        dependencies = self.setup.dependencies
        connecting = ClusterConnections(
            dependencies.kubeconfigs, dependencies.connector, self.minter, self.now
        )
        try:
            found = await connecting.visit(cluster, lambda kube: use(cluster, kube))
        except NotRunning as error:
            return ClusterResult(cluster.name, skipped=str(error))
        except PortError as error:
            return ClusterResult(cluster.name, failure=error.failure())
        except asyncio.TimeoutError:
            return ClusterResult(cluster.name, failure=Failure("unreachable", "no answer in time"))
        except Exception as error:  # noqa: BLE001  # a bug met in one cluster must not stop others
            return ClusterResult(cluster.name, failure=unexpected_error(error))
        return ClusterResult(cluster.name, found)
