"""Other clients that send what a run sends, in a process of their own: `python -m bench.clients`.

`bare` is the floor: a plain aiohttp loop that only sends, and reads the answers without looking at
them. The typed ones are the official client as most programs use it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from bench.child import Json, answer_questions, measured
from bench.fleet import STRANGERS_SECRET, cluster_names, kubeconfig_path, namespace_names

SECRET = "acr-pull"
MANAGER = "acr-refresher"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
SELECTOR = f"metadata.name={SECRET}"
PAGE = 500
LISTS = (
    f"namespaces?limit={PAGE}",
    f"secrets?fieldSelector=metadata.name%3D{SECRET}&limit={PAGE}",
    f"serviceaccounts?limit={PAGE}",
)
HEADERS = {"Accept": "application/json", "User-Agent": "bench"}
BINDING = {"imagePullSecrets": [{"name": STRANGERS_SECRET}, {"name": SECRET}]}

CLUSTERS_AT_ONCE = 64  # as many as the function serves by default
THREADS = 16


@dataclass(frozen=True)
class Work:
    """What to send to each cluster: three lists, and for each namespace one write or two."""

    kubeconfigs: Sequence[Path]
    namespaces: Sequence[str]
    secret: Json
    binds: bool
    at_once: int

    def applied(self, namespace: str) -> Json:
        """The namespace's pull secret."""
        return {**self.secret, "metadata": {**self.secret["metadata"], "namespace": namespace}}


def send(  # noqa: PLR0913  # what a question names
    client: str,
    folder: str,
    clusters: int,
    namespaces: int,
    secret: Json,
    at_once: int,
    *,
    binds: bool = False,
) -> Json:
    """Send a run's requests with one of the clients."""
    kubeconfigs = [kubeconfig_path(Path(folder), name) for name in cluster_names(clusters)]
    work = Work(kubeconfigs, namespace_names(namespaces), secret, binds, at_once)
    return CLIENTS[client](work)


# ---- plain aiohttp -------------------------------------------------------------------------------


def bare(work: Work) -> Json:
    """A plain aiohttp loop, over `at_once` connections to each cluster."""
    servers = [_Server.read(path) for path in work.kubeconfigs]
    return measured(lambda: asyncio.run(_bare(servers, work)))


def bare_uvloop(work: Work) -> Json:
    """The same in the event loop that the function has."""
    import uvloop  # noqa: PLC0415  # the others do without

    servers = [_Server.read(path) for path in work.kubeconfigs]
    return measured(lambda: uvloop.run(_bare(servers, work)))


@dataclass(frozen=True)
class _Server:
    """An API server, with PEM texts; `pair` or `token` is empty."""

    url: str
    ca: str
    pair: str
    token: str

    @staticmethod
    def read(kubeconfig: Path) -> _Server:
        document = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        pair = (user.get("client-certificate-data", ""), user.get("client-key-data", ""))
        ca = _text(cluster["certificate-authority-data"])
        return _Server(cluster["server"], ca, "".join(map(_text, pair)), user.get("token", ""))

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.ca)
        if not self.pair:
            return context
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(self.pair)
            file.flush()
            context.load_cert_chain(file.name)
        return context

    @property
    def headers(self) -> dict[str, str]:
        return {**HEADERS, "Authorization": f"Bearer {self.token}"} if self.token else HEADERS


async def _bare(servers: Sequence[_Server], work: Work) -> Json:
    places = asyncio.Semaphore(CLUSTERS_AT_ONCE)

    async def serve(server: _Server) -> tuple[int, float]:
        async with places:
            return await _bare_cluster(server, work)

    served = await asyncio.gather(*map(serve, servers))
    return {
        "requests": sum(requests for requests, _ in served),
        "writing_s": sum(seconds for _, seconds in served),
    }


async def _bare_cluster(server: _Server, work: Work) -> tuple[int, float]:
    """How many requests were sent, and how long the writes among them took."""
    connector = aiohttp.TCPConnector(ssl=server.context(), limit=work.at_once)
    cookies = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=cookies, headers=server.headers
    ) as session:
        for each in LISTS:
            await _expect(session.get(f"{server.url}/api/v1/{each}"))
        began = time.perf_counter()

        async def write(namespace: str) -> int:
            path = f"{server.url}/api/v1/namespaces/{namespace}"
            writes = list(_writes(work, path, namespace))
            for url, content_type, body in writes:
                headers = {"Content-Type": content_type}
                await _expect(session.patch(url, data=json.dumps(body), headers=headers))
            return len(writes)

        written = sum(await _at_once(work.at_once, write, work.namespaces))
        return len(LISTS) + written, time.perf_counter() - began


