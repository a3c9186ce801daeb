"""Decides why and how a secret is written: with which new tokens, and with which it has."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import chain

from acr_refresher.core.contention import (
    Repaired,
    Repairs,
    counted,
    is_contended,
    read_repairs,
)
from acr_refresher.core.model import Credential, Entry, Registry, SecretState
from acr_refresher.core.outcome import ApplySecret, Reconcile, Terms
from acr_refresher.core.reasons import Reason
from acr_refresher.core.secret import (
    METADATA_ANNOTATION,
    SECRET_TYPE,
    UNTRUSTED,
    has_metadata,
    inputs_digest,
    is_intact,
    metadata_digest,
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
    retyped: bool = False,  # another type, which is to be corrected now
) -> Reason | None:
    """The first reason that applies for renewing a registry's entry; None while it is fresh."""
    if secret is None:
        return Reason.SECRET_MISSING  # no other check applies
    if retyped:
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


def decide(
    terms: Terms, secret: SecretState | None, before: Repairs = (), *, reverted: bool = False
) -> ApplySecret | None:
    """How the secret is written; None while it is fresh.

    `before` are earlier repairs. `reverted`: service accounts lost the reference to the secret.

    A secret that was changed from outside gets new tokens for all registries, even for those that
    the request does not cover. Credentials that are carried over from it would look like ours, so
    they are marked, and the next run renews them. A missing secret is created with all registries
    too: an overlapping run may have created it meanwhile, and nothing of that may be lost.

    The age of a login is no reason to leave it out: an expired login does no harm, and our clock
    may be wrong.
    """
    entries = {entry.registry: entry for entry in recorded_entries(secret, terms.now)}
    changed = secret is not None and is_doubtful(terms, secret, entries)
    wanted = {registry.name: registry for registry in terms.registries}
    anything = changed or secret is None
    covered = terms.registries if anything else terms.request.filter_registries(terms.registries)
    repaired = _repaired(terms, secret, before, changed=changed, reverted=reverted)
    retyped = Repaired.TYPE in repaired
    reasons = dict.fromkeys(entries.keys() - wanted.keys(), Reason.REGISTRY_REMOVED)
    for registry in covered:
        entry = entries.get(registry.name)
        if reason := renewal_reason(
            terms, registry, secret, entry, changed=changed, retyped=retyped
        ):
            reasons[registry.name] = reason
    found = [*reasons.values()]
    if secret is not None and not has_metadata(secret, terms.metadata):
        found.append(Reason.METADATA_CHANGED)
    if reverted:
        found.append(Reason.BINDING_REVERTED)
    if not found:
        return None
    held = [
        credential
        for credential in (read_credentials(secret, terms.now) if secret else ())
        if credential.entry.registry in wanted
    ]
    if changed:
        held = [_doubted(each) for each in held if not _claims_hosts(terms, each.entry)]
    return ApplySecret(
        terms=terms,
        reason=min(found, key=list(Reason).index),
        mint=tuple(registry for registry in terms.registries if registry.name in reasons),
        kept=tuple(valid for valid in held if valid.entry.registry not in reasons),
        fallback=tuple(valid for valid in held if valid.entry.registry in reasons),
        replace=bool(reasons) and secret is not None and needs_replacing(secret),
        repairs=counted(before, repaired, terms.now),
    )


def _repaired(
    terms: Terms, secret: SecretState | None, before: Repairs, *, changed: bool, reverted: bool
) -> Collection[Repaired]:
    """What others changed, and what a write repairs.

    A type that comes back is not corrected again and again: that deletes the Secret each time.
    """
    if secret is None:
        return (Repaired.SECRET,)
    recorded = secret.annotations.get(METADATA_ANNOTATION, "")
    same_metadata = recorded == metadata_digest(terms.metadata)
    needed = {
        Repaired.DATA: changed,
        Repaired.TYPE: secret.type != SECRET_TYPE and not is_contended(before, Repaired.TYPE),
        Repaired.METADATA: same_metadata and not has_metadata(secret, terms.metadata),
        Repaired.BINDING: reverted,
    }
    return tuple(what for what, needs in needed.items() if needs)


def is_doubtful(terms: Terms, secret: SecretState, entries: Mapping[str, Entry]) -> bool:
    """Whether a secret or its record was changed from outside, as far as that can be seen.

    An editor of the Secret can also write a record that could be ours. Its logins then stay
    until the recorded expiry, which is at most the lifetime of a token away.
    """
    return not is_intact(secret, terms.now) or any(
        registry.domains
        and (entry := entries.get(registry.name)) is not None
        and entry.inputs == inputs_digest(registry)
        and entry.hosts != registry.domains
        for registry in terms.registries
    )


def _doubted(credential: Credential) -> Credential:
    return replace(credential, entry=replace(credential.entry, inputs=UNTRUSTED))


def _claims_hosts(terms: Terms, entry: Entry) -> bool:
    """Whether the entry has hosts that, by the configuration, are not those of its registry."""
    domains = {registry.name: registry.domains for registry in terms.registries}
    own = domains.pop(entry.registry, ())
    hosts = set(entry.hosts)
    return not hosts <= set(own) if own else not hosts.isdisjoint(chain(*domains.values()))


def replan(action: Reconcile, apply: ApplySecret, found: SecretState | None) -> Reconcile | None:
    """A new action from the Secret as it is now, after it changed before it was written.

    Returns None if our Secret was deleted or replaced. If there was none, it may have been created
    by an overlapping run of ours.
    """
    if found is None or not found.managed or action.uid not in (None, found.uid):
        return None
    decided = decide(apply.terms, found, read_repairs(found.annotations, apply.terms.now))
    return replace(
        action,
        uid=found.uid,
        resource_version=found.resource_version,
        apply=decided,
        entries=recorded_entries(found, apply.terms.now),
    )


def recorded_entries(secret: SecretState | None, now: datetime) -> tuple[Entry, ...]:
    """The record of a secret, if the secret is ours."""
    return read_entries(secret.annotations, now) if secret and secret.managed else ()
