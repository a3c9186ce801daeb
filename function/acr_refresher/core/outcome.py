"""What came of a namespace's secret, and of a cluster, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from acr_refresher.core.actions import Action, Reconcile, Remove, Skip
from acr_refresher.core.model import Entry, SecretContent
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.secret import earliest_entry_expiry


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, by meaning, in words that are safe to log.

    `subject` is what it concerns (a registry, a service account), `code` the service's own error
    code and `request_id` what its operators can look up.
    """

    meaning: str
    message: str
    subject: str = ""
    service: str = ""
    code: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretOutcome:
    """What came of one pull secret, `secret` by name, in one namespace.

    `service_accounts` refer to it now, `bound` began to in this run, `waiting_for` do not exist.
    `warnings` tell what someone should look at though the secret is as it should be.
    """

    namespace: str
    secret: str
    result: Result
    reason: Reason
    service_accounts: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()
    waiting_for: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    expires_at: datetime | None = None
    failures: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deferral:
    """Why a cluster is left to the next run.

    `fresh`: nothing was due there, by what the last visit saw, which `earliest_expiry` is from.
    """

    why: str
    fresh: bool = False
    earliest_expiry: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOutcome:
    """What came of one cluster. `failure` is what kept it from being served at all.

    `skipped` says why there was nothing to serve: it is not running. `deferred`: the run had no
    time for it. `last_seen_expiry`: where it failed, that of its first secret by the visit before.
    """

    cluster: str
    secrets: tuple[SecretOutcome, ...] = ()
    failure: Failure | None = None
    skipped: str = ""
    deferred: Deferral | None = None
    last_seen_expiry: datetime | None = None
    warnings: tuple[str, ...] = ()
    requests: int = 0
    duration: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class ShardStart:
    """So many clusters that another invocation serves, under this task ID and the same run.

    `started` False: it was started before, by another attempt or delivery of this invocation; or,
    with a `failure`, it was not.
    """

    task_id: str
    clusters: int
    started: bool = False
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class UnsentOutcomes:
    """So many records of outcomes that did not get into their log, and why."""

    records: int
    failure: Failure


def reconciled_outcome(
    action: Reconcile,
    written: SecretContent | None = None,
    bound: tuple[str, ...] = (),
    unminted: tuple[Failure, ...] = (),
    unwritten: tuple[Failure, ...] = (),
    warnings: tuple[str, ...] = (),
) -> SecretOutcome:
    """The outcome of a namespace that was served, as far as the failures let it.

    `unminted`: registries without a new token. `unwritten`: what the API server did not take.
    """
    entries = written.entries if written else action.entries
    unbound = {account.name for account in action.bind} - set(bound)
    return SecretOutcome(
        namespace=action.namespace,
        secret=action.secret,
        result=_result(action, written, bound, unminted, unwritten),
        reason=action.apply.reason if action.apply else Reason.FRESH,
        service_accounts=tuple(name for name in action.service_accounts if name not in unbound),
        bound=bound,
        waiting_for=action.waiting_for,
        hosts=all_hosts(entries),
        expires_at=entries_expiry(entries),
        failures=unminted + unwritten,
        warnings=action.warnings + warnings,
    )


def refused_outcome(
    action: Reconcile, failure: Failure, unminted: tuple[Failure, ...]
) -> SecretOutcome:
    """The outcome where the API server did not take the secret: what was there still stands."""
    outcome = reconciled_outcome(action, unminted=unminted, unwritten=(failure,))
    if failure.meaning == "gone":
        return SecretOutcome(
            namespace=action.namespace,
            secret=action.secret,
            result=Result.SKIPPED,
            reason=Reason.NAMESPACE_GONE,
            warnings=action.warnings,
        )
    if failure.meaning == "conflict":
        new = action.uid is None
        reason = Reason.FOREIGN_SECRET if new else Reason.CHANGED_MEANWHILE
        return replace(outcome, result=Result.CONFLICT, reason=reason)
    return outcome


def removal_outcome(action: Remove, failures: tuple[Failure, ...] = ()) -> SecretOutcome:
    """The outcome of a namespace that was to lose its secret: where something failed, it has it."""
    entries = action.entries if failures else ()
    return SecretOutcome(
        namespace=action.namespace,
        secret=action.secret,
        result=Result.FAILED if failures else Result.REMOVED,
        reason=Reason.NAMESPACE_DESELECTED,
        hosts=all_hosts(entries),
        expires_at=entries_expiry(entries),
        failures=failures,
        warnings=action.warnings,
    )


def failed_outcome(action: Action, failure: Failure) -> SecretOutcome:
    """The outcome of a namespace in which the system itself failed."""
    if isinstance(action, Reconcile):
        return reconciled_outcome(action, unwritten=(failure,))
    if isinstance(action, Remove):
        return removal_outcome(action, (failure,))
    return skipped_outcome(action)


def planned_outcome(action: Action) -> SecretOutcome:
    """What would come of an action, with nothing minted and nothing written."""
    if isinstance(action, Skip):
        return skipped_outcome(action)
    if isinstance(action, Remove):
        there = action.entries
        gone = removal_outcome(action)
        return replace(
            gone, result=Result.PLANNED, hosts=all_hosts(there), expires_at=entries_expiry(there)
        )
    outcome = reconciled_outcome(action, bound=tuple(account.name for account in action.bind))
    return replace(outcome, result=Result.PLANNED) if action.apply or action.bind else outcome


def skipped_outcome(action: Skip) -> SecretOutcome:
    """The outcome of a namespace in which nothing was touched."""
    return SecretOutcome(
        namespace=action.namespace,
        secret=action.secret,
        result=action.result,
        reason=action.reason,
        hosts=all_hosts(action.entries),
        expires_at=entries_expiry(action.entries),
        warnings=action.warnings,
    )


def all_hosts(entries: Iterable[Entry]) -> tuple[str, ...]:
    """All registry hosts that a secret covers."""
    return tuple(sorted({host for entry in entries for host in entry.hosts}))


def entries_expiry(entries: Collection[Entry]) -> datetime | None:
    """When the first of a secret's tokens expires, where its record says so."""
    return earliest_entry_expiry(entries) if entries else None


def _result(
    action: Reconcile,
    written: SecretContent | None,
    bound: tuple[str, ...],
    unminted: tuple[Failure, ...],
    unwritten: tuple[Failure, ...],
) -> Result:
    if unwritten:
        return Result.FAILED
    if unminted:
        others_hold = action.apply is not None and action.apply.kept
        return Result.INCOMPLETE if written or others_hold else Result.FAILED
    if written:
        created = action.apply is not None and action.apply.reason is Reason.SECRET_MISSING
        return Result.CREATED if created else Result.RENEWED
    if bound:
        return Result.BOUND
    return Result.WAITING if action.waiting_for else Result.UNCHANGED
