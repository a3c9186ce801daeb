"""Decides why and how a secret is written: with which new tokens, and with which it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from acr_refresher.core.model import Credential, Entry, Registry, SecretContent, SecretState
from acr_refresher.core.outcome import ApplySecret, Failure, Reconcile, Terms
from acr_refresher.core.reasons import Reason
from acr_refresher.core.secret import (
    SECRET_TYPE,
    UNTRUSTED,
    build_secret,
    checksum_ok,
    inputs_digest,
    read_credentials,
    read_entries,
)


def renewal_reason(
    terms: Terms,
    registry: Registry,
    secret: SecretState | None,
    entry: Entry | None,
    *,
    changed: bool,  # from outside
) -> Reason | None:
    """The first reason that applies for renewing a registry's entry; None while it is fresh."""
    if secret is None:
        return Reason.SECRET_MISSING  # no other check applies
    if needs_replacing(secret):
        return Reason.WRONG_TYPE  # the complete secret is replaced
    if changed or (entry and entry.inputs == UNTRUSTED):
        return Reason.DATA_DRIFTED  # the content cannot be trusted, whatever its record says
    if entry is None:
        return Reason.REGISTRY_MISSING
    checks = {
        # The instance, region, domains or roles are not those that the token was minted with.
        Reason.INPUTS_CHANGED: entry.inputs != inputs_digest(registry),
        # A user's request is reported as such, not as age.
        Reason.FORCED: terms.request.force,
        # This is worse than near expiry: someone should find out why it was not renewed.
        Reason.EXPIRED: entry.expires_at <= terms.now,
        Reason.NEAR_EXPIRY: entry.expires_at <= terms.now + terms.expiring_threshold,
    }
    return next((reason for reason, applies in checks.items() if applies), None)


def needs_replacing(secret: SecretState) -> bool:
    """Whether the API server would refuse a change: type and immutability are permanent."""
    return secret.immutable or secret.type != SECRET_TYPE


def decide(terms: Terms, secret: SecretState | None) -> ApplySecret | None:
    """How the secret is written; None while it is fresh.

    A secret that was changed from outside gets new tokens for all registries, even for those that
    the request does not cover. Credentials that are carried over from it would look like ours, so
    they are marked, and the next run renews them. A missing secret is created with all registries
    too: an overlapping run may have created it meanwhile, and nothing of that may be lost.
    """
    changed = secret is not None and not checksum_ok(secret)
    entries = {entry.registry: entry for entry in recorded_entries(secret)}
    wanted = {registry.name for registry in terms.registries}
    anything = changed or secret is None
    covered = terms.registries if anything else terms.request.filter_registries(terms.registries)
    reasons = dict.fromkeys(entries.keys() - wanted, Reason.REGISTRY_REMOVED)
    for registry in covered:
        entry = entries.get(registry.name)
        if reason := renewal_reason(terms, registry, secret, entry, changed=changed):
            reasons[registry.name] = reason
    if not reasons:
        return None
    held = [
        replace(credential, entry=replace(credential.entry, inputs=UNTRUSTED))
        if changed
        else credential
        for credential in (read_credentials(secret) if secret else ())
        if credential.entry.registry in wanted and credential.entry.expires_at > terms.now
    ]
    return ApplySecret(
        terms=terms,
        reason=min(reasons.values(), key=list(Reason).index),
        mint=tuple(registry for registry in terms.registries if registry.name in reasons),
        kept=tuple(valid for valid in held if valid.entry.registry not in reasons),
        fallback=tuple(valid for valid in held if valid.entry.registry in reasons),
        replace=secret is not None and needs_replacing(secret),
    )


def replan(action: Reconcile, apply: ApplySecret, found: SecretState | None) -> Reconcile | None:
    """A new action from the Secret as it is now, after it changed before it was written.

    Returns None if our Secret was deleted or replaced. If there was none, it may have been created
    by an overlapping run of ours.
    """
    if found is None or not found.managed or action.uid not in (None, found.uid):
        return None
    return replace(
        action,
        uid=found.uid,
        resource_version=found.resource_version,
        apply=decide(apply.terms, found),
        entries=recorded_entries(found),
    )


def recorded_entries(secret: SecretState | None) -> tuple[Entry, ...]:
    """The record of a secret, if the secret is ours."""
    return read_entries(secret.annotations) if secret and secret.managed else ()


def resolve_host_conflicts(
    held: Iterable[Credential], minted: Iterable[Credential]
) -> tuple[dict[str, Credential], tuple[Failure, ...]]:
    """The minted credentials whose hosts no other registry has, and a failure for each other.

    Credentials that the secret already holds take precedence, then the order of the registries.
    """
    owners = {
        host: credential.entry.registry for credential in held for host in credential.entry.hosts
    }
    usable: dict[str, Credential] = {}
    failures: list[Failure] = []
    for credential in minted:
        entry = credential.entry
        taken = sorted(owners.keys() & set(entry.hosts))
        if taken:
            message = (
                f"{taken[0]} is also a host of registry {owners[taken[0]]}, and a secret holds one"
                " login per host: leave out one of the two for this cluster, or configure other"
                " domains"
            )
            failures.append(Failure("invalid", message, subject=f"registry {entry.registry}"))
        else:
            usable[entry.registry] = credential
            owners.update(dict.fromkeys(entry.hosts, entry.registry))
    return usable, tuple(failures)


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
