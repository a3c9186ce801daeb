"""One login a host: registries that claim the same host cannot be in one secret."""

from __future__ import annotations

from collections.abc import Iterable

from acr_refresher.core.model import Credential
from acr_refresher.core.outcome import Failure


def settled(
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
            failures.append(_claimed_twice(one.entry.registry, taken[0], owners[taken[0]]))
        else:
            free[one.entry.registry] = one
            owners.update(dict.fromkeys(one.entry.hosts, one.entry.registry))
    return free, tuple(failures)


def _claimed_twice(registry: str, host: str, owner: str) -> Failure:
    return Failure(
        meaning="invalid",
        message=f"{host} is a host of registry {owner} too, and a secret holds one login a host:"
        " leave one of them out for this cluster, or name other domains",
        subject=f"registry {registry}",
    )
