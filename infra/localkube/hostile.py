"""An API server that tries to exhaust its clients: `python -m localkube.hostile FOLDER`.

It runs in a process of its own, so that what it sends costs the tested process nothing else. For
each attack, FOLDER gets a kubeconfig of its name. What an attack sends follows from HTTP (RFC 9110,
9112), gzip (RFC 1952) and JSON, not from the client that is tested.
"""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import yaml

from localkube.pki import Authority

PART = 2**16
KINDS = {"namespaces": "NamespaceList", "secrets": "SecretList"}
Parts = AsyncIterator[bytes]


def _kind(path: str) -> str:
    return KINDS.get(path.rpartition("/")[2], "ServiceAccountList")


def _head(*headers: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode()


def _answer(body: bytes, *headers: str) -> bytes:
    return _head("Content-Type: application/json", f"Content-Length: {len(body)}", *headers) + body


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


def _list(path: str, items: bytes, token: str = "") -> bytes:
    start = f'{{"kind":"{_kind(path)}","apiVersion":"v1","metadata":{{"continue":"{token}"}}'
    return start.encode() + b',"items":[' + items + b"]}"


def _item(number: int, size: int = 0) -> bytes:
    """An object with annotations of this size."""
    name = f"a-{number}"
    metadata = f'"name":"{name}","namespace":"{name}","uid":"{name}","resourceVersion":"1"'
    return f'{{"metadata":{{{metadata},"annotations":{{"a":"{"x" * size}"}}}}}}'.encode()


@lru_cache
def _bomb() -> bytes:
    """512 MiB of spaces in half a megabyte of gzip."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([packer.compress(b" " * 2**20) for _ in range(512)]) + packer.flush()


async def gzip_bomb(path: str, number: int) -> Parts:
    """Compressed, although it was not asked for."""
    del path, number
    yield _answer(_bomb(), "Content-Encoding: gzip")


async def endless_answer(path: str, number: int) -> Parts:
    """One page that never ends."""
    del number
    yield _head("Transfer-Encoding: chunked") + _chunk(_list(path, b"")[:-2])
    while True:
        yield _chunk(b",".join(map(_item, range(500))) + b",")


async def endless_pages(path: str, number: int) -> Parts:
    """Small pages, each of which has a next one."""
    yield _answer(_list(path, _item(number), f"token-{number}"))


async def large_pages(path: str, number: int) -> Parts:
    """Pages of 3 MB, each of which has a next one."""
    items = b",".join(_item(10 * number + each, 300_000) for each in range(10))
    yield _answer(_list(path, items, f"token-{number}"))


async def tiny_objects(path: str, number: int) -> Parts:
    """A page of 300,000 objects."""
    del number
    yield _answer(_list(path, b",".join([b'{"metadata":{"name":"a"}}'] * 300_000)))


async def empty_objects(path: str, number: int) -> Parts:
    """The most objects that fit into 4 MB of JSON."""
    del number
    yield _answer(_list(path, b",".join([b"{}"] * 1_300_000)))


async def many_objects(path: str, number: int) -> Parts:
    """Valid pages of as many objects as a client may take, each of which has a next one."""
    items = b",".join(_item(20_000 * number + each) for each in range(20_000))
    yield _answer(_list(path, items, f"token-{number}"))


async def informational(path: str, number: int) -> Parts:
    """Informational messages without end."""
    del path, number
    while True:
        yield b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" * 1000


async def repeated_page(path: str, number: int) -> Parts:
    """A list that goes round in circles."""
    yield _answer(_list(path, _item(number), "the-same"))


async def slow_drip(path: str, number: int) -> Parts:
    """A byte now and then."""
    del number
    yield _head("Content-Length: 1000000")
    for byte in _list(path, b" " * 100_000):
        yield bytes([byte])
        await asyncio.sleep(0.1)


async def slow_rest(path: str, number: int) -> Parts:
    """A large answer that stops near its end, and keeps what was read in memory."""
    del path, number
    yield _head("Content-Length: 4000000") + b" " * 3_900_000
    await asyncio.sleep(60)


async def deep_json(path: str, number: int) -> Parts:
    """Brackets in brackets."""
    yield _answer(_list(path, b"[" * 100_000))
    del number


async def huge_headers(path: str, number: int) -> Parts:
    """Headers without end."""
    del path, number
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"X-A: " + b"a" * PART


async def many_headers(path: str, number: int) -> Parts:
    """Short headers without end."""
    del path, number
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"".join(b"X-%d: a\r\n" % each for each in range(1000))


async def chunk_extension(path: str, number: int) -> Parts:
    """A chunk whose head never ends."""
    del path, number
    yield _head("Transfer-Encoding: chunked") + b"1;a="
    while True:
        yield b"a" * PART


ATTACKS: Mapping[str, Callable[[str, int], Parts]] = {
    attack.__name__.replace("_", "-"): attack
    for attack in (
        gzip_bomb,
        endless_answer,
        endless_pages,
        large_pages,
        tiny_objects,
        empty_objects,
        many_objects,
        informational,
        repeated_page,
        slow_drip,
        slow_rest,
        deep_json,
        huge_headers,
        many_headers,
        chunk_extension,
    )
}


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of a connection. The path begins with the name of the attack."""
    with closing(writer), suppress(OSError, asyncio.IncompleteReadError):
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            url = urlsplit(request.split()[1].decode())
            (token,) = parse_qs(url.query).get("continue", ["token-0"])
            number = int(token.rpartition("-")[2]) if token[-1].isdigit() else 0
            attack = ATTACKS[url.path.split("/")[1]]
            async for part in attack(url.path, number + 1):
                if writer.is_closing():
                    return
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)  # the other attacks go on, too


async def _main(folder: Path) -> None:
    authority = Authority()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.server_certificate().load_into(tls)
    _bomb()
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    for attack in ATTACKS:
        kubeconfig = _kubeconfig(f"https://127.0.0.1:{port}/{attack}", authority)
        (folder / f"{attack}.yaml").write_text(kubeconfig, encoding="utf-8")
    print("ready", flush=True)  # noqa: T201  # what `hostile_servers` waits for
    await server.serve_forever()


def _kubeconfig(server: str, authority: Authority) -> str:
    trusted = base64.b64encode(authority.pem.encode()).decode()
    return yaml.safe_dump(
        {
            "current-context": "a",
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "clusters": [
                {"name": "a", "cluster": {"server": server, "certificate-authority-data": trusted}}
            ],
            "users": [{"name": "a", "user": {"token": "the-token"}}],
        }
    )


@contextmanager
def hostile_servers(folder: Path) -> Iterator[tuple[str, ...]]:
    """Serve all attacks meanwhile; gives their names, which their kubeconfigs in `folder` have."""
    command = [sys.executable, "-m", "localkube.hostile", str(folder)]
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=here) as process:  # noqa: S603  # our own module
        try:
            with process.stdout as printed:  # type: ignore[union-attr]  # it is a pipe
                if printed.readline() != "ready\n":
                    raise RuntimeError("the hostile API server did not start: see above")
            yield tuple(ATTACKS)
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
