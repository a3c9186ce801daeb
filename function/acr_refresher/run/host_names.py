"""Looks up host names, each in a thread of its own.

If the name servers do not answer, a look-up takes half a minute. It must not delay the end of the
event loop, the end of Python or another look-up.
"""

from __future__ import annotations

import socket
from typing import Any

from acr_refresher.run.concurrency import in_own_thread


class HostNames:
    """Has the methods of a resolver of aiohttp. aiohttp caches the answers."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[Any]:
        """Return the addresses of a name. Raises OSError."""
        try:
            return await in_own_thread(_addresses, host, port, family)
        except UnicodeError:
            raise OSError("not a host name") from None

    async def close(self) -> None:
        """Do nothing: look-ups under way end by themselves."""


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[Any]:
    flags = socket.AI_ADDRCONFIG  # no IPv6 if this machine has none
    found: list[Any] = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=flags)
    return [_address(host, kind, proto, address) for kind, _, proto, _, address in found]


def _address(host: str, family: int, proto: int, address: Any) -> dict[str, Any]:
    """Return a ResolveResult of aiohttp. The address keeps the zone of an IPv6 address."""
    number, port = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return {
        "hostname": host,
        "host": number,
        "port": int(port),
        "family": family,
        "proto": proto,
        "flags": flags,
    }
