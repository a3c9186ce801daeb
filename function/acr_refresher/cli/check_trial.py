"""Tries in a cluster what a run does there: its lists, and its writes with dryRun=All.

Access reviews say nothing about admission policies, quotas and unreadable objects. A dry run does:
the API server admits and validates the write, and stores nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain

from pydantic import SecretStr

from acr_refresher.cli.check_rights import CheckResult, Verdict, attempt, check_result
from acr_refresher.core.merge import content_to_write
from acr_refresher.core.model import (
    Cluster,
    ClusterState,
    Credential,
    Entry,
    Registry,
    SecretContent,
    ServiceAccountState,
)
from acr_refresher.core.outcome import Action, ApplySecret, Failure, Reconcile, Skip
from acr_refresher.core.plan import plan
from acr_refresher.core.request import Request
from acr_refresher.core.secret import inputs_digest
from acr_refresher.errors import Conflict, Gone
from acr_refresher.kube.api import KubernetesApi
from acr_refresher.kube.refusals import CANNOT_DRY_RUN
from acr_refresher.run.observe import observe
from acr_refresher.run.retry import retrying

PLACEHOLDER = SecretStr("placeholder")
"""The password in the Secrets of dry runs. Their hosts do not exist either."""


UNREADABLE_NAMED = 5
"""Namespaces that could not be read, each with a result of its own."""
UNCONFINED = "writes not confined by admission policies (infra/admission)"


async def try_run(
    subject: str, cluster: Cluster, kube: KubernetesApi, now: datetime
) -> tuple[CheckResult, ...]:
    """The results of the lists, and of the writes in one namespace for each pull secret.

    `kube` must be one that stores nothing.
    """
    what = "list namespaces, secrets and service accounts"
    names = [wanted.name for wanted in cluster.pull_secrets]
    state = await attempt(observe(kube, names, cluster.pull_secrets))
    if isinstance(state, Failure):
        return (check_result(subject, what, state),)
    request = Request(trigger="check", force=True)
    actions = tuple(chain.from_iterable(plan(cluster.pull_secrets, state, request, now)))
    chosen = {action.secret: action for action in reversed(tuple(_writable(actions)))}
    results = [CheckResult(subject, what), *_unreadable(subject, state, actions)]
    if kube.last_error:  # a run does without this list, with more requests
        results.append(CheckResult(subject, "list at once", Verdict.WARNING, kube.last_error))
    for wanted in cluster.pull_secrets:
        if action := chosen.get(wanted.name):
            results += await _try_writes(subject, kube, action, state, now)
        else:
            why = "no namespace that the configuration selects can be used to try it"
            what = f"write {wanted.name} (dry run)"
            results.append(CheckResult(subject, what, Verdict.WARNING, why))
    results += await _confinement(subject, kube, state)
    warned = (
        CheckResult(subject, "warnings of the API server", Verdict.WARNING, text)
        for text in kube.warnings
    )
    return (*results, *warned)


def _unreadable(
    subject: str, state: ClusterState, actions: Iterable[Action]
) -> Iterator[CheckResult]:
    """Results for the namespaces that could not be read: a warning if none has a pull secret."""
    needed = {
        action.namespace for action in actions if isinstance(action, Skip) and action.failures
    }
    unread = sorted(state.unreadable.items(), key=lambda found: found[0] not in needed)
    for namespace, failure in unread[:UNREADABLE_NAMED]:
        what = f"read namespace {namespace}"
        if namespace in needed:
            yield check_result(subject, what, failure)
        else:
            yield CheckResult(subject, what, Verdict.WARNING, failure.message)
    if (more := len(unread) - UNREADABLE_NAMED) > 0:
        verdict = Verdict.UNREACHABLE if len(needed) > UNREADABLE_NAMED else Verdict.WARNING
        why = "they could not be read either"
        yield CheckResult(subject, f"read {more} more namespaces", verdict, why)


async def _confinement(
    subject: str, kube: KubernetesApi, state: ClusterState
) -> tuple[CheckResult, ...]:
    """Whether policies limit the writes of this user to those that the function makes."""
    if not state.service_accounts:
        return ()
    confined = await attempt(kube.is_confined(state.service_accounts[0]))
    if isinstance(confined, Failure):
        return ()
    what = "writes confined by admission policies" if confined else UNCONFINED
    return (CheckResult(subject, what),)


def _writable(actions: Iterable[Action]) -> Iterator[Reconcile]:
    """The actions that write a Secret. One that must be replaced cannot be tried without that."""
    for action in actions:
        if isinstance(action, Reconcile) and action.apply and not action.apply.replace:
            yield action


async def _try_writes(
    subject: str, kube: KubernetesApi, action: Reconcile, state: ClusterState, now: datetime
) -> list[CheckResult]:
    """Write a pull secret with a placeholder as login, and bind a service account to it."""
    results: list[CheckResult] = []
    namespace, name = action.namespace, action.secret
    content = _content(action.apply, now) if action.apply else None
    if content:
        writing = retrying(lambda: kube.apply_secret(namespace, name, content, action.uid))
        what = f"write {name} in {namespace} (dry run)"
        results.append(_tried(subject, what, await attempt(writing)))
    if account := _account_to_bind(action, state):
        bound = account.with_reference(name)
        binding = retrying(lambda: kube.patch_service_account(bound))
        what = f"bind service account {account.name} in {namespace} (dry run)"
        results.append(_tried(subject, what, await attempt(binding)))
    return results


def _account_to_bind(action: Reconcile, state: ClusterState) -> ServiceAccountState | None:
    """One of the service accounts that the configuration selects in the namespace."""
    selected = (
        account
        for account in state.service_accounts
        if account.namespace == action.namespace and account.name in action.service_accounts
    )
    return next(selected, None)


def _content(apply: ApplySecret, now: datetime) -> SecretContent | None:
    """The Secret that a run would write, with placeholders for what it would mint."""
    minted = {
        registry.name: _placeholder(registry, f"registry-{number}.invalid", now)
        for number, registry in enumerate(apply.mint)
    }
    return content_to_write(replace(apply, kept=(), fallback=()), minted, now, "check")


def _placeholder(registry: Registry, host: str, now: datetime) -> Credential:
    hosts = registry.domains or (host,)
    entry = Entry(registry.name, hosts, now + timedelta(hours=1), inputs_digest(registry))
    return Credential(entry, "check", PLACEHOLDER)


def _tried(subject: str, what: str, answer: object) -> CheckResult:
    """The result of a dry run. What another client changed meanwhile is no finding."""
    failure = answer if isinstance(answer, Failure) else None
    if failure and (
        failure.meaning in (Conflict.meaning, Gone.meaning) or CANNOT_DRY_RUN in failure.message
    ):
        return CheckResult(subject, what, Verdict.WARNING, failure.message)
    return check_result(subject, what, failure)
