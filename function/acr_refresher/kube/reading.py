"""Reads the answers of API servers within limits of bytes, time and memory.

A hostile server may send an answer without end. So bytes are counted as they arrive,
and no answer is decompressed: we ask for none, and 2 MB of gzip can become 2 GB. What the clusters
of a run hold at the same time is bounded too: large answers wait for each other, and so do clusters
with unusually many objects.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.client_proto import ResponseHandler

from acr_refresher.errors import Invalid, TooLarge, Unreachable
from acr_refresher.settings import SETTINGS

READ_BUFFER = 2**18
"""Bytes that wait in a connection until they are read, half of what it may hold at most."""
MESSAGES = 10
"""Messages per request: the answer, and informational ones (1xx) before it."""
FRAMES = 2
"""Bytes on the wire per byte of content, at most: the headers and the lengths of chunks count."""


class FloodError(aiohttp.ClientPayloadError):
    """The server sends more than the content of one answer."""


class BoundedHandler(ResponseHandler):
    """A connection that ends if a server sends informational messages or chunks without end.

    aiohttp skips informational messages for as long as they arrive, and counts no bytes between
    two chunks of content.
    """

    _bytes_left = _messages_left = 0

    def set_response_params(self, **params: Any) -> None:
        """Called before each request."""
        self._bytes_left = FRAMES * SETTINGS.kube_answer_bytes
        self._messages_left = MESSAGES
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Called when bytes have arrived."""
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            self._end()
        else:
            super().data_received(data)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Called with the status and headers of a message."""
        self._messages_left -= 1
        if self._messages_left < 0:
            self._end()
        else:
            super().feed_data(data, size)

    def _end(self) -> None:
        self.set_exception(FloodError())
        if self._payload is not None:
            self._payload.set_exception(FloodError())
        if self.transport is not None:
            self.transport.abort()


def bounded_connector(**options: Any) -> aiohttp.TCPConnector:
    """A connector whose connections are bounded. It needs a running event loop."""
    connector = aiohttp.TCPConnector(**options)
    loop = asyncio.get_running_loop()
    connector._factory = lambda: BoundedHandler(loop)  # type: ignore[assignment]  # noqa: SLF001  # a partial there; aiohttp has no parameter for it
    return connector


@dataclass(frozen=True, slots=True)
class _Turns:
    """What all clusters of an event loop share: the turns of those that need much memory."""

    answers: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(SETTINGS.kube_large_answers)
    )
    clusters: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(SETTINGS.kube_large_clusters)
    )


_turns: WeakKeyDictionary[AbstractEventLoop, _Turns] = WeakKeyDictionary()


def _shared() -> _Turns:
    loop = asyncio.get_running_loop()
    if (turns := _turns.get(loop)) is None:
        turns = _turns[loop] = _Turns()
    return turns


class Reading:
    """How much one visit of a cluster has read and keeps."""

    def __init__(self) -> None:
        self._bytes_left = SETTINGS.kube_visit_bytes
        self._kept = 0
        self._turn: asyncio.Semaphore | None = None

    def check(self, request: str) -> None:
        """Raises TooLarge if the visit has read all that it may: no more requests are sent."""
        if self._bytes_left < 0:
            raise too_large(
                request,
                "all answers of this visit together have more than"
                f" {_mebibytes(SETTINGS.kube_visit_bytes)} MiB",
            )

    async def read(self, response: aiohttp.ClientResponse, request: str) -> bytes:
        """The content of an answer. Raises TooLarge, Invalid, Unreachable, or what aiohttp raises.

        A caller has to use up the content before it waits for anything: only until then is its
        memory accounted for.
        """
        try:
            content = await self._content(response, request)
        except BaseException:
            response.close()  # with its connection: the rest of the answer is never read
            raise
        if not response.content.at_eof():
            response.close()
        return content

    async def _content(self, response: aiohttp.ClientResponse, request: str) -> bytes:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise _compressed(request)
        parts = bytearray()
        if await self._append(parts, response, SETTINGS.kube_small_answer_bytes, request):
            return bytes(parts)
        if response.status >= HTTPStatus.BAD_REQUEST:
            return b""  # the status says what failed; no API server says so much more about it
        async with _shared().answers:
            rest = self._append(parts, response, SETTINGS.kube_answer_bytes, request)
            try:
                if await asyncio.wait_for(rest, SETTINGS.kube_large_answer_time.total_seconds()):
                    return bytes(parts)
            except asyncio.TimeoutError:
                raise Unreachable(
                    f"{request}: a large answer took longer than"
                    f" {SETTINGS.kube_large_answer_time.total_seconds():g} s, and others wait",
                    retryable=False,
                    service="kube",
                ) from None
        raise too_large(request, f"it has more than {_mebibytes(SETTINGS.kube_answer_bytes)} MiB")

    async def _append(
        self, parts: bytearray, response: aiohttp.ClientResponse, most: int, request: str
    ) -> bool:
        """Read until the end, or beyond `most` bytes. Return whether the end was reached."""
        content = response.content
        while len(parts) <= most:
            part = await content.readany()
            if not part:
                return True
            self._bytes_left -= len(part)
            self.check(request)
            parts += part
        return False

    async def keep(self, size: int, request: str) -> None:
        """Account for states that are kept until the end of the visit. Raises TooLarge.

        A cluster that keeps unusually much waits for its turn, which lasts until `close`.
        """
        if self._kept + size > SETTINGS.kube_kept_bytes:
            raise too_large(
                request,
                "what has to be kept of all lists takes more than"
                f" {_mebibytes(SETTINGS.kube_kept_bytes)} MiB",
            )
        self._kept += size
        if self._kept > SETTINGS.kube_kept_freely and self._turn is None:
            turn = _shared().clusters
            await turn.acquire()
            self._turn = turn

    def release(self, size: int) -> None:
        """Account for states that are not kept after all."""
        self._kept -= size

    def close(self) -> None:
        """End the turn."""
        if self._turn:
            self._turn.release()
            self._turn = None


def _compressed(request: str) -> Invalid:
    return Invalid(
        f"{request}: the answer is compressed, although that was not asked for. Is there a proxy"
        " that compresses?",
        service="kube",
    )


def check_values(content: bytes, request: str) -> None:
    """Raises TooLarge if the JSON has too many values, of which the smallest take two bytes.

    Each value but the first follows a comma or a bracket. Those in texts count too, so a page of
    odd texts may be asked for again with fewer objects.
    """
    if sum(map(content.count, (b",", b"{", b"["))) > SETTINGS.kube_answer_values:
        raise too_large(request, f"it has more than {SETTINGS.kube_answer_values} values")


def too_large(request: str, why: str) -> TooLarge:
    """The error of an answer beyond a limit."""
    return TooLarge(f"{request}: the answer is too large: {why}", service="kube")


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:g}"
