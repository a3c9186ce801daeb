"""What a secret will hold, and what came of it, once minting has succeeded or failed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from acr_refresher.core import record
from acr_refresher.core.action import (
    Action,
    ApplySecret,
    ClearNamespace,
    LeaveNamespace,
    ServeNamespace,
)
from acr_refresher.core.model import Credential, Entry, SecretContent
from acr_refresher.core.outcome import Failure, Reason, Result, SecretOutcome


def content(
    apply: ApplySecret, minted: Mapping[str, Credential], now: datetime, run: str
) -> SecretContent | None:
    """The Secret to write, or None where writing would bring nothing new.

    Where a registry could not be minted its old, still-valid credential is carried over.
    """
    if apply.mint and not minted:
        return None
    carried = (one for one in apply.fallback if one.entry.registry not in minted)
    held = (*minted.values(), *apply.kept, *carried)
    return record.write(held, now, run) if held else None


def carries(content: SecretContent, minted: Mapping[str, Credential]) -> bool:
    """Whether anything in it was read, not minted: what was written since would be undone by it."""
    return any(entry.registry not in minted for entry in content.entries)


def served(
    action: ServeNamespace,
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
        hosts=hosts(entries),
        expires_at=ends(entries),
        failures=unminted + unwritten,
        warnings=action.warnings + warnings,
    )


def refused(
    action: ServeNamespace, failure: Failure, unminted: tuple[Failure, ...]
) -> SecretOutcome:
    """The outcome where the API server did not take the secret: what was there still stands."""
    outcome = served(action, unminted=unminted, unwritten=(failure,))
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


def cleared(action: ClearNamespace, failures: tuple[Failure, ...] = ()) -> SecretOutcome:
    """The outcome of a namespace that was to lose its secret: where something failed, it has it."""
    entries = action.entries if failures else ()
    return SecretOutcome(
        namespace=action.namespace,
        secret=action.secret,
        result=Result.FAILED if failures else Result.REMOVED,
        reason=Reason.NAMESPACE_DESELECTED,
        hosts=hosts(entries),
        expires_at=ends(entries),
        failures=failures,
        warnings=action.warnings,
    )


def broken(action: Action, failure: Failure) -> SecretOutcome:
    """The outcome of a namespace in which the system itself failed."""
    if isinstance(action, ServeNamespace):
        return served(action, unwritten=(failure,))
    if isinstance(action, ClearNamespace):
        return cleared(action, (failure,))
    return left(action)


def previewed(action: Action) -> SecretOutcome:
    """What would come of an action, with nothing minted and nothing written."""
    if isinstance(action, LeaveNamespace):
        return left(action)
    if isinstance(action, ClearNamespace):
        there = action.entries
        gone = cleared(action)
        return replace(gone, result=Result.PLANNED, hosts=hosts(there), expires_at=ends(there))
    outcome = served(action, bound=tuple(account.name for account in action.bind))
    return replace(outcome, result=Result.PLANNED) if action.apply or action.bind else outcome


def left(action: LeaveNamespace) -> SecretOutcome:
    """The outcome of a namespace in which nothing was touched."""
    return SecretOutcome(
        namespace=action.namespace,
        secret=action.secret,
        result=action.result,
        reason=action.reason,
        hosts=hosts(action.entries),
        expires_at=ends(action.entries),
        warnings=action.warnings,
    )


def hosts(entries: Iterable[Entry]) -> tuple[str, ...]:
    """All registry hosts that a secret covers."""
    return tuple(sorted({host for entry in entries for host in entry.hosts}))


def ends(entries: Collection[Entry]) -> datetime | None:
    """When the first of a secret's tokens expires, where its record says so."""
    return record.earliest(entries) if entries else None


def _result(
    action: ServeNamespace,
    written: SecretContent | None,
    bound: tuple[str, ...],
    unminted: tuple[Failure, ...],
    unwritten: tuple[Failure, ...],
) -> Result:
    if unwritten:
        return Result.FAILED
    if unminted:
        others_hold = action.apply is not None and action.apply.kept
        return Result.DEGRADED if written or others_hold else Result.FAILED
    if written:
        created = action.apply is not None and action.apply.reason is Reason.SECRET_MISSING
        return Result.CREATED if created else Result.RENEWED
    if bound:
        return Result.BOUND
    return Result.WAITING if action.waiting_for else Result.UNCHANGED
