"""Trying a new token at its registry's hosts before it is written anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from acr_refresher.core.model import Registry, Verification
from acr_refresher.errors import Unreachable
from acr_refresher.ports import RegistryHosts, RegistryToken


async def verified(
    registry_hosts: RegistryHosts, registry: Registry, hosts: Iterable[str], token: RegistryToken
) -> tuple[str, ...]:
    """Warnings of hosts at which the token could not be tried.

    Raises Denied where a host refuses it; and Unreachable, with `verify: always`, instead of a
    warning. A refusal anywhere goes before that.
    """
    if registry.verify is Verification.NEVER:
        return ()
    checks = (registry_hosts.check_login(host, token, registry.verify_repository) for host in hosts)
    errors = [e for e in await asyncio.gather(*checks, return_exceptions=True) if e is not None]
    for error in errors:
        if not isinstance(error, Unreachable):
            raise error
    if errors and registry.verify is Verification.ALWAYS:
        raise errors[0]
    return tuple(f"registry {registry.name}: new token not tried: {e}" for e in errors)
