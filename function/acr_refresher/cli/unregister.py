"""`acr-refresher unregister`: takes away what is ours in a cluster that is to be served no longer.

Where it is interrupted it can be started again: what it finds then is what is left.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from functools import partial
from itertools import chain
from typing import Annotated, TypeVar

import typer

from acr_refresher.cli.exit import FAILED, confirm, exit_on_errors, interruptible
from acr_refresher.cli.options import DEFAULT_CONFIG, ConfigFile, Region, cluster_names
from acr_refresher.cli.progress import progress
from acr_refresher.cli.render import pluralize
from acr_refresher.cli.sanitize import sanitize
from acr_refresher.cli.session import ClusterVisitor, Session, open_session
from acr_refresher.config.strict import InvalidInput, Problem, did_you_mean, quoted
from acr_refresher.core.actions import Remove
from acr_refresher.core.bind import has_reference
from acr_refresher.core.model import Cluster, ClusterState
from acr_refresher.core.outcome import ClusterOutcome, SecretOutcome
from acr_refresher.core.request import Request
from acr_refresher.run.apply import Applier
from acr_refresher.run.cluster import observe
from acr_refresher.run.concurrency import run_bounded
from acr_refresher.run.ports import KubeApi
from acr_refresher.settings import SETTINGS

PARTLY = "Pull secrets may have been unbound or deleted already: start it again for what is left."

T = TypeVar("T")
Removals = tuple[tuple[Remove, ...], ...]
"""Those of a namespace together: they may change the same service accounts."""


def unregister(
    cluster: Annotated[
        str,
        typer.Argument(
            help="Its name in config.yaml.", show_default=False, autocompletion=cluster_names
        ),
    ],
    config: ConfigFile = DEFAULT_CONFIG,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    region: Region = "",
) -> None:
    """Unbind, then delete, all pull secrets that acr-refresher wrote in a cluster.

    Take the cluster out of the deployed config.yaml first, or the next tick serves it again, and
    give a config.yaml that still has it. Whatever is interrupted can be started again.
    """
    with exit_on_errors(), open_session(config, region) as setup:
        found = asyncio.run(_in_cluster(setup, cluster, _planned))
        if not found:
            typer.echo(f"There is no pull secret of ours in {cluster}.")
            return
        if not yes:
            confirm(_question(cluster, found))
        with interruptible(PARTLY):
            outcomes = asyncio.run(_in_cluster(setup, cluster, _carried_out))
    for outcome in sanitize(outcomes):
        typer.echo("\n".join(_lines(outcome)))
    failed = sum(bool(outcome.failures) for outcome in outcomes)
    typer.echo(f"Done: {len(outcomes) - failed} removed, {failed} failed.")
    if failed:
        raise typer.Exit(FAILED)


def plan_removals(names: Sequence[str], state: ClusterState) -> Removals:
    """One for each Secret of these names that is ours, in whatever namespace."""
    by_namespace: defaultdict[str, tuple[Remove, ...]] = defaultdict(tuple)
    for secret in state.secrets:
        if secret.managed and secret.name in names:
            bound = tuple(
                account
                for account in state.service_accounts
                if account.namespace == secret.namespace and has_reference(account, secret.name)
            )
            action = Remove(secret.namespace, secret.name, bound, secret.uid)
            by_namespace[secret.namespace] += (action,)
    return tuple(by_namespace.values())


async def _planned(_visitor: ClusterVisitor, cluster: Cluster, kube: KubeApi) -> Removals:
    names = [wanted.name for wanted in cluster.pull_secrets]
    return plan_removals(names, await observe(kube, names))


async def _carried_out(
    visitor: ClusterVisitor, cluster: Cluster, kube: KubeApi
) -> tuple[SecretOutcome, ...]:
    applier = Applier(kube, visitor.minter, visitor.now, str(uuid.uuid4()))

    async def clear(actions: tuple[Remove, ...]) -> list[SecretOutcome]:
        return [await applier.apply(action) for action in actions]

    planned = await _planned(visitor, cluster, kube)
    return tuple(
        chain.from_iterable(await run_bounded(SETTINGS.requests_per_cluster, map(clear, planned)))
    )


async def _in_cluster(
    setup: Session, name: str, use: Callable[[ClusterVisitor, Cluster, KubeApi], Awaitable[T]]
) -> T:
    """What `use` makes of the cluster of that name. Raises InvalidInput; Exit, said why."""
    visitor = ClusterVisitor.new(setup, datetime.now(timezone.utc))
    try:
        with progress(name, 1) as step:
            cluster = await _named(visitor, name)
            last_seen = await visitor.visit_each([cluster], partial(use, visitor), step)
    finally:
        await visitor.close()
    (visit,) = last_seen
    if visit.found is None:
        why = visit.failure.message if visit.failure else visit.skipped
        typer.echo(sanitize(why), err=True)
        raise typer.Exit(FAILED)
    return visit.found


async def _named(visitor: ClusterVisitor, name: str) -> Cluster:
    """The one that is configured, or else discovered, under the name. Raises InvalidInput."""
    configured = visitor.setup.config.clusters
    if found := [one for one in configured if one.name == name]:
        return found[0]
    registered = await visitor.register(Request("manual"))
    if found := [one for one in registered.clusters if one.name == name]:
        return found[0]
    _refuse_unless_all_are_known(registered.outcomes)
    known = did_you_mean(name, [one.name for one in registered.clusters])
    raise InvalidInput([Problem("cluster", f"{quoted(name)} is not one of the clusters", known)])


def _refuse_unless_all_are_known(outcomes: Iterable[ClusterOutcome]) -> None:
    """Raises Exit, said why, where the name may be in a list of clusters that could not be had."""
    failed = [one for one in outcomes if one.failure]
    for one in failed:
        told = one.failure.message if one.failure else ""
        typer.echo(f"{one.cluster}: {told}; the cluster may be one of these", err=True)
    if failed:
        raise typer.Exit(FAILED)


def _question(cluster: str, found: Removals) -> str:
    actions = [action for group in found for action in group]
    bound = sum(len(action.unbind) for action in actions)
    return (
        f"Delete {pluralize(len(actions), 'pull secret', 'pull secrets')} in {cluster} and take"
        f" {pluralize(bound, 'reference', 'references')} out of service accounts?"
    )


def _lines(outcome: SecretOutcome) -> Iterator[str]:
    place = f"{outcome.namespace}/{outcome.secret}"
    if not outcome.failures:
        yield typer.style(f"- {place}  removed", fg="red")
    for failure in outcome.failures:
        subject = f"{failure.subject}: " if failure.subject else ""
        yield typer.style(f"! {place}  {subject}{failure.message}", fg="bright_red")
