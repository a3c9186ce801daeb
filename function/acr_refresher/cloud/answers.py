"""Limits what an SDK reads of one answer: its bytes, its time and its encoding.

The SDKs send requests with the library requests, which reads an answer until it ends. Its time-out
is that of a silence, so an answer of which a byte comes now and then never ends, and it would
occupy a thread of all other calls for ever.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, NamedTuple

CHUNK_BYTES = 65_536
ADAPTERS = {"darabonba.core": "_TLSAdapter", "Tea.core": "_TLSAdapter", "fc2.client": "HTTPAdapter"}
"""The modules of the SDKs that send requests, and the name of the transport adapter in each."""

_thread = threading.local()


class AnswerTooLargeError(OSError):
    """An answer has more bytes than allowed, or is compressed, although that was not asked for."""


class AnswerLimits(NamedTuple):
    """How much an answer may have, and how long it may take."""

    most_bytes: int
    longest: timedelta


class AnswerBudget:
    """What the answer of one call may take. `expired`: it took longer."""

    def __init__(self, limits: AnswerLimits) -> None:
        self.most_bytes, self._longest = limits
        self._socket: Any = None
        self._done = False
        self.expired = False

    @contextmanager
    def spent_in_this_thread(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Limit the request that this thread makes. The loop watches the time."""
        _thread.budget = self
        with suppress(RuntimeError):  # the loop has ended, and with it everybody who waits
            loop.call_soon_threadsafe(loop.call_later, self._longest.total_seconds(), self._expire)
        try:
            yield
        finally:
            self._done = True
            self._socket = _thread.budget = None

    def uses(self, own_socket: Any) -> None:
        """Note the socket from which the answer is read."""
        self._socket = own_socket
        if self.expired:
            self._end()

    def _expire(self) -> None:
        """End the connection, which ends the wait of the thread."""
        if not self._done:
            self.expired = True
            self._end()

    def _end(self) -> None:
        own_socket = self._socket
        if own_socket is not None:  # otherwise, it is being connected, which has its own limit
            with suppress(OSError):  # it has ended meanwhile
                # Not the method of a TLS socket, which would take its state from the thread.
                socket.socket.shutdown(own_socket, socket.SHUT_RDWR)


class _LimitedConnection:
    """To be inherited before a connection class of urllib3."""

    sock: Any

    def getresponse(self) -> Any:
        budget: AnswerBudget | None = getattr(_thread, "budget", None)
        if budget:
            budget.uses(self.sock)
        return super().getresponse()  # type: ignore[misc]  # of the connection class


class _LimitedAdapter:
    """To be inherited before a transport adapter of requests."""

    def get_connection_with_tls_context(self, *arguments: Any, **named: Any) -> Any:
        pool = super().get_connection_with_tls_context(*arguments, **named)  # type: ignore[misc]  # of the adapter class
        pool.ConnectionCls = _limited(_LimitedConnection, pool.ConnectionCls)
        return pool

    def send(self, request: Any, *arguments: Any, **named: Any) -> Any:
        request.headers["Accept-Encoding"] = "identity"  # no signature covers it
        response = super().send(request, *arguments, **named)  # type: ignore[misc]  # as above
        budget: AnswerBudget | None = getattr(_thread, "budget", None)
        if budget:
            try:
                response._content = _content(response, budget.most_bytes)  # noqa: SLF001  # it would read all
            except BaseException:
                response.close()
                raise
        return response


def limit_answers(modules: dict[str, Any]) -> None:
    """Limit the answers that the SDKs among these loaded modules read."""
    for module, name in ADAPTERS.items():
        if sdk := modules.get(module):
            setattr(sdk, name, _limited(_LimitedAdapter, getattr(sdk, name)))


def _limited(limits: type, limited: Any) -> Any:
    """The class with these limits. They are added once."""
    if issubclass(limited, limits):
        return limited
    return type(limited.__name__, (limits, limited), {})


def _content(response: Any, most: int) -> bytes:
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise AnswerTooLargeError("compressed")
    content = bytearray()
    for chunk in response.iter_content(CHUNK_BYTES):
        content += chunk
        if len(content) > most:
            raise AnswerTooLargeError(f"more than {most} bytes")
    return bytes(content)
