"""Asking an API server through the adapter, and TLS servers that only look like one."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import uvloop
import yaml
from pydantic import SecretStr

from acr_refresher.core.model import NamespaceState
from acr_refresher.kube.api import KubernetesApi, KubernetesConnector
from acr_refresher.kube.kept import OpenKubeconfigs
from acr_refresher.run.ports import Kubeconfig
from adapters.loopback import Serve, over_tls, tcp_server
from localkube.pki import Authority, KeyPair

T = TypeVar("T")


def ask(
    kubeconfig: str,
    use: Callable[[KubernetesApi], Awaitable[T]],
    kept: OpenKubeconfigs | None = None,
) -> T:
    """What `use` gets from the API that a kubeconfig leads to, in an event loop of its own.

    `kept` is what an instance keeps of its one cluster.
    """
    connector = KubernetesConnector("1.2.3", kept)

    async def scenario() -> T:
        api = connector.connect(Kubeconfig(SecretStr(kubeconfig)), cluster="a" if kept else "")
        try:
            return await use(api)
        finally:
            await api.close()

    return uvloop.run(scenario())


def namespaces(kubeconfig: str, kept: OpenKubeconfigs | None = None) -> tuple[NamespaceState, ...]:
    return ask(kubeconfig, lambda api: api.list_namespaces(), kept)


def changed(kubeconfig: str, part: str = "cluster", **fields: Any) -> str:
    """A kubeconfig with other fields of its cluster or user; None removes one."""
    document = yaml.safe_load(kubeconfig)
    given = document[f"{part}s"][0][part]
    given |= {name.replace("_", "-"): value for name, value in fields.items()}
    document[f"{part}s"][0][part] = {k: v for k, v in given.items() if v is not None}
    return yaml.safe_dump(document)


class HasPem(Protocol):
    """A certificate."""

    @property
    def pem(self) -> str: ...


C = TypeVar("C", bound=HasPem)


@dataclass(frozen=True)
class Server(Generic[C]):
    """A TLS server that gives every client the same answer, and the authority to trust it by."""

    port: int
    authority: C

    def kubeconfig(self, certificate: KeyPair | None = None) -> str:
        user = {"token": "the-token"}
        if certificate:
            user = {
                "client-certificate-data": encoded(certificate.certificate),
                "client-key-data": encoded(certificate.key),
            }
        server = f"https://127.0.0.1:{self.port}"
        cluster = {"server": server, "certificate-authority-data": encoded(self.authority.pem)}
        return yaml.safe_dump(
            {
                "current-context": "a",
                "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
                "clusters": [{"name": "a", "cluster": cluster}],
                "users": [{"name": "a", "user": user}],
            }
        )


@contextmanager
def tls_server(serve: Serve, *, wants_certificate: bool = False) -> Iterator[Server[Authority]]:
    authority = Authority()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.server_certificate().load_into(tls)
    if wants_certificate:
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_verify_locations(cadata=authority.pem)
    with tcp_server(over_tls(tls, serve)) as port:
        yield Server(port, authority)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
