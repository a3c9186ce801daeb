"""Names whose servers are silent delay neither other clusters nor the end of a run."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from aiohttp.resolver import ThreadedResolver
from pydantic import SecretStr

from acr_refresher.cloud.client import CloudTransport
from acr_refresher.cloud.registry import RegistryClient
from acr_refresher.errors import Invalid
from acr_refresher.invocation import _run_loop
from acr_refresher.kube.api import KubernetesConnector
from acr_refresher.run.host_names import HostNames
from acr_refresher.run.ports import Kubeconfig, RegistryToken
from adapters.kubeapi import changed, namespaces
from factories import NOW
from localkube.double import DoubleCluster

SILENT = 40
"""More than the threads of any event loop or pool on a machine of few cores."""

Runner = Callable[[Coroutine[Any, Any, Any]], Any]


@dataclass
class Names:
    """Looks names up as the machine does, but for those of `.silent`, until they are released."""

    really: Callable[..., Any]
    released: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def look_up(self, host: str, *arguments: Any, **more: Any) -> Any:
        self.asked.append(host)
        if host.endswith(".silent"):
            self.released.wait(timeout=30)
            self.ended.append(host)
            raise socket.gaierror(socket.EAI_AGAIN, "no server answers")
        return self.really(host, *arguments, **more)

    async def all_asked(self, count: int) -> None:
        while len(self.asked) < count:  # noqa: ASYNC110  # it is threads that ask
            await asyncio.sleep(0.001)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch, double: DoubleCluster) -> Iterator[Names]:
    del double  # which looks itself up when it is started
    names = Names(socket.getaddrinfo)
    monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
    yield names
    names.released.set()


async def visited(kubeconfig: str) -> int:
    """How many namespaces there are."""
    api = KubernetesConnector("1.2.3").connect(Kubeconfig(SecretStr(kubeconfig)))
    try:
        return len(await api.list_namespaces())
    finally:
        await api.close()


async def tried(host: str) -> None:
    """A new token at its registry."""
    registries = RegistryClient(CloudTransport())
    await registries.check_login(host, RegistryToken("u", SecretStr("t"), NOW, "REQ"), "")


runners = pytest.mark.parametrize(
    "complete",
    [pytest.param(asyncio.run, id="a command"), pytest.param(_run_loop, id="function")],
)


@runners
def test_others_are_served_and_the_run_ends_while_names_are_looked_up(
    complete: Runner, names: Names, double: DoubleCluster
) -> None:
    there = partial(changed, double.kubeconfig())
    by_name = there(server=double.url.replace("127.0.0.1", "localhost"))

    async def scenario() -> list[int]:
        silent = [
            *(visited(there(server=f"https://c{each}.silent")) for each in range(SILENT)),
            tried("registry.silent"),
        ]
        begun = [asyncio.ensure_future(visit) for visit in silent]
        await asyncio.wait_for(names.all_asked(len(silent)), timeout=20)
        served = [await visited(by_name) for _ in range(3)]
        for visit in begun:
            visit.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
        return served

    assert complete(scenario()) == [4, 4, 4]
    assert names.ended == [], "the look-ups are still under way"


@runners
def test_a_look_up_that_ends_after_its_run_disturbs_nobody(
    complete: Runner, names: Names, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        asked = asyncio.ensure_future(HostNames().resolve("a.silent"))
        await names.all_asked(1)
        asked.cancel()

    before = set(threading.enumerate())
    complete(scenario())
    names.released.set()
    for thread in set(threading.enumerate()) - before:
        thread.join()
    assert names.ended == ["a.silent"]
    assert capfd.readouterr().err == ""


def test_an_address_is_not_looked_up(names: Names, double: DoubleCluster) -> None:
    assert namespaces(double.kubeconfig())
    assert names.asked == []


def test_a_name_is_looked_up_once_for_a_connection(names: Names, double: DoubleCluster) -> None:
    server = double.url.replace("127.0.0.1", "localhost")
    assert namespaces(changed(double.kubeconfig(), server=server))
    assert names.asked == ["localhost"]


@pytest.mark.parametrize("host", ["a..example.com", "a" * 64 + ".example.com"])
def test_what_is_no_name_at_all_cannot_be_resolved_either(double: DoubleCluster, host: str) -> None:
    with pytest.raises(OSError, match="not a host name"):
        asyncio.run(HostNames().resolve(host))
    with pytest.raises(Invalid, match=r"cluster\.server: must be https://HOST"):
        namespaces(changed(double.kubeconfig(), server=f"https://{host}"))


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNSPEC])
def test_an_answer_is_what_aiohttp_itself_makes_of_it(family: socket.AddressFamily) -> None:
    async def answers() -> list[Any]:
        resolvers = (HostNames(), ThreadedResolver())
        asked = (each.resolve("localhost", 443, family) for each in resolvers)
        return [repr(each) for each in await asyncio.gather(*asked, return_exceptions=True)]

    ours, theirs = asyncio.run(answers())
    assert ours == theirs
