"""The way to each cluster's API server: its kubeconfig, from wherever it is kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from acr_refresher.core.model import AckAccess, Cluster, KmsAccess
from acr_refresher.errors import Denied, Gone, NotRunning
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
"""Of those who are known. Any other denial (401, the handshake) is of the credentials."""

RemoteAccess = AckAccess | KmsAccess
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KubeconfigCache:
    """The kubeconfigs that a warm instance has fetched from the cloud, by the way to them.

    They are nowhere else than in its memory, and masked there.
    """

    _kept: dict[RemoteAccess, tuple[Kubeconfig, datetime]] = field(default_factory=dict, repr=False)

    def get(self, access: RemoteAccess, now: datetime) -> Kubeconfig | None:
        """The one that is good for ten more minutes, if any."""
        kubeconfig, until = self._kept.get(access, (None, now))
        return kubeconfig if now < until else None

    def put(self, access: RemoteAccess, kubeconfig: Kubeconfig, now: datetime) -> None:
        """Keep it as long as it is good."""
        ends = kubeconfig.expires_at
        until = ends - SETTINGS.kubeconfig_margin if ends else now + SETTINGS.kubeconfig_kept
        self.drop(access)
        self._kept[access] = (kubeconfig, until)
        if len(self._kept) > SETTINGS.kubeconfigs_kept:
            del self._kept[next(iter(self._kept))]  # the one that was fetched first

    def drop_lapsed(self, now: datetime) -> None:
        """Give back what is of no use any more."""
        for access in [access for access, (_, until) in self._kept.items() if until <= now]:
            self.drop(access)

    def drop(self, access: RemoteAccess) -> None:
        """Fetch a new one next time."""
        self._kept.pop(access, None)


@dataclass(frozen=True, slots=True)
class Kubeconfigs:
    """Where kubeconfigs come from."""

    ack: ContainerService
    kms: KeyManagement
    files: KubeconfigFiles
    cache: KubeconfigCache


@dataclass(frozen=True, slots=True)
class ClusterConnections:
    """Leads one run to its clusters."""

    kubeconfigs: Kubeconfigs
    connector: KubeConnector
    minter: Minter
    now: datetime

    async def visit(
        self,
        cluster: Cluster,
        use: Callable[[KubeApi], Awaitable[T]],
        shared: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> T:
        """What `use` makes of the cluster's API server. Raises PortError.

        Waiting for the cloud, as other clusters do, is done within `shared`.
        A kubeconfig is not kept for later runs where anything fails with it. Where the server does
        not take the credentials of one that was, `use` is called again with a new one: once.
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
        with shared():
            fetched = await self._fetched(cluster, access)
        return await self._use(cluster, fetched, use)

    async def _use(
        self, cluster: Cluster, kubeconfig: Kubeconfig, use: Callable[[KubeApi], Awaitable[T]]
    ) -> T:
        try:
            kube = self.connector.connect(kubeconfig, self.now, cluster.proxy_url, cluster.ca_pem)
            try:
                return await use(kube)
            finally:
                await kube.close()
        except BaseException:
            # It may be none that can be used, or name an address, an authority or credentials that
            # are no longer right. One that leads nowhere is cut off before the connection fails.
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
            raise NotRunning("it is gone since it was found", service=gone.service) from gone
        self.kubeconfigs.cache.put(access, kubeconfig, self.now)
        return kubeconfig

    def _fetch(self, caller: CloudCredentials, access: RemoteAccess) -> Awaitable[Kubeconfig]:
        if isinstance(access, AckAccess):
            return self.kubeconfigs.ack.kubeconfig(caller, access)
        return self.kubeconfigs.kms.kubeconfig(caller, access)
