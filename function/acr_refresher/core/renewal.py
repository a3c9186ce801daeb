"""Whether, and why, a registry's entry in a secret is renewed."""

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
    """What the checks look at: one registry that a secret is to cover, and that secret."""

    registry: Registry
    secret: SecretState | None
    entry: Entry | None
    intact: bool
    force: bool
    threshold: timedelta
    now: datetime


def secret_missing(facts: RenewalFacts) -> Reason | None:
    """There is no Secret of our name."""
    return Reason.SECRET_MISSING if facts.secret is None else None


def wrong_type(facts: RenewalFacts) -> Reason | None:
    """The Secret has another type, or is immutable: neither can be changed in place."""
    return Reason.WRONG_TYPE if facts.secret and needs_replacing(facts.secret) else None


def data_drifted(facts: RenewalFacts) -> Reason | None:
    """The secret is not the one that was written, or this entry comes from one that was not."""
    doubted = facts.entry is not None and facts.entry.inputs == UNTRUSTED
    return Reason.DATA_DRIFTED if doubted or not facts.intact else None


def registry_missing(facts: RenewalFacts) -> Reason | None:
    """The secret does not cover this registry."""
    return Reason.REGISTRY_MISSING if facts.entry is None else None


def inputs_changed(facts: RenewalFacts) -> Reason | None:
    """Instance, region, domains or roles are not those the token was made from."""
    if facts.entry and facts.entry.inputs != inputs_digest(facts.registry):
        return Reason.INPUTS_CHANGED
    return None


def forced(facts: RenewalFacts) -> Reason | None:
    """Somebody asked for a new token whatever the old one's age."""
    return Reason.FORCED if facts.force else None


def expired(facts: RenewalFacts) -> Reason | None:
    """The token has expired: pulls are failing."""
    if facts.entry and facts.entry.expires_at <= facts.now:
        return Reason.EXPIRED
    return None


def near_expiry(facts: RenewalFacts) -> Reason | None:
    """The token expires within the threshold."""
    if facts.entry and facts.entry.expires_at - facts.threshold <= facts.now:
        return Reason.NEAR_EXPIRY
    return None


CHECKS: tuple[Callable[[RenewalFacts], Reason | None], ...] = (
    secret_missing,  # nothing else can be said of a secret that is not there
    wrong_type,  # it is made anew as a whole
    data_drifted,  # what stands in it cannot be trusted, whatever its record says
    registry_missing,  # the registry is new here
    inputs_changed,  # the token is for another instance or from another role
    forced,  # a person's wish is told apart from mere age
    expired,  # worse than being near it: someone should look why it came so far
    near_expiry,  # the everyday case
)


def renewal_reason(facts: RenewalFacts) -> Reason | None:
    """Why the entry is renewed: the first check that finds something; None while it is fresh."""
    return next((reason for check in CHECKS if (reason := check(facts))), None)


def needs_replacing(secret: SecretState) -> bool:
    """Whether the API server would refuse to change it (type and immutability are for life)."""
    return secret.immutable or secret.type != SECRET_TYPE


def decide(terms: Terms, secret: SecretState | None) -> ApplySecret | None:
    """How the secret is written; None while it is fresh.

    One that somebody changed is minted anew as a whole, whichever registries the request is about:
    what is carried over from it would pass as ours.
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
        kept=tuple(one for one in valid if one.entry.registry not in minting),
        fallback=tuple(one for one in valid if one.entry.registry in minting),
        replace=secret is not None and needs_replacing(secret),
    )


def replan(
    action: Reconcile, apply: ApplySecret, content: SecretContent, found: SecretState | None
) -> Reconcile | None:
    """The action by what is found now, where writing `content` came too late for what was found.

    None: another Secret, or none, stands in the place of ours. If it is `content` that is found,
    it was written after all and the answer was lost: to write it again changes nothing.
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
    """What a secret of ours says of itself."""
    return read_entries(secret.annotations) if secret and secret.managed else ()


def _reasons(terms: Terms, secret: SecretState | None, *, changed: bool) -> dict[str, Reason]:
    """Why the secret is written, by registry; empty while it is fresh."""
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
    """Those that are wanted and have not expired."""
    names = {registry.name for registry in terms.registries}
    return [one for one in held if one.entry.registry in names and one.entry.expires_at > terms.now]


def _untrusted(held: Iterable[Credential]) -> Sequence[Credential]:
    """Those of a secret that somebody changed, marked so that the next run mints anew again."""
    return [replace(one, entry=replace(one.entry, inputs=UNTRUSTED)) for one in held]


def resolve_host_conflicts(
    held: Iterable[Credential], minted: Iterable[Credential]
) -> tuple[dict[str, Credential], tuple[Failure, ...]]:
    """The minted credentials whose hosts are free, by registry, and a failure for each other one.

    What the secret holds already comes first, then the order in which the registries are named.
    """
    owners = {host: one.entry.registry for one in held for host in one.entry.hosts}
    free: dict[str, Credential] = {}
    failures: list[Failure] = []
    for one in minted:
        taken = sorted(owners.keys() & set(one.entry.hosts))
        if taken:
            failures.append(_host_conflict(one.entry.registry, taken[0], owners[taken[0]]))
        else:
            free[one.entry.registry] = one
            owners.update(dict.fromkeys(one.entry.hosts, one.entry.registry))
    return free, tuple(failures)


def _host_conflict(registry: str, host: str, owner: str) -> Failure:
    return Failure(
        meaning="invalid",
        message=f"{host} is a host of registry {owner} too, and a secret holds one login a host:"
        " leave one of them out for this cluster, or name other domains",
        subject=f"registry {registry}",
    )


def content_to_write(
    apply: ApplySecret, minted: Mapping[str, Credential], now: datetime, run: str
) -> SecretContent | None:
    """The Secret to write, or None where writing would bring nothing new.

    Where a registry could not be minted its old, still-valid credential is carried over.
    """
    if apply.mint and not minted:
        return None
    carried = (one for one in apply.fallback if one.entry.registry not in minted)
    held = (*minted.values(), *apply.kept, *carried)
    return build_secret(held, now, run) if held else None


def carries_over(content: SecretContent, minted: Mapping[str, Credential]) -> bool:
    """Whether anything in it was read, not minted: what was written since would be undone by it."""
    return any(entry.registry not in minted for entry in content.entries)
