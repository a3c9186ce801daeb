"""Host names, looked up in threads that nobody waits for.

A name whose servers are silent takes its look-up half a minute. An event loop waits for those under
way before it closes, and Python for a pool's threads before it ends.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import Future
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult


class HostNames(AbstractResolver):
    """For aiohttp, which remembers an answer for ten seconds a session, and asks of no address.

    Each look-up has a thread of its own: however many are silent, the next is not kept waiting.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises OSError."""
        answer: Future[list[ResolveResult]] = Future()
        arguments = (answer, host, port, family)
        threading.Thread(target=_look_up, args=arguments, name="look-up", daemon=True).start()
        return await asyncio.wrap_future(answer)

    async def close(self) -> None:
        """What is under way ends by itself."""


def _look_up(
    answer: Future[list[ResolveResult]], host: str, port: int, family: socket.AddressFamily
) -> None:
    if not answer.set_running_or_notify_cancel():
        return
    try:
        answer.set_result(_addresses(host, port, family))
    except UnicodeError:
        answer.set_exception(OSError("not a host name"))
    except Exception as error:  # noqa: BLE001  # raised where it is awaited
        answer.set_exception(error)


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    flags = socket.AI_ADDRCONFIG  # no IPv6 where this machine has none
    found: list[Any] = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=flags)
    return [_address(host, kind, proto, address) for kind, _, proto, _, address in found]


def _address(host: str, family: int, proto: int, address: Any) -> ResolveResult:
    """In figures, with the zone of an IPv6 address that has one."""
    figures, port = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(
        hostname=host, host=figures, port=int(port), family=family, proto=proto, flags=flags
    )
