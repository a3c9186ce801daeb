"""Tiny servers on the loopback interface, for what the local cloud and clusters never do."""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Serve = Callable[[socket.socket], None]


@contextmanager
def tcp_server(serve: Serve) -> Iterator[int]:
    """`serve` handles each connection, one after another in one thread each; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def handle(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(10)
            serve(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=handle, args=(connection,)))
                threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for thread in threads:
            thread.join()


def free_port() -> int:
    """A port on which no process listened a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answering(response: bytes) -> Serve:
    """The same HTTP response to whatever comes; the connection ends with it."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(response)

    return serve


def http(status: str, body: bytes = b"", *headers: str) -> bytes:
    """An HTTP response that is the last one of its connection."""
    lines = [
        f"HTTP/1.1 {status}",
        *headers,
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def over_tls(context: ssl.SSLContext, serve: Serve) -> Serve:
    """The same, inside TLS."""

    def serve_tls(connection: socket.socket) -> None:
        with context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        ) as encrypted:
            try:
                encrypted.do_handshake()
            except ssl.SSLError:
                # What we say of it arrives only if what was sent meanwhile is read.
                encrypted.shutdown(socket.SHUT_WR)
                while encrypted.recv(65536):
                    pass
                return
            serve(encrypted)

    return serve_tls


@dataclass
class ConnectProxy:
    """A proxy that knows only CONNECT. It leads every client to `port`, whatever it asks for."""

    port: int
    asked: list[str] = field(default_factory=list)

    def __call__(self, connection: socket.socket) -> None:
        request = connection.recv(65536).decode()
        self.asked.append(request.split()[1])
        with socket.create_connection(("127.0.0.1", self.port)) as target:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _relay(connection, target)


def _relay(source: socket.socket, other: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:  # select() takes no high file descriptors
        selector.register(source, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, source)
        while True:
            for ready, _ in selector.select(10):
                data = ready.fileobj.recv(65536)  # type: ignore[union-attr]  # they are sockets
                if not data:
                    return
                ready.data.sendall(data)