def _writes(work: Work, path: str, namespace: str) -> Iterator[tuple[str, str, Json]]:
    applied = work.applied(namespace)
    yield f"{path}/secrets/{SECRET}?fieldManager={MANAGER}&force=true", APPLY, applied
    if work.binds:
        yield f"{path}/serviceaccounts/default?fieldManager={MANAGER}", MERGE, BINDING


async def _expect(call: Any) -> None:
    async with call as response:
        await response.read()
        if response.status >= 300:
            raise RuntimeError(f"{response.method} {response.url}: {response.status}")


async def _at_once(
    places: int, write: Callable[[str], Awaitable[int]], namespaces: Sequence[str]
) -> list[int]:
    """So many loops over what is left to write."""
    left = iter(namespaces)

    async def loop() -> int:
        return sum([await write(namespace) for namespace in left])

    return await asyncio.gather(*(loop() for _ in range(places)))


def _text(data: str) -> str:
    return base64.b64decode(data).decode()


# ---- the typed clients ---------------------------------------------------------------------------


def typed_sequential(work: Work) -> Json:
    """`kubernetes`, one request after the other."""
    return _typed(work, 1)


def typed_threads(work: Work) -> Json:
    """`kubernetes` in threads."""
    return _typed(work, THREADS)


def _typed(work: Work, threads: int) -> Json:
    from kubernetes import client, config  # noqa: PLC0415  # the floor's process does without

    def serve(kubeconfig: Path) -> int:
        connected: Any = config.new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]  # it is partly typed
        api = client.CoreV1Api(connected)
        requests = len(_typed_lists(api))
        with ThreadPoolExecutor(threads) as pool:
            return requests + sum(
                pool.map(lambda name: len(_typed_writes(api, work, name)), work.namespaces)
            )

    return measured(lambda: {"requests": sum(map(serve, work.kubeconfigs))})


def typed_aio(work: Work) -> Json:
    """`kubernetes.aio`, as it comes."""
    return measured(lambda: asyncio.run(_typed_aio(work)))


async def _typed_aio(work: Work) -> Json:
    from kubernetes.aio import client, config  # noqa: PLC0415  # as above

    async def serve(kubeconfig: Path) -> int:
        connecting = config.new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]  # as above
        async with await connecting as connected:
            api = client.CoreV1Api(connected)
            lists = [await call for call in _typed_lists(api)]

            async def write(namespace: str) -> int:
                return len([await call for call in _typed_writes(api, work, namespace)])

            return len(lists) + sum(await _at_once(work.at_once, write, work.namespaces))

    return {"requests": sum([await serve(kubeconfig) for kubeconfig in work.kubeconfigs])}


def _typed_lists(api: Any) -> list[Any]:
    """Answers, or with kubernetes.aio what has to be awaited for them."""
    return [
        api.list_namespace(limit=PAGE),
        api.list_secret_for_all_namespaces(field_selector=SELECTOR, limit=PAGE),
        api.list_service_account_for_all_namespaces(limit=PAGE),
    ]


def _typed_writes(api: Any, work: Work, namespace: str) -> list[Any]:
    """The writes of one namespace, in the same way."""
    options = {"field_manager": MANAGER, "force": True, "_content_type": APPLY}
    sent = [api.patch_namespaced_secret(SECRET, namespace, work.applied(namespace), **options)]
    if work.binds:
        options = {"field_manager": MANAGER, "_content_type": MERGE}
        patch = api.patch_namespaced_service_account
        sent.append(patch("default", namespace, BINDING, **options))
    return sent


CLIENTS: dict[str, Callable[[Work], Json]] = {
    "bare": bare,
    "bare_uvloop": bare_uvloop,
    "typed_sequential": typed_sequential,
    "typed_threads": typed_threads,
    "typed_aio": typed_aio,
}


if __name__ == "__main__":
    answer_questions({"send": send})
