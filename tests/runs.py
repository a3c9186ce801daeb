"""Runs with hand-written doubles of everything outside: clusters, registries, the platform."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from pydantic import SecretStr

from acr_refresher.config.load import Config
from acr_refresher.core.model import (
    Cluster,
    Function,
    InClusterAccess,
    KubeconfigAccess,
    NamespaceState,
    PullSecret,
    Registry,
    SecretContent,
    SecretState,
    ServiceAccountState,
)
from acr_refresher.core.report import Report
from acr_refresher.core.request import Request, RunContext
from acr_refresher.run.cluster import LastSeenClusters
from acr_refresher.run.connect import KubeconfigCache, Kubeconfigs
from acr_refresher.run.ports import (
    AppliedSecret,
    CloudCredentials,
    ContainerRegistry,
    ContainerService,
    Functions,
    KeyManagement,
    KubeApi,
    Kubeconfig,
    KubeconfigFiles,
    KubeConnector,
    RegistryHosts,
    RegistryToken,
    Sts,
)
from acr_refresher.run.run import Dependencies, run
from factories import NOW, as_written, namespace, request, wanted
from virtual_time import in_virtual_time

FUNCTION = Function("acr-refresher", "cn-hangzhou", "7")
NEVER = 3600
"""Seconds. No run in these tests takes as long."""


@dataclass(eq=False)
class Kube(KubeApi):
    """A cluster with namespaces. A write to `broken` meets a bug; a write to `stalled` never ends.

    With `unanswered`, a read never ends either.
    """

    names: tuple[str, ...] = ("one", "two")
    broken: str = ""
    stalled: str = ""
    unanswered: bool = False
    requests: int = 0
    throttled: int = 0
    written: list[str] = field(default_factory=list)

    async def list_namespaces(self) -> tuple[NamespaceState, ...]:
        if self.unanswered:
            await asyncio.sleep(NEVER)
        return tuple(map(namespace, self.names))

    async def list_secrets(self, name: str) -> tuple[SecretState, ...]:
        del name
        return ()

    async def list_service_accounts(self, namespace: str = "") -> tuple[ServiceAccountState, ...]:
        del namespace
        return ()

    async def find_namespace(self, name: str) -> NamespaceState | None:
        raise NotImplementedError

    async def find_service_account(self, namespace: str, name: str) -> ServiceAccountState | None:
        raise NotImplementedError

    async def read_secret(self, namespace: str, name: str) -> SecretState | None:
        del namespace, name
        return None

    async def apply_secret(
        self,
        namespace: str,
        name: str,
        content: SecretContent,
        uid: str | None,
        resource_version: str | None = None,
    ) -> AppliedSecret:
        del resource_version
        if namespace == self.broken:
            raise KeyError("hunter2")
        if namespace in self.stalled.split():
            await asyncio.sleep(NEVER)
        self.written.append(namespace)
        return AppliedSecret(as_written(namespace, name, content), created=uid is None)

    async def delete_secret(
        self, namespace: str, name: str, uid: str, resource_version: str
    ) -> None:
        raise NotImplementedError

    async def read_service_account(self, namespace: str, name: str) -> ServiceAccountState:
        raise NotImplementedError

    async def patch_service_account(self, account: ServiceAccountState) -> ServiceAccountState:
        raise NotImplementedError

    async def service_account_token(
        self, namespace: str, name: str, audience: str, duration: timedelta
    ) -> SecretStr:
        raise NotImplementedError

    async def close(self) -> None:
        pass


@dataclass
class Connector(KubeConnector):
    """Opens clusters by the document in place of a kubeconfig. With `bug`, opening meets a bug."""

    kubes: dict[str, Kube]

    def connect(
        self,
        kubeconfig: Kubeconfig,
        now: datetime,
        proxy_url: SecretStr | None = None,
        ca_pem: str = "",
        cluster: str = "",
    ) -> KubeApi:
        del now, proxy_url, ca_pem, cluster
        return self.kubes[kubeconfig.document.get_secret_value()]


class Files(KubeconfigFiles):
    async def kubeconfig(self, access: KubeconfigAccess | InClusterAccess) -> Kubeconfig:
        assert isinstance(access, KubeconfigAccess)
        return Kubeconfig(SecretStr(access.path))


class Registries(ContainerRegistry, RegistryHosts):
    async def token(self, caller: CloudCredentials, registry: Registry) -> RegistryToken:
        del caller, registry
        return RegistryToken("user", SecretStr("token"), NOW + timedelta(hours=1), "REQ")

    async def hosts(self, caller: CloudCredentials, registry: Registry) -> tuple[str, ...]:
        del caller, registry
        return ("registry.example.com",)

    async def check_login(self, host: str, token: RegistryToken, repository: str) -> None:
        pass


@dataclass
class Started(Functions):
    """Function Compute: the started invocations by task ID. It refuses the calls in `refused`."""

    events: dict[str, bytes] = field(default_factory=dict)
    refused: Mapping[int, Exception] = field(default_factory=dict)
    calls: int = 0

    async def invoke(self, function: Function, payload: bytes) -> bytes:
        raise NotImplementedError

    async def start(self, function: Function, payload: bytes, task_id: str) -> bool:
        assert function == FUNCTION
        assert len(payload) < 128 * 1024
        self.calls += 1
        if error := self.refused.get(self.calls - 1):
            raise error
        if task_id in self.events:
            return False
        self.events[task_id] = payload
        return True


EVERYWHERE = wanted(namespaces=("all",))


def cluster(name: str, pull_secret: PullSecret = EVERYWHERE) -> Cluster:
    return Cluster(name, KubeconfigAccess(name), (pull_secret,))


@dataclass
class Fleet:
    """Clusters, and an instance of the function that serves them in several runs."""

    kubes: dict[str, Kube]
    functions: Started | None = None
    pull_secret: PullSecret = EVERYWHERE
    last_seen: LastSeenClusters = field(default_factory=LastSeenClusters)
    clock_skew: timedelta | None = None
    files: KubeconfigFiles = field(default_factory=Files)
    ack: ContainerService | None = None
    """Only if clusters are discovered. `run` then gets the names of the configured clusters."""

    @staticmethod
    def of(count: int, **more: Any) -> Fleet:
        return Fleet({f"c{number:04}": Kube() for number in range(count)}, **more)

    def run(
        self,
        asked: Request | None = None,
        names: tuple[str, ...] = (),
        seconds: float = 60,
        now: datetime = NOW,
        **config: Any,
    ) -> Report:
        """A run of so many virtual seconds, which pass when nothing else happens."""
        clusters = tuple(cluster(name, self.pull_secret) for name in names or self.kubes)
        asked = asked or request()
        context = RunContext(
            run=asked.shard.run if asked.shard else "run-7",
            request=asked,
            now=now,
            budget=timedelta(seconds=seconds),
            account="7",
            function=FUNCTION,
        )
        config = {"concurrency": 8, **config}
        return in_virtual_time(
            lambda _: run(context, Config(clusters, (), **config), self.dependencies())
        )

    def dependencies(self) -> Dependencies:
        return Dependencies(
            credentials=CloudCredentials("ak", SecretStr("secret")),
            sts=cast("Sts", None),  # no role is configured
            registry_api=Registries(),
            registry_hosts=Registries(),
            kubeconfigs=Kubeconfigs(
                ack=cast("ContainerService", self.ack),
                kms=cast("KeyManagement", None),  # no kubeconfig is in KMS
                files=self.files,
                cache=KubeconfigCache(),
            ),
            connector=Connector(self.kubes),
            clock_skew=lambda: self.clock_skew,
            functions=self.functions,
            last_seen=self.last_seen,
        )

    @property
    def served(self) -> set[str]:
        """The names of the clusters in which something was written."""
        return {name for name, kube in self.kubes.items() if kube.written}
