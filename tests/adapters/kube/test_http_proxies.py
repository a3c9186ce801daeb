"""Which proxy is used, and what it gets to see."""

from __future__ import annotations

import asyncio
import socket

import pytest
from pydantic import SecretStr

from acr_refresher.errors import Unreachable
from acr_refresher.kube.api import KubernetesConnector
from acr_refresher.run.ports import Kubeconfig
from adapters.kubeapi import changed, namespaces
from adapters.loopback import ConnectProxy, answering, free_port, http, tcp_server
from localkube.double import DoubleCluster

NO_PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NO_PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def port_of(double: DoubleCluster) -> int:
    return int(double.url.split(":")[2].split("/")[0])


def test_the_kubeconfigs_proxy_is_used_and_wins(
    double: DoubleCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{free_port()}")
    proxy = ConnectProxy(port_of(double))
    with tcp_server(proxy) as port:
        assert namespaces(changed(double.kubeconfig(), proxy_url=f"http://127.0.0.1:{port}"))

    assert proxy.asked == [f"127.0.0.1:{port_of(double)}"]


@pytest.mark.parametrize("exempt", ["", "127.0.0.1"])
def test_the_environments_proxy_is_used_unless_exempt(
    double: DoubleCluster, monkeypatch: pytest.MonkeyPatch, exempt: str
) -> None:
    proxy = ConnectProxy(port_of(double))
    with tcp_server(proxy) as port:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", exempt)
        assert namespaces(double.kubeconfig())

    assert bool(proxy.asked) is not bool(exempt)


@pytest.mark.parametrize("proxied", [True, False])
def test_the_environment_is_read_once_for_all_clusters_and_requests(
    double: DoubleCluster, monkeypatch: pytest.MonkeyPatch, *, proxied: bool
) -> None:
    """Each reading goes through all variables; per cluster or per request that takes CPU time."""
    proxy = ConnectProxy(port_of(double))

    async def ask(connector: KubernetesConnector) -> None:
        api = connector.connect(Kubeconfig(SecretStr(double.kubeconfig())))
        try:
            assert await api.list_namespaces()
            assert await api.list_namespaces()
        finally:
            await api.close()

    with tcp_server(proxy) as port:
        if proxied:
            monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        connector = KubernetesConnector("1.2.3")
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{free_port()}")
        asyncio.run(ask(connector))

    assert bool(proxy.asked) is proxied


def test_a_proxy_that_is_not_there_is_named(double: DoubleCluster) -> None:
    kubeconfig = changed(
        double.kubeconfig(), proxy_url=f"http://user:the-word@127.0.0.1:{free_port()}"
    )

    with pytest.raises(Unreachable, match="cannot connect to the proxy for API server") as raised:
        namespaces(kubeconfig)

    assert "the-word" not in f"{raised.value!s} {raised.value!r}"


def test_a_proxy_that_refuses_is_not_asked_again(double: DoubleCluster) -> None:
    with tcp_server(answering(http("407 Proxy Authentication Required"))) as port:
        kubeconfig = changed(double.kubeconfig(), proxy_url=f"http://127.0.0.1:{port}")
        with pytest.raises(Unreachable, match="the proxy refuses") as raised:
            namespaces(kubeconfig)

    assert not raised.value.retryable


def test_the_proxy_does_not_see_the_token(double: DoubleCluster) -> None:
    seen: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        seen.append(connection.recv(65536))
        connection.sendall(http("502 Bad Gateway"))

    with tcp_server(listen) as port:
        kubeconfig = changed(double.token_kubeconfig(), proxy_url=f"http://127.0.0.1:{port}")
        with pytest.raises(Unreachable):
            namespaces(kubeconfig)

    assert seen[0].startswith(b"CONNECT 127.0.0.1:")
    assert double.access.tokens["acr-refresher"].encode() not in seen[0]
