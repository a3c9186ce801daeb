"""The cloud's HTTP front on the loopback interface."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from email.utils import format_datetime

from aiohttp import web

from localcloud import registry_token
from localcloud.api import HttpRequest
from localcloud.cloud import Cloud
from localcloud.faults import ConnectionReset
from localcloud.fc.invoke import MOST_BYTES
from localcloud.gateway import respond
from localcloud.replies import Reply

_BACKLOG = 1024
_FC_2 = "/2016-08-15/"  # whose SDK knows no proxy, and so takes our own address for its endpoint
_MAX_REQUEST_LINE = 65536  # bytes; an OpenID Connect token may stand in the query
_MAX_BODY = MOST_BYTES + 1024  # bytes; larger requests get the API's own error
_THREADS = 64  # each invocation that is waited for takes one, and its function calls the cloud
_SHUTDOWN_SECONDS = 0.1  # requests that are still stalled by then are cut off


@contextmanager
def serving(cloud: Cloud) -> Iterator[str]:
    """Serve the cloud from a thread of its own; gives the URL to name as the SDKs' HTTP proxy."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
    stopping: Future[None] = Future()
    serve = _serve(cloud, listener, stopping)
    thread = threading.Thread(target=asyncio.run, args=(serve,), name="localcloud")
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stopping.set_result(None)
        thread.join()


async def _serve(cloud: Cloud, listener: socket.socket, stopping: Future[None]) -> None:
    own_host = "{}:{}".format(*listener.getsockname())
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.host == own_host and not request.path.startswith(_FC_2):
            response: web.StreamResponse = _answer_token_request(cloud, request)
        else:
            response = await _answer_api_call(cloud, request)
        response.headers["Date"] = format_datetime(cloud.clock(), usegmt=True)
        return response

    # No access log: query strings and headers carry secrets.
    server = web.Server(handle, access_log=None, max_line_size=_MAX_REQUEST_LINE)
    runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    await web.SockSite(runner, listener, backlog=_BACKLOG).start()
    await asyncio.wrap_future(stopping)
    await runner.cleanup()


async def _answer_api_call(cloud: Cloud, request: web.BaseRequest) -> web.StreamResponse:
    outcome = await respond(cloud, await _read(request))
    if isinstance(outcome, Reply):
        return web.Response(
            status=outcome.status,
            body=outcome.body,
            content_type=outcome.content_type,
            headers=outcome.headers,
        )
    if isinstance(outcome, ConnectionReset):
        return _reset_connection(request)
    return await _never()


async def _read(request: web.BaseRequest) -> HttpRequest:
    names = {name.lower() for name in request.headers}
    return HttpRequest(
        method=request.method,
        host=request.headers.get("Host", ""),
        path=request.rel_url.raw_path,
        query=tuple(request.rel_url.query.items()),
        headers={name: ",".join(sorted(request.headers.getall(name))) for name in names},
        body=await request.clone(client_max_size=_MAX_BODY).read(),
    )


def _answer_token_request(cloud: Cloud, request: web.BaseRequest) -> web.Response:
    query = request.rel_url.query
    if request.rel_url.raw_path != registry_token.PATH:
        return web.json_response({"errors": [{"code": "NOT_FOUND"}]}, status=404)
    try:
        answer = registry_token.bearer_token(
            cloud,
            request.headers.get("Authorization", ""),
            query.get("service", ""),
            query.getall("scope", []),
            cloud.clock(),
        )
    except registry_token.LoginRefusedError:
        return web.json_response({"errors": [{"code": "UNAUTHORIZED"}]}, status=401)
    return web.json_response(answer)


def _reset_connection(request: web.BaseRequest) -> web.Response:
    """Have the kernel send RST instead of closing in order; the response goes nowhere."""
    if request.transport is not None:
        linger_not = struct.pack("ii", 1, 0)
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)
        request.transport.abort()
    return web.Response()


async def _never() -> web.Response:
    await asyncio.Event().wait()
    return web.Response()
