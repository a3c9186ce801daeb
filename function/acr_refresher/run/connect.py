"""Connections to the clusters' API servers, by kubeconfigs from the cloud or from files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from acr_refresher.core.model import AckAccess, Cluster, KmsAccess
from acr_refresher.errors import Denied, Gone, NotRunning
from acr_refresher.run.deadline import Clock
from acr_refresher.run.ports import (
    CloudCredentials,
    ContainerService,
    KeyManagement,
    KubeApi,
    Kubeconfig,
    KubeconfigFiles,
    KubeConnector,
)
from acr_refresher.run.retry import retrying
from acr_refresher.run.tokens import Minter
from acr_refresher.settings import SETTINGS

FORBIDDEN = "403"
"""The code of a denial to a known identity. Any other (401, TLS) refuses the credentials."""

RemoteAccess = AckAccess | KmsAccess
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KubeconfigCache:
    """The kubeconfigs that a warm instance has fetched from the cloud.

    They are kept in its memory only, and masked there.
    """

    _kept: dict[RemoteAccess, tuple[Kubeconfig, datetime]] = field(default_factory=dict, repr=False)

    def get(self, access: RemoteAccess, now: datetime) -> Kubeconfig | None:
        """Return the kubeconfig, unless it is not kept or expires soon."""
        kubeconfig, until = self._kept.get(access, (None, now))
        return kubeconfig if now < until else None

    def put(self, access: RemoteAccess, kubeconfig: Kubeconfig, now: datetime) -> None:
        """Keep the kubeconfig until shortly before it expires."""
        ends = kubeconfig.expires_at
        until = ends - SETTINGS.kubeconfig_margin if ends else now + SETTINGS.kubeconfig_kept
        self.drop(access)
        self._kept[access] = (kubeconfig, until)
        if len(self._kept) > SETTINGS.kubeconfigs_kept:
            del self._kept[next(iter(self._kept))]  # the one fetched first

    def drop_lapsed(self, now: datetime) -> None:
        """Drop what has expired."""
        for access in [access for access, (_, until) in self._kept.items() if until <= now]:
            self.drop(access)

    def drop(self, access: RemoteAccess) -> None:
        """Drop one kubeconfig, so that the next visit fetches another."""
        self._kept.pop(access, None)


@dataclass(frozen=True, slots=True)
class Kubeconfigs:
    """The sources of kubeconfigs."""

    ack: ContainerService
    kms: KeyManagement
    files: KubeconfigFiles
    cache: KubeconfigCache


@dataclass(frozen=True, slots=True)
class ClusterConnections:
    """Connects one run to its clusters."""

    kubeconfigs: Kubeconfigs
    connector: KubeConnector
    minter: Minter
    now: datetime

    async def visit(
        self,
        cluster: Cluster,
        use: Callable[[KubeApi], Awaitable[T]],
        paused: Clock = nullcontext,
    ) -> T:
        """Return what `use` returns for the cluster's API server. Raises PortError.

        Waits for the cloud are within `paused`. A kubeconfig with which anything fails is not kept
        for later runs. If the server does not accept the credentials of a kept kubeconfig, `use`
        is called once more with a new one.
        """
        access = cluster.access
        if not isinstance(access, RemoteAccess):
            return await self._use(cluster, await self.kubeconfigs.files.kubeconfig(access), use)
        kept = self.kubeconfigs.cache.get(access, self.now)
        if kept is not None:
            try:
                return await self._use(cluster, kept, use)
            except Denied as refused:
                if refused.code == FORBIDDEN:
                    raise
        with paused():
            fetched = await self._fetched(cluster, access)
        return await self._use(cluster, fetched, use)

    async def _use(
        self, cluster: Cluster, kubeconfig: Kubeconfig, use: Callable[[KubeApi], Awaitable[T]]
    ) -> T:
        try:
            kube = self.connector.connect(
                kubeconfig, self.now, cluster.proxy_url, cluster.ca_pem, cluster.name
            )
            try:
                return await use(kube)
            finally:
                await kube.close()
        except BaseException:
            # Its address, authority or credentials may no longer be right. A wrong address shows
            # as a cancellation: the cluster's time is over before the connection fails.
            if isinstance(cluster.access, RemoteAccess):
                self.kubeconfigs.cache.drop(cluster.access)
            raise

    async def _fetched(self, cluster: Cluster, access: RemoteAccess) -> Kubeconfig:
        caller = await self.minter.session(access.role_chain, SETTINGS.session_duration)
        try:
            kubeconfig = await retrying(lambda: self._fetch(caller, access))
        except Gone as gone:
            if not cluster.found_by:
                raise
            raise NotRunning("it was deleted after it was listed", service=gone.service) from gone
        self.kubeconfigs.cache.put(access, kubeconfig, self.now)
        return kubeconfig

    def _fetch(self, caller: CloudCredentials, access: RemoteAccess) -> Awaitable[Kubeconfig]:
        if isinstance(access, AckAccess):
            return self.kubeconfigs.ack.kubeconfig(caller, access)
        return self.kubeconfigs.kms.kubeconfig(caller, access)
