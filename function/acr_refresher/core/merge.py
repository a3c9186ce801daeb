"""Merges new credentials with those that a secret holds into the content to write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from acr_refresher.core.contention import repairs_annotation
from acr_refresher.core.model import Credential, Registry, SecretContent
from acr_refresher.core.outcome import ApplySecret, Failure
from acr_refresher.core.secret import build_secret, inputs_digest, rfc3339


def contested(apply: ApplySecret, minted: Mapping[str, Credential]) -> tuple[Registry, ...]:
    """The registries whose kept credentials have, by their record, hosts of new credentials.

    They need new tokens too: the answer of the cloud, and not an annotation, says whose hosts those
    are.
    """
    hosts = _hosts(minted.values())
    names = {each.entry.registry for each in apply.kept if hosts.intersection(each.entry.hosts)}
    return tuple(registry for registry in apply.terms.registries if registry.name in names)


def resolve_host_conflicts(
    apply: ApplySecret, minted: Mapping[str, Credential]
) -> tuple[dict[str, Credential], tuple[Failure, ...]]:
    """The minted credentials whose hosts no other registry has, and a failure for each other.

    Kept credentials whose hosts the cloud has confirmed take precedence, then the order of the
    registries.
    """
    confirmed = {
        each.entry.registry: each.entry.hosts
        for each in apply.kept
        if (new := minted.get(each.entry.registry)) and new.entry.hosts == each.entry.hosts
    }
    owners = {host: name for name, hosts in confirmed.items() for host in hosts}
    in_order = [
        minted[registry.name]
        for registry in apply.terms.registries
        if registry.name in minted and registry.name not in confirmed
    ]
    usable: dict[str, Credential] = {}
    failures: list[Failure] = []
    for credential in in_order:
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

    If minting failed for a registry, its previous credential is carried over, unless a new
    credential of another registry has a host of it.
    """
    if apply.mint and not minted:
        return None
    hosts = _hosts(minted.values())
    carried = (
        previous
        for previous in (*apply.kept, *apply.fallback)
        if previous.entry.registry not in minted and hosts.isdisjoint(previous.entry.hosts)
    )
    held = (*minted.values(), *carried)
    if not held:
        return None
    content = build_secret(held, now, run, apply.terms.metadata)
    annotations = {**content.annotations, **repairs_annotation(apply.repairs)}
    return replace(content, annotations=annotations)


def without_shorter(
    apply: ApplySecret, minted: Mapping[str, Credential]
) -> tuple[dict[str, Credential], tuple[str, ...]]:
    """The new credentials that end no sooner than those in the secret, and a warning per other.

    If renewal was forced, or the Secret is replaced, all new credentials count. Credentials with
    other inputs, or from a secret that was changed from outside, are never preferred.
    """
    if apply.terms.request.force or apply.replace:
        return dict(minted), ()
    digests = {registry.name: inputs_digest(registry) for registry in apply.mint}
    lasting = {
        each.entry.registry: each.entry.expires_at
        for each in apply.fallback
        if each.entry.inputs == digests.get(each.entry.registry)
    }
    shorter = {
        name: lasting[name]
        for name, new in minted.items()
        if name in lasting and new.entry.expires_at < lasting[name]
    }
    warnings = (
        f"registry {name}: the new token expires at"
        f" {rfc3339(minted[name].entry.expires_at)}, before the token in the secret"
        f" ({rfc3339(expiry)}), which therefore stays: check the MaxSessionDuration of the role"
        for name, expiry in shorter.items()
    )
    return {name: new for name, new in minted.items() if name not in shorter}, tuple(warnings)


def _hosts(credentials: Iterable[Credential]) -> set[str]:
    return {host for credential in credentials for host in credential.entry.hosts}
