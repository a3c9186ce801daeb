"""Which proxy is used, and what it gets to see."""

from __future__ import annotations

import asyncio
import base64
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


def outside(double: DoubleCluster) -> str:
    """The double's kubeconfig under a name that only the proxy can reach."""
    server = double.url.replace("127.0.0.1", "api.example.invalid")
    return changed(double.kubeconfig(), server=server, tls_server_name="localhost")


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY"])
def test_the_environments_proxy_is_used(
    double: DoubleCluster, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    proxy = ConnectProxy(port_of(double))
    with tcp_server(proxy) as port:
        monkeypatch.setenv(name, f"127.0.0.1:{port}")
        assert namespaces(outside(double))

    assert proxy.asked == [f"api.example.invalid:{port_of(double)}"]


def test_an_exempt_server_is_reached_without_the_proxy(
    double: DoubleCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = ConnectProxy(port_of(double))
    with tcp_server(proxy) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", f"example.invalid:{port_of(double)}")
        with pytest.raises(
            Unreachable, match=r"host name api\.example\.invalid cannot be resolved"
        ):
            namespaces(outside(double))
        assert namespaces(double.kubeconfig()), "of this machine"

    assert proxy.asked == []


def test_the_environment_is_read_once_for_all_clusters_and_requests(
    double: DoubleCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reading parses all of NO_PROXY; per cluster or per request that takes CPU time."""
    proxy = ConnectProxy(port_of(double))

    async def ask(connector: KubernetesConnector) -> None:
        api = connector.connect(Kubeconfig(SecretStr(outside(double))))
        try:
            assert await api.list_namespaces()
            assert await api.list_namespaces()
        finally:
            await api.close()

    with tcp_server(proxy) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        connector = KubernetesConnector("1.2.3")
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
        asyncio.run(ask(connector))

    assert proxy.asked


def test_the_proxys_login_is_sent_to_it(double: DoubleCluster) -> None:
    seen: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        seen.append(connection.recv(65536))
        connection.sendall(http("502 Bad Gateway"))

    with tcp_server(listen) as port:
        proxy_url = f"http://us%3Aer:p%C3%B6@127.0.0.1:{port}"
        with pytest.raises(Unreachable):
            namespaces(changed(double.kubeconfig(), proxy_url=proxy_url))

    login = base64.b64encode("us:er:pö".encode())
    assert b"Proxy-Authorization: Basic " + login + b"\r\n" in seen[0]


def test_a_proxy_that_is_not_there_is_named(double: DoubleCluster) -> None:
    port = free_port()
    kubeconfig = changed(double.kubeconfig(), proxy_url=f"http://user:the-word@127.0.0.1:{port}")

    with pytest.raises(Unreachable) as raised:
        namespaces(kubeconfig)

    assert f"cannot connect to proxy http://127.0.0.1:{port} of API server" in str(raised.value)
    assert "the-word" not in f"{raised.value!s} {raised.value!r}"


def test_a_proxy_that_refuses_is_not_asked_again(double: DoubleCluster) -> None:
    with tcp_server(answering(http("407 Proxy Authentication Required"))) as port:
        kubeconfig = changed(double.kubeconfig(), proxy_url=f"http://127.0.0.1:{port}")
        refusal = rf"proxy http://127\.0\.0\.1:{port} refuses to connect to API server .* \(407\)"
        with pytest.raises(Unreachable, match=refusal) as raised:
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


def test_the_proxy_is_named_where_the_server_behind_it_fails(double: DoubleCluster) -> None:
    proxy = ConnectProxy(port_of(double))
    with tcp_server(proxy) as port:
        proxy_url = f"http://user:the-word@127.0.0.1:{port}"
        kubeconfig = changed(double.kubeconfig(), proxy_url=proxy_url, tls_server_name="other")
        with pytest.raises(
            Unreachable, match=f"through proxy http://127[.]0[.]0[.]1:{port} "
        ) as raised:
            namespaces(kubeconfig)

    assert "the-word" not in str(raised.value)
