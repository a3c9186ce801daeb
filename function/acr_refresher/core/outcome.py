"""The actions in a namespace, as data, and the outcomes of secrets and clusters.

`core.plan` decides the actions, `run.apply` executes them. In every action, `secret` is the name of
the pull secret, `entries` is the record of the Secret that was found if it is ours, and `warnings`
go into the outcome. Outcomes are part of the report's JSON: `core.report` writes and reads them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field, PlainSerializer, Strict

from acr_refresher.core.contention import Repairs
from acr_refresher.core.model import (
    NO_METADATA,
    Credential,
    Entry,
    Registry,
    SecretContent,
    SecretMetadata,
    ServiceAccountState,
)
from acr_refresher.core.reasons import FAILING, Reason, Result
from acr_refresher.core.request import Request
from acr_refresher.core.secret import inputs_digest, rfc3339

# ---- actions -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Terms:
    """What a decision depends on besides the secret: above all, the registries it must hold."""

    registries: tuple[Registry, ...]
    request: Request
    expiring_threshold: timedelta
    now: datetime
    metadata: SecretMetadata = NO_METADATA


@dataclass(frozen=True, slots=True)
class ApplySecret:
    """Write the secret with new tokens for `mint`, and with the credentials in `kept`.

    `fallback` holds the valid credentials of the registries in `mint`, for those whose minting
    fails. With `replace`, the type of the Secret that was found cannot be changed. So it is deleted
    (by uid) just before the new one is written. `repairs` are counted in the Secret. Namespaces
    with the same content share an instance.
    """

    terms: Terms
    reason: Reason
    mint: tuple[Registry, ...]
    kept: tuple[Credential, ...]
    fallback: tuple[Credential, ...]
    replace: bool = False
    repairs: Repairs = ()


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Bring the secret and its references in a namespace up to date.

    `apply` is None if the secret is fresh. `uid` and `resource_version` are those of the Secret
    that was found, if any. `bind` are the selected `service_accounts` that lack the reference.
    `waiting_for` are selected by name and do not exist yet. `contended` says what a competing
    controller changes.
    """

    namespace: str
    secret: str
    uid: str | None
    resource_version: str | None
    apply: ApplySecret | None
    bind: tuple[ServiceAccountState, ...]
    service_accounts: tuple[str, ...]
    waiting_for: tuple[str, ...]
    entries: tuple[Entry, ...]
    warnings: tuple[str, ...] = ()
    contended: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remove:
    """Unbind the service accounts, then delete our secret: the namespace is no longer selected.

    The Secret is deleted only if it still has this `uid` and `resource_version`.
    """

    namespace: str
    secret: str
    unbind: tuple[ServiceAccountState, ...]
    uid: str
    resource_version: str
    entries: tuple[Entry, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skip:
    """Change nothing, for a reason."""

    namespace: str
    secret: str
    result: Result
    reason: Reason
    entries: tuple[Entry, ...] = ()
    warnings: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()


Action = Reconcile | Remove | Skip


def holds_valid_logins(action: Reconcile) -> bool:
    """Whether the Secret that was found has a valid login for each registry that it must hold."""
    apply = action.apply
    if apply is None:
        return True  # it is fresh
    logins = {each.entry.registry: each.entry for each in (*apply.kept, *apply.fallback)}
    usable = {
        registry.name
        for registry in apply.terms.registries
        if (entry := logins.get(registry.name))
        and entry.inputs == inputs_digest(registry)
        and entry.expires_at > apply.terms.now
    }
    return not apply.replace and len(usable) == len(apply.terms.registries)


def costs_requests(actions: Iterable[Action]) -> bool:
    """Whether the actions need requests to the API server."""
    return any(
        isinstance(action, Remove)
        or (isinstance(action, Reconcile) and bool(action.apply or action.bind))
        for action in actions
    )


def accounts_changed(actions: Iterable[Action]) -> int:
    """How many service accounts the actions bind or unbind."""
    return sum(
        len(action.unbind if isinstance(action, Remove) else action.bind)
        for action in actions
        if not isinstance(action, Skip)
    )


# ---- outcomes ------------------------------------------------------------------------------------


def milliseconds(duration: timedelta) -> int:
    """The duration in milliseconds, as reports, records, log lines and the SDKs have it."""
    return round(duration / timedelta(milliseconds=1))


Moment = Annotated[AwareDatetime, Strict(), PlainSerializer(rfc3339)]
"""A time, in JSON as RFC 3339."""
_Milliseconds = Annotated[
    timedelta,
    AfterValidator(lambda seconds: seconds / 1000),  # pydantic reads a number as seconds
    PlainSerializer(milliseconds),
]


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, by meaning, with a message that is safe to log.

    `subject` is the registry or service account that it is about. `code` is the service's own error
    code. Operators of the service can look up `request_id`.
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

    `service_accounts` refer to it now. `bound` are those of them that were bound in this run.
    `waiting_for` are configured service accounts that do not exist. `warnings` need a look although
    nothing failed.
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
    """Why a cluster is left to the next run, and what the last visit saw."""

    why: str
    fresh: bool = False  # whether nothing is due now
    earliest_expiry: Moment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOutcome:
    """The outcome of one cluster. With a `failure` it could not be served at all.

    `skipped` says why there was nothing to serve: the cluster is not running. If it is `deferred`,
    the run had no time for it. `last_seen_expiry` is the earliest expiry that an earlier visit saw.
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


def reconciled_outcome(
    action: Reconcile,
    written: SecretContent | None = None,
    bound: tuple[str, ...] = (),
    unminted: tuple[Failure, ...] = (),  # failures to get a token
    unwritten: tuple[Failure, ...] = (),  # failures to write to the API server
    warnings: tuple[str, ...] = (),
) -> SecretOutcome:
    """The outcome of a namespace that was served, as far as that succeeded."""
    apply = action.apply
    unbound = {account.name for account in action.bind} - set(bound)
    result = (
        _failed_result(action, written, unbound)
        if unwritten
        else _result(action, written, bound, unminted)
    )
    if action.contended and result not in FAILING:
        result = Result.CONTENDED
    return _outcome(
        action,
        result=result,
        reason=apply.reason if apply else Reason.FRESH,
        entries=written.entries if written else action.entries,
        service_accounts=tuple(name for name in action.service_accounts if name not in unbound),
        bound=bound,
        waiting_for=action.waiting_for,
        failures=unminted + unwritten,
        warnings=action.warnings + warnings + action.contended,
    )


def _result(
    action: Reconcile,
    written: SecretContent | None,
    bound: tuple[str, ...],
    unminted: tuple[Failure, ...],
) -> Result:
    """The result if the API server accepted every write."""
    apply = action.apply
    if unminted and not written and holds_valid_logins(action):
        return Result.KEPT
    if unminted:
        others_hold = apply is not None and apply.kept
        return Result.INCOMPLETE if written or others_hold else Result.FAILED
    if written:
        missing = apply is not None and apply.reason is Reason.SECRET_MISSING
        created = missing and action.uid is None  # no overlapping run has created it meanwhile
        return Result.CREATED if created else Result.RENEWED
    if bound:
        return Result.BOUND
    return Result.WAITING if action.waiting_for else Result.UNCHANGED


def _failed_result(
    action: Reconcile, written: SecretContent | None, unbound: Collection[str]
) -> Result:
    """The result if the API server refused a write. A valid secret needs its references too."""
    renewal_failed = action.apply is not None and action.uid is not None and not written
    whole = renewal_failed and not unbound and holds_valid_logins(action)
    return Result.KEPT if whole else Result.FAILED


def refused_outcome(
    action: Reconcile, failure: Failure, unminted: tuple[Failure, ...]
) -> SecretOutcome:
    """The outcome if the API server refused the secret. What was there before is still there."""
    outcome = reconciled_outcome(action, unminted=unminted, unwritten=(failure,))
    if failure.meaning == "gone":
        return _outcome(action, Result.SKIPPED, Reason.NAMESPACE_GONE)
    if failure.meaning == "conflict":
        reason = Reason.FOREIGN_SECRET if action.uid is None else Reason.CHANGED_MEANWHILE
        return replace(outcome, result=Result.CONFLICT, reason=reason)
    return outcome


def removal_outcome(action: Remove, failures: tuple[Failure, ...] = ()) -> SecretOutcome:
    """The outcome of a removal. With failures, the namespace still has its secret."""
    reason = Reason.NAMESPACE_DESELECTED
    if not failures:
        return _outcome(action, Result.REMOVED, reason)
    return _outcome(action, Result.FAILED, reason, action.entries, failures=failures)


def not_ours_outcome(action: Remove, failure: Failure) -> SecretOutcome:
    """The outcome of a removal if another Secret, or no longer ours, was there to be deleted."""
    reason = Reason.CHANGED_MEANWHILE
    return _outcome(action, Result.CONFLICT, reason, action.entries, failures=(failure,))


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
    return _outcome(action, action.result, action.reason, action.entries, failures=action.failures)


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
