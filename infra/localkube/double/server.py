"""The double on the network: one TLS server in a thread, any number of clusters on it.

Each cluster has a path of its own, ``/clusters/<name>``, as behind a proxy.
"""

import asyncio
import contextlib
import secrets
import ssl
import threading
import uuid
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote

from aiohttp import web

from localkube.cluster import Access, KubeCluster
from localkube.double.api import Api, Reply, Request
from localkube.double.dialect import MODERN, Dialect, Version
from localkube.double.faults import Fault, Faults
from localkube.double.identity import authenticate
from localkube.rbac import USER

T = TypeVar("T")

SHUTDOWN_SECONDS = 0.1
BACKLOG = 4096
# OpenSSL's X509_V_FLAG_NO_CHECK_TIME: an expired client certificate is answered 401, as the real
# server does, instead of failing the handshake.
NO_CHECK_TIME = 0x200000


@dataclass(frozen=True)
class JournalEntry:
    """A request that was answered or cut; ``status`` is 0 when it was cut."""

    method: str
    path: str
    query: Mapping[str, str]
    user: str
    status: int
    bytes_in: int


@dataclass(frozen=True)
class DoubleCluster(KubeCluster):
    """A cluster of the double: like any other, and one that can be broken and looked into."""

    api: Api
    loop: asyncio.AbstractEventLoop
    faults: Faults = field(default_factory=Faults)
    journal: list[JournalEntry] = field(default_factory=list)

    def load(self, *objects: dict[str, Any]) -> None:
        """Create objects as they stand in manifests, much faster than by requests."""
        self._in_server(lambda: self.api.load(*objects))

    def expire_continue_tokens(self) -> None:
        """Let every list that is being read page by page go stale (410)."""
        self._in_server(self.api.store.compact)

    def _in_server(self, function: Callable[[], T]) -> T:
        """Run in the server's thread: the state is its alone."""

        async def run() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result()


@contextlib.contextmanager
def api_doubles(
    names: Sequence[str],
    *,
    controllers: Collection[str] = (),
    token_users: Sequence[str] = (USER,),
    version: Version = MODERN,
) -> Iterator[list[DoubleCluster]]:
    """Doubles of these names, with the arguments of ``control_plane``.

    They answer as a kube-apiserver of ``version``.
    """
    access = Access(tokens={user: secrets.token_urlsafe() for user in token_users})
    clusters: dict[str, DoubleCluster] = {}
    # The clients' connections are closed first, then the server, then its thread.
    with _running_loop() as loop, _serving(loop, clusters, access) as url:
        for name in names:
            api = Api(controllers=name in controllers, version=version)
            clusters[name] = DoubleCluster(name, f"{url}/clusters/{name}", access, api, loop)
        with contextlib.closing(access):
            yield list(clusters.values())


@contextlib.contextmanager
def api_double(
    name: str = "edge-1", *, controllers: bool = False, version: Version = MODERN
) -> Iterator[DoubleCluster]:
    """One double."""
    served = [name] if controllers else ()
    with api_doubles([name], controllers=served, version=version) as [cluster]:
        yield cluster


@contextlib.contextmanager
def _running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="api-double", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@contextlib.contextmanager
def _serving(
    loop: asyncio.AbstractEventLoop, clusters: Mapping[str, DoubleCluster], access: Access
) -> Iterator[str]:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return await _respond(request, clusters, access.tokens)

    server = web.Server(handle, loop=loop, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_SECONDS)

    async def start() -> str:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=_tls(access), backlog=BACKLOG)
        await site.start()
        return f"https://127.0.0.1:{runner.addresses[0][1]}"

    async def stop() -> None:
        for connection in server.connections:
            if connection.transport is not None:
                connection.transport.abort()  # a TLS close would wait for the client's
        await runner.cleanup()

    def run(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    url = run(start())
    try:
        yield url
    finally:
        run(stop())


def _tls(access: Access) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    access.authority.server_certificate().load_into(context)
    context.load_verify_locations(cadata=access.authority.pem)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= NO_CHECK_TIME
    return context


async def _respond(
    request: web.BaseRequest, clusters: Mapping[str, DoubleCluster], tokens: Mapping[str, str]
) -> web.StreamResponse:
    _, prefix, name, path = [*request.path.split("/", 3), "", "", ""][:4]
    cluster = clusters.get(unquote(name)) if prefix == "clusters" else None
    if cluster is None:
        return web.Response(status=404, text="404 page not found\n")
    asked = Request(
        method=request.method,
        path=f"/{path}",
        user=authenticate(
            request.get_extra_info("peercert"), request.headers.get("Authorization", ""), tokens
        ),
        query=request.query,
        body=await request.content.read(),
        content_type=request.content_type,
        agent=request.headers.get("User-Agent", ""),
    )
    fault = cluster.faults.next_for(request.method, request.path_qs)
    reply = await _reply(cluster, asked, fault)
    cluster.journal.append(_entry(asked, reply))
    if reply is None:
        if request.transport is not None:
            request.transport.abort()
        raise asyncio.CancelledError
    return _response(reply, cluster.api.store.dialect)


def _response(reply: Reply, dialect: Dialect) -> web.Response:
    headers = {"Content-Type": reply.content_type, **reply.headers}
    if dialect.numbers_answers:
        headers["Audit-Id"] = str(uuid.uuid4())
    response = web.Response(status=reply.status, body=reply.body, headers=headers)
    for text in reply.warnings:
        quoted = text.replace("\\", r"\\").replace('"', r"\"")
        response.headers.add("Warning", f'299 - "{quoted}"')
    return response


async def _reply(cluster: DoubleCluster, asked: Request, fault: Fault | None) -> Reply | None:
    """The reply to a request, or None where its connection is cut."""
    if cluster.faults.latency:
        await asyncio.sleep(cluster.faults.latency)
    if fault is None:
        return cluster.api.answer(asked)
    if fault.stall:
        await asyncio.sleep(fault.stall)
    if fault.meanwhile is not None:
        await asyncio.get_running_loop().run_in_executor(None, fault.meanwhile)
    if fault.reset:
        return None
    reply = fault.reply(asked) or cluster.api.answer(asked)
    return None if fault.lost_answer else reply


def _entry(asked: Request, reply: Reply | None) -> JournalEntry:
    return JournalEntry(
        method=asked.method,
        path=asked.path,
        query=dict(asked.query),
        user=asked.user.name if asked.user else "",
        status=reply.status if reply else 0,
        bytes_in=len(asked.body),
    )
