"""Renewal: why a secret is written, with which new tokens, and with which it already holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from acr_refresher.core.actions import ApplySecret, Reconcile, Terms
from acr_refresher.core.model import Credential, Entry, Registry, SecretContent, SecretState
from acr_refresher.core.outcome import Failure
from acr_refresher.core.reasons import Reason
from acr_refresher.core.secret import (
    SECRET_TYPE,
    UNTRUSTED,
    build_secret,
    checksum_ok,
    inputs_digest,
    is_same_write,
    read_credentials,
    read_entries,
)


@dataclass(frozen=True, slots=True)
class RenewalFacts:
    """What the checks look at: a registry, the secret that must cover it, and its entry there."""

    registry: Registry
    secret: SecretState | None
    entry: Entry | None
    intact: bool
    force: bool
    threshold: timedelta
    now: datetime


def secret_missing(facts: RenewalFacts) -> Reason | None:
    """The Secret does not exist."""
    return Reason.SECRET_MISSING if facts.secret is None else None


def wrong_type(facts: RenewalFacts) -> Reason | None:
    """The Secret has another type or is immutable, which cannot be changed in place."""
    return Reason.WRONG_TYPE if facts.secret and needs_replacing(facts.secret) else None


def data_drifted(facts: RenewalFacts) -> Reason | None:
    """The secret was changed from outside, or the entry comes from a secret that was."""
    untrusted = facts.entry is not None and facts.entry.inputs == UNTRUSTED
    return Reason.DATA_DRIFTED if untrusted or not facts.intact else None


def registry_missing(facts: RenewalFacts) -> Reason | None:
    """The secret does not cover this registry."""
    return Reason.REGISTRY_MISSING if facts.entry is None else None


def inputs_changed(facts: RenewalFacts) -> Reason | None:
    """The instance, region, domains or roles have changed since the token was minted."""
    if facts.entry and facts.entry.inputs != inputs_digest(facts.registry):
        return Reason.INPUTS_CHANGED
    return None


def forced(facts: RenewalFacts) -> Reason | None:
    """The request renews tokens of any age."""
    return Reason.FORCED if facts.force else None


def expired(facts: RenewalFacts) -> Reason | None:
    """The token has expired: pulls fail."""
    if facts.entry and facts.entry.expires_at <= facts.now:
        return Reason.EXPIRED
    return None


def near_expiry(facts: RenewalFacts) -> Reason | None:
    """The token expires within the threshold."""
    if facts.entry and facts.entry.expires_at <= facts.now + facts.threshold:
        return Reason.NEAR_EXPIRY
    return None


CHECKS: tuple[Callable[[RenewalFacts], Reason | None], ...] = (
    secret_missing,  # no other check applies to a secret that does not exist
    wrong_type,  # the complete secret is replaced
    data_drifted,  # the content cannot be trusted, whatever its record says
    registry_missing,  # the registry is new in this secret
    inputs_changed,  # the token is for another instance or from another role
    forced,  # a user's request is reported as such, not as age
    expired,  # worse than near expiry: someone should find out why it was not renewed
    near_expiry,  # the usual case
)


def renewal_reason(facts: RenewalFacts) -> Reason | None:
    """Why the entry is renewed, by the first check that applies; None while it is fresh."""
    return next((reason for check in CHECKS if (reason := check(facts))), None)


def needs_replacing(secret: SecretState) -> bool:
    """Whether the API server would refuse a change: type and immutability are permanent."""
    return secret.immutable or secret.type != SECRET_TYPE


def decide(terms: Terms, secret: SecretState | None) -> ApplySecret | None:
    """How the secret is written; None while it is fresh.

    A secret that was changed from outside gets new tokens for all registries, whichever of them the
    request covers: credentials carried over from it would look like ours.
    """
    changed = secret is not None and not checksum_ok(secret)
    reasons = _reasons(terms, secret, changed=changed)
    if not reasons:
        return None
    held = read_credentials(secret) if secret else ()
    valid = _still_valid(terms, _untrusted(held) if changed else held)
    mint = tuple(registry for registry in terms.registries if registry.name in reasons)
    minting = {registry.name for registry in mint}
    return ApplySecret(
        terms=terms,
        reason=min(reasons.values(), key=list(Reason).index),
        mint=mint,
        kept=tuple(held for held in valid if held.entry.registry not in minting),
        fallback=tuple(held for held in valid if held.entry.registry in minting),
        replace=secret is not None and needs_replacing(secret),
    )


def replan(
    action: Reconcile, apply: ApplySecret, content: SecretContent, found: SecretState | None
) -> Reconcile | None:
    """A new action from the Secret as it is now, after it changed before `content` was written.

    None: our Secret was deleted or replaced. If `content` is found, it was written and only the
    answer was lost. Writing it again then changes nothing.
    """
    if found is None or found.uid != action.uid or not found.managed:
        return None
    return replace(
        action,
        resource_version=found.resource_version,
        apply=apply if is_same_write(found, content) else decide(apply.terms, found),
        entries=recorded_entries(found),
    )


def recorded_entries(secret: SecretState | None) -> tuple[Entry, ...]:
    """The record of a secret, if the secret is ours."""
    return read_entries(secret.annotations) if secret and secret.managed else ()


def _reasons(terms: Terms, secret: SecretState | None, *, changed: bool) -> dict[str, Reason]:
    """The reasons to write the secret, by registry; empty while it is fresh."""
    by_name = {entry.registry: entry for entry in recorded_entries(secret)}
    reasons = {
        registry.name: reason
        for registry in (
            terms.registries if changed else terms.request.filter_registries(terms.registries)
        )
        if (
            reason := renewal_reason(
                RenewalFacts(
                    registry=registry,
                    secret=secret,
                    entry=by_name.get(registry.name),
                    intact=not changed,
                    force=terms.request.force,
                    threshold=terms.expiring_threshold,
                    now=terms.now,
                )
            )
        )
    }
    unwanted = by_name.keys() - {registry.name for registry in terms.registries}
    return reasons | dict.fromkeys(unwanted, Reason.REGISTRY_REMOVED)


def _still_valid(terms: Terms, held: Iterable[Credential]) -> Sequence[Credential]:
    """The credentials that are wanted and have not expired."""
    names = {registry.name for registry in terms.registries}
    return [
        credential
        for credential in held
        if credential.entry.registry in names and credential.entry.expires_at > terms.now
    ]


def _untrusted(held: Iterable[Credential]) -> Sequence[Credential]:
    """The credentials of a secret changed from outside, marked so that the next run renews them."""
    return [
        replace(credential, entry=replace(credential.entry, inputs=UNTRUSTED))
        for credential in held
    ]


def resolve_host_conflicts(
    held: Iterable[Credential], minted: Iterable[Credential]
) -> tuple[dict[str, Credential], tuple[Failure, ...]]:
    """The minted credentials whose hosts no other registry has, and a failure for each other one.

    Credentials that the secret already holds take precedence, then the order of the registries.
    """
    owners = {
        host: credential.entry.registry for credential in held for host in credential.entry.hosts
    }
    free: dict[str, Credential] = {}
    failures: list[Failure] = []
    for credential in minted:
        entry = credential.entry
        taken = sorted(owners.keys() & set(entry.hosts))
        if taken:
            failures.append(_host_conflict(entry.registry, taken[0], owners[taken[0]]))
        else:
            free[entry.registry] = credential
            owners.update(dict.fromkeys(entry.hosts, entry.registry))
    return free, tuple(failures)


def _host_conflict(registry: str, host: str, owner: str) -> Failure:
    return Failure(
        meaning="invalid",
        message=f"{host} is also a host of registry {owner}, and a secret holds one login per host:"
        " leave out one of the two for this cluster, or configure other domains",
        subject=f"registry {registry}",
    )


def content_to_write(
    apply: ApplySecret, minted: Mapping[str, Credential], now: datetime, run: str
) -> SecretContent | None:
    """The Secret to write, or None if it would hold nothing new.

    If minting failed for a registry, its previous credential is carried over while it is valid.
    """
    if apply.mint and not minted:
        return None
    carried = (previous for previous in apply.fallback if previous.entry.registry not in minted)
    held = (*minted.values(), *apply.kept, *carried)
    return build_secret(held, now, run) if held else None


def carries_over(content: SecretContent, minted: Mapping[str, Credential]) -> bool:
    """Whether the content has credentials that were read: writing it could undo a later renewal."""
    return any(entry.registry not in minted for entry in content.entries)
