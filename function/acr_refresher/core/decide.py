"""Whether, why and how one pull secret is written, decided from what it holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from acr_refresher.core import record, renewal
from acr_refresher.core.action import ApplySecret, ServeNamespace, Terms
from acr_refresher.core.model import Credential, Entry, SecretContent, SecretState
from acr_refresher.core.outcome import Reason


def decide(terms: Terms, secret: SecretState | None) -> ApplySecret | None:
    """How the secret is written; None while it is fresh.

    One that somebody changed is minted anew as a whole, whichever registries the request is about:
    what is carried over from it would pass as ours.
    """
    changed = secret is not None and not record.intact(secret)
    reasons = _reasons(terms, secret, changed=changed)
    if not reasons:
        return None
    held = record.credentials(secret) if secret else ()
    valid = _valid(terms, _doubted(held) if changed else held)
    mint = tuple(registry for registry in terms.registries if registry.name in reasons)
    minting = {registry.name for registry in mint}
    return ApplySecret(
        terms=terms,
        reason=min(reasons.values(), key=list(Reason).index),
        mint=mint,
        kept=tuple(one for one in valid if one.entry.registry not in minting),
        fallback=tuple(one for one in valid if one.entry.registry in minting),
        replace=secret is not None and renewal.needs_replacing(secret),
    )


def decide_anew(
    action: ServeNamespace, apply: ApplySecret, content: SecretContent, found: SecretState | None
) -> ServeNamespace | None:
    """The action by what is found now, where writing `content` came too late for what was found.

    None: another Secret, or none, stands in the place of ours. If it is `content` that is found,
    it was written after all and the answer was lost: to write it again changes nothing.
    """
    if found is None or found.uid != action.uid or not found.managed:
        return None
    return replace(
        action,
        resource_version=found.resource_version,
        apply=apply if record.holds(found, content) else decide(apply.terms, found),
        entries=recorded(found),
    )


def recorded(secret: SecretState | None) -> tuple[Entry, ...]:
    """What a secret of ours says of itself."""
    return record.read(secret.annotations) if secret and secret.managed else ()


def _reasons(terms: Terms, secret: SecretState | None, *, changed: bool) -> dict[str, Reason]:
    """Why the secret is written, by registry; empty while it is fresh."""
    by_name = {entry.registry: entry for entry in recorded(secret)}
    reasons = {
        registry.name: reason
        for registry in (terms.registries if changed else terms.request.among(terms.registries))
        if (
            reason := renewal.due(
                renewal.Facts(
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


def _valid(terms: Terms, held: Iterable[Credential]) -> Sequence[Credential]:
    """Those that are wanted and have not expired."""
    names = {registry.name for registry in terms.registries}
    return [one for one in held if one.entry.registry in names and one.entry.expires_at > terms.now]


def _doubted(held: Iterable[Credential]) -> Sequence[Credential]:
    """Those of a secret that somebody changed, marked so that the next run mints anew again."""
    return [replace(one, entry=replace(one.entry, inputs=record.DOUBTED)) for one in held]
