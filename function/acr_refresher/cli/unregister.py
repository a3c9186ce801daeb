"""`acr-refresher unregister`: removes our pull secrets from a cluster that is no longer served.

An interrupted command can be started again. It removes what is left.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Annotated, TypeVar

import typer
from rich.text import Text

from acr_refresher.cli import options
from acr_refresher.cli.exit import confirm, exit_on_errors, fail, interruptible
from acr_refresher.cli.render import columns, pluralize, sanitize, show
from acr_refresher.cli.session import (
    ClusterSession,
    Session,
    cluster_session,
    open_session,
    progress,
)
from acr_refresher.config.strict import InvalidInput, Problem, did_you_mean
from acr_refresher.core.model import Cluster, ClusterState, ServiceAccountState
from acr_refresher.core.outcome import Remove, SecretOutcome
from acr_refresher.core.request import Request
from acr_refresher.errors import Unreachable
from acr_refresher.run.apply import Applier
from acr_refresher.run.concurrency import run_bounded
from acr_refresher.run.contents import Contents
from acr_refresher.run.observe import observe
from acr_refresher.run.ports import KubeApi
from acr_refresher.settings import SETTINGS

INTERRUPTED = (
    "Some pull secrets may have been unbound or deleted. Start the command again for the rest."
)

T = TypeVar("T")
Removals = tuple[tuple[Remove, ...], ...]
"""Removals by namespace: those of one namespace may change the same service accounts."""
Use = Callable[[ClusterSession, Cluster, KubeApi], Awaitable[T]]


def unregister(
    cluster: Annotated[
        str,
        typer.Argument(
            help="The cluster's name in config.yaml.",
            show_default=False,
            autocompletion=options.cluster_names,
        ),
    ],
    config: options.ConfigOption = options.DEFAULT_CONFIG,
    *,
    yes: options.YesOption = False,
    region: options.RegionOption = "",
) -> None:
    """Unbind and delete all pull secrets that acr-refresher wrote in a cluster.

    First remove the cluster from the deployed config.yaml: otherwise the next run creates its pull
    secrets again. Use a config.yaml that still has the cluster for this command. If the command is
    interrupted, start it again.
    """
    with exit_on_errors(), open_session(config, region) as session:
        planned = asyncio.run(_in_cluster(session, cluster, _plan))
        if not planned:
            show(Text(f"Cluster {cluster} has no pull secret of acr-refresher."))
            return
        if not yes:
            confirm(_statement(cluster, planned))
        with interruptible(INTERRUPTED):
            outcomes, left = asyncio.run(_in_cluster(session, cluster, _remove))
    failed = sum(bool(outcome.failures) for outcome in outcomes)
    show(
        columns(chain.from_iterable(map(_rows, sanitize(outcomes)))),
        Text(f"Done: {len(outcomes) - failed} removed, {failed} failed."),
    )
    if left or failed:
        fail(*left)


async def _plan(_session: ClusterSession, cluster: Cluster, kube: KubeApi) -> Removals:
    """A removal for each of the cluster's pull secrets that acr-refresher wrote.

    A namespace is left alone if its service accounts could not be read: they may be bound.
    """
    names = [wanted.name for wanted in cluster.pull_secrets]
    state = await observe(kube, names)
    by_namespace: defaultdict[str, tuple[Remove, ...]] = defaultdict(tuple)
    for secret in state.secrets:
        if secret.managed and secret.name in names and secret.namespace not in state.unreadable:
            bound = tuple(
                account
                for account in state.service_accounts
                if account.namespace == secret.namespace and account.refers_to(secret.name)
            )
            version = secret.resource_version
            action = Remove(secret.namespace, secret.name, bound, secret.uid, version)
            by_namespace[secret.namespace] += (action,)
    if not by_namespace and state.unreadable:
        raise Unreachable(next(iter(_unread(state))), retryable=False, service="kube")
    return tuple(by_namespace.values())


def _unread(state: ClusterState) -> Iterator[str]:
    """A message for each namespace of which it is not known whether it has something of ours."""
    for namespace, failure in state.unreadable.items():
        yield f"namespace {namespace} could not be read: {failure.message}"


async def _remove(
    session: ClusterSession, cluster: Cluster, kube: KubeApi
) -> tuple[tuple[SecretOutcome, ...], tuple[str, ...]]:
    """Remove all pull secrets. Return the outcomes, and what a last list shows of them."""
    contents = Contents(kube, session.minter, session.now, str(uuid.uuid4()))
    applier = Applier.of(kube, contents)

    async def clear(actions: tuple[Remove, ...]) -> list[SecretOutcome]:
        return [await applier.apply(action) for action in actions]

    planned = await _plan(session, cluster, kube)
    cleared = await run_bounded(SETTINGS.requests_per_cluster, map(clear, planned))
    outcomes = tuple(chain.from_iterable(cleared))
    names = [wanted.name for wanted in cluster.pull_secrets]
    state = await observe(kube, names)
    removed = {(each.namespace, each.secret) for each in outcomes if not each.failures}
    if references := _references(state, removed):
        for account, name in references:
            unbind = ServiceAccountState.without_reference
            await applier.binder.change_all((account,), name, unbind)
        state = await observe(kube, names)
    return outcomes, _left(state, removed, outcomes)


def _references(
    state: ClusterState, removed: Collection[tuple[str, str]]
) -> tuple[tuple[ServiceAccountState, str], ...]:
    """The service accounts that refer to a deleted pull secret: they were created meanwhile."""
    gone = {*removed} - {(secret.namespace, secret.name) for secret in state.secrets}
    return tuple(
        (account, name)
        for account in state.service_accounts
        for name in account.image_pull_secrets
        if (account.namespace, name) in gone
    )


def _left(
    state: ClusterState,
    removed: Collection[tuple[str, str]],
    outcomes: Iterable[SecretOutcome],
) -> tuple[str, ...]:
    """A message for each thing of ours that is still there, unless its outcome says why."""
    explained = {(each.namespace, each.secret) for each in outcomes if each.failures}
    secrets = (
        f"pull secret {each.namespace}/{each.name} is still there: start the command again"
        for each in state.secrets
        if each.managed
        and (each.namespace, each.name) not in explained
        and each.namespace not in state.unreadable
    )
    references = (
        f"service account {account.namespace}/{account.name} still refers to {name}: remove that"
        " from its imagePullSecrets"
        for account, name in _references(state, removed)
    )
    return (*secrets, *references, *_unread(state))


async def _in_cluster(session: Session, name: str, use: Use[T]) -> T:
    """What `use` returns for the cluster of that name. Raises InvalidInput.

    Fails the command if the cluster cannot be reached.
    """
    with progress(name, 1) as step:
        async with cluster_session(session, step) as clusters:
            cluster = await _find_cluster(clusters, name)
            (result,) = await clusters.for_each_cluster([cluster], partial(use, clusters))
    if result.found is None:
        fail(result.failure.message if result.failure else result.skipped)
    return result.found


async def _find_cluster(session: ClusterSession, name: str) -> Cluster:
    """The configured or discovered cluster of that name. Raises InvalidInput.

    Fails the command if the cluster may be in a list that could not be read.
    """
    known = {cluster.name: cluster for cluster in session.config.clusters}
    if name in known:
        return known[name]
    registered = await session.register(Request("manual"))
    known = {cluster.name: cluster for cluster in registered.clusters}
    if name in known:
        return known[name]
    unread = [
        f"{each.cluster}: {each.failure.message}; cluster {name} may be in this list"
        for each in registered.outcomes
        if each.failure
    ]
    if unread:
        fail(*unread)
    remedy = did_you_mean(name, known)
    raise InvalidInput([Problem(name, "no such cluster", remedy)])


def _statement(cluster: str, planned: Removals) -> str:
    actions = [action for group in planned for action in group]
    secrets = pluralize(len(actions), "pull secret", "pull secrets")
    references = sum(len(action.unbind) for action in actions)
    return (
        f"This deletes {secrets} in {cluster} and removes"
        f" {pluralize(references, 'reference', 'references')} from service accounts."
    )


def _rows(outcome: SecretOutcome) -> Iterator[tuple[Text, Text]]:
    name = f"{outcome.namespace}/{outcome.secret}"
    if not outcome.failures:
        yield Text(f"- {name}", "red"), Text("removed", "red")
    for failure in outcome.failures:
        subject = f"{failure.subject}: " if failure.subject else ""
        what = Text(f"{subject}{failure.message}", "bright_red")
        yield Text(f"! {name}", "bright_red"), what
