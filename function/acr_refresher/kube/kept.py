"""What a warm instance keeps of each cluster, so that a run need not read its kubeconfig again."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from pydantic import SecretStr

from acr_refresher.kube.kubeconfig import ServerAccess, read_kubeconfig
from acr_refresher.kube.tls import tls_context
from acr_refresher.run.ports import Kubeconfig
from acr_refresher.settings import SETTINGS


@dataclass(frozen=True, slots=True)
class OpenKubeconfig:
    """A kubeconfig that was read, and its TLS context."""

    access: ServerAccess
    tls: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class _Source:
    """What an open kubeconfig was made from."""

    document: SecretStr
    proxy_url: SecretStr | None
    ca_pem: str


@dataclass(frozen=True, slots=True)
class OpenKubeconfigs:
    """At most one open kubeconfig per cluster: a new kubeconfig replaces the one before.

    Temporary kubeconfigs have a new certificate each, so contexts that were kept by certificate
    would use up the instance's memory. Reading a kubeconfig and making its context take 4 ms of
    CPU, half of what an idle cluster takes.
    """

    _kept: dict[str, tuple[_Source, OpenKubeconfig]] = field(default_factory=dict, repr=False)

    def open(
        self,
        kubeconfig: Kubeconfig,
        proxy_url: SecretStr | None = None,
        ca_pem: str = "",
        cluster: str = "",
    ) -> OpenKubeconfig:
        """Open a kubeconfig. Without the name of its cluster it is not kept. Raises Invalid."""
        source = _Source(kubeconfig.document, proxy_url, ca_pem)
        before, opened = self._kept.pop(cluster, (None, None))
        if opened is None or before != source:
            access = read_kubeconfig(kubeconfig, None, proxy_url, ca_pem)
            opened = OpenKubeconfig(access, tls_context(access.ca_pem, access.client_pem))
        if cluster:
            self._kept[cluster] = (source, opened)
        if len(self._kept) > SETTINGS.open_kubeconfigs_kept:
            del self._kept[next(iter(self._kept))]  # the one used longest ago
        return opened
