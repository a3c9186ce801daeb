"""Limits the bytes of each answer as they arrive from the network, whatever they are.

A limit on the body that is read does not help against what comes before it. HTTP allows any number
of interim answers (status 100 to 199). A flood of them keeps aiohttp's loop from doing anything
else, for longer than a time-out that this loop is to notice.
"""

from __future__ import annotations

from typing import Any


class AnswerTooLargeError(Exception):
    """An answer has more bytes than allowed. The connection is closed."""


class AnswerBytes:
    """To be inherited before the protocol class of aiohttp's client, which parses what arrives."""

    most_bytes: int
    """Bytes of one answer: interim answers, headers, the body and its framing, before decoding."""
    _received = 0

    def set_response_params(self, **parameters: Any) -> None:
        """Begin a request, perhaps on a connection that had others."""
        self._received = 0
        super().set_response_params(**parameters)  # type: ignore[misc]  # of the protocol class

    def data_received(self, data: bytes) -> None:
        """Count what has arrived, and close the connection once it is too much."""
        self._received += len(data)
        if self._received <= self.most_bytes:
            super().data_received(data)  # type: ignore[misc]  # as above
            return
        connection: Any = self
        # Without the second, a body that ends with its connection would seem to be complete.
        for reader in (connection, connection._payload):  # noqa: SLF001  # aiohttp has no public way
            if reader is not None:
                reader.set_exception(AnswerTooLargeError())
        if connection.transport is not None:
            connection.transport.abort()
