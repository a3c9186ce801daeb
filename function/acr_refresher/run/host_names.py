"""Host names, looked up in threads that nothing waits for.

The look-up of a name whose servers are silent takes half a minute. Before it closes, an event loop
waits for the threads of its executor, and before it ends, Python waits for those of any pool.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import Future
from typing import Any


class HostNames:
    """The methods of a resolver of aiohttp, which remembers answers and passes no addresses.

    Each look-up has a thread of its own, so silent names do not delay the next one.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[Any]:
        """The addresses of a name. Raises OSError."""
        answer: Future[list[Any]] = Future()
        arguments = (answer, host, port, family)
        threading.Thread(target=_look_up, args=arguments, name="look-up", daemon=True).start()
        return await asyncio.wrap_future(answer)

    async def close(self) -> None:
        """Do nothing: look-ups under way end by themselves."""


def _look_up(
    answer: Future[list[Any]], host: str, port: int, family: socket.AddressFamily
) -> None:
    if not answer.set_running_or_notify_cancel():
        return
    try:
        answer.set_result(_addresses(host, port, family))
    except UnicodeError:
        answer.set_exception(OSError("not a host name"))
    except Exception as error:  # noqa: BLE001  # raised where it is awaited
        answer.set_exception(error)


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[Any]:
    flags = socket.AI_ADDRCONFIG  # no IPv6 if this machine has none
    found: list[Any] = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=flags)
    return [_address(host, kind, proto, address) for kind, _, proto, _, address in found]


def _address(host: str, family: int, proto: int, address: Any) -> dict[str, Any]:
    """A ResolveResult of aiohttp. The address keeps the zone that an IPv6 address may have."""
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
