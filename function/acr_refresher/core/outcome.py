"""The outcome of each secret and of each cluster, with its reason.

Outcomes are part of the report's JSON: `core.report` writes and reads these classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field, PlainSerializer, Strict

from acr_refresher.core.actions import Action, Reconcile, Remove, Skip
from acr_refresher.core.model import Entry, SecretContent
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.secret import rfc3339

Moment = Annotated[AwareDatetime, Strict(), PlainSerializer(rfc3339)]
"""A time, in JSON as RFC 3339."""
_Milliseconds = Annotated[
    timedelta,
    AfterValidator(lambda seconds: seconds / 1000),  # pydantic reads a number as seconds
    PlainSerializer(lambda duration: round(duration / timedelta(milliseconds=1))),
]


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, by meaning, with a message that is safe to log.

    `subject` is the registry or service account concerned. `code` is the service's own error code.
    Operators of the service can look up `request_id`.
    """

    meaning: str
    message: str
    subject: str = ""
    service: str = ""
    code: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretOutcome:
    """The outcome of one pull secret in one namespace. `secret` is its name.

    `service_accounts` refer to it now. `bound` are those among them that were bound in this run.
    `waiting_for` are configured service accounts that do not exist. `warnings` are about things to
    look at although the secret is as it should be.
    """

    namespace: str
    secret: str
    result: Result
    reason: Reason
    hosts: Annotated[tuple[str, ...], Field(alias="registryHosts")] = ()
    service_accounts: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()
    waiting_for: tuple[str, ...] = ()
    expires_at: Moment | None = None
    failures: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deferral:
    """Why a cluster is left to the next run.

    `fresh`: the last visit saw nothing that is due now. `earliest_expiry` is what it saw.
    """

    why: str
    fresh: bool = False
    earliest_expiry: Moment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOutcome:
    """The outcome of one cluster. With a `failure` it could not be served at all.

    `skipped` says why there was nothing to serve: the cluster is not running. `deferred`: the run
    had no time for it. `last_seen_expiry` is the earliest expiry at the last visit, if it failed.
    """

    cluster: str
    failure: Failure | None = None
    skipped: str = ""
    deferred: Deferral | None = None
    last_seen_expiry: Moment | None = None
    warnings: tuple[str, ...] = ()
    requests: int = 0
    duration: Annotated[_Milliseconds, Field(alias="durationMs")] = timedelta()
    secrets: tuple[SecretOutcome, ...] = ()


@dataclass(frozen=True, slots=True)
class ShardStart:
    """An invocation that serves a number of clusters, under this task ID and the same run.

    `started` is False where an earlier attempt or delivery started it, or where a `failure`
    prevented the start.
    """

    task_id: str
    clusters: int
    started: bool = False
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class UnsentOutcomes:
    """How many records could not be written to the log of outcomes, and why."""

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
    """The outcome of a namespace that was served, as far as that succeeded.

    `unminted`: failures to get a token. `unwritten`: failures to write to the API server.
    """
    unbound = {account.name for account in action.bind} - set(bound)
    return _outcome(
        action,
        result=_result(action, written, bound, unminted, unwritten),
        reason=action.apply.reason if action.apply else Reason.FRESH,
        entries=written.entries if written else action.entries,
        service_accounts=tuple(name for name in action.service_accounts if name not in unbound),
        bound=bound,
        waiting_for=action.waiting_for,
        failures=unminted + unwritten,
        warnings=action.warnings + warnings,
    )


def refused_outcome(
    action: Reconcile, failure: Failure, unminted: tuple[Failure, ...]
) -> SecretOutcome:
    """The outcome where the API server refused the secret. What was there before is still there."""
    outcome = reconciled_outcome(action, unminted=unminted, unwritten=(failure,))
    if failure.meaning == "gone":
        return _outcome(action, Result.SKIPPED, Reason.NAMESPACE_GONE)
    if failure.meaning == "conflict":
        reason = Reason.FOREIGN_SECRET if action.uid is None else Reason.CHANGED_MEANWHILE
        return replace(outcome, result=Result.CONFLICT, reason=reason)
    return outcome


def removal_outcome(action: Remove, failures: tuple[Failure, ...] = ()) -> SecretOutcome:
    """The outcome of a removal. With failures, the namespace still has its secret."""
    if not failures:
        return _outcome(action, Result.REMOVED, Reason.NAMESPACE_DESELECTED)
    deselected = Reason.NAMESPACE_DESELECTED
    return _outcome(action, Result.FAILED, deselected, action.entries, failures=failures)


def failed_outcome(action: Action, failure: Failure) -> SecretOutcome:
    """The outcome of an action that failed with an unexpected error."""
    if isinstance(action, Reconcile):
        return reconciled_outcome(action, unwritten=(failure,))
    if isinstance(action, Remove):
        return removal_outcome(action, (failure,))
    return skipped_outcome(action)


def planned_outcome(action: Action) -> SecretOutcome:
    """The outcome of an action in a dry run: nothing is minted or written."""
    if isinstance(action, Skip):
        return skipped_outcome(action)
    if isinstance(action, Remove):
        return _outcome(action, Result.PLANNED, Reason.NAMESPACE_DESELECTED, action.entries)
    outcome = reconciled_outcome(action, bound=tuple(account.name for account in action.bind))
    return replace(outcome, result=Result.PLANNED) if action.apply or action.bind else outcome


def skipped_outcome(action: Skip) -> SecretOutcome:
    """The outcome of a namespace in which nothing was changed."""
    return _outcome(action, action.result, action.reason, action.entries)


def all_hosts(entries: Iterable[Entry]) -> tuple[str, ...]:
    """All registry hosts that a secret covers."""
    return tuple(sorted({host for entry in entries for host in entry.hosts}))


def entries_expiry(entries: Iterable[Entry]) -> datetime | None:
    """When the first of a secret's tokens expires, if its record lists any."""
    return min((entry.expires_at for entry in entries), default=None)


def _outcome(
    action: Action, result: Result, reason: Reason, entries: tuple[Entry, ...] = (), **more: Any
) -> SecretOutcome:
    """The outcome of an action that left these entries in the secret."""
    return SecretOutcome(
        namespace=action.namespace,
        secret=action.secret,
        result=result,
        reason=reason,
        hosts=all_hosts(entries),
        expires_at=entries_expiry(entries),
        **{"warnings": action.warnings, **more},
    )


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
