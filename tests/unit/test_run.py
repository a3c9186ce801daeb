"""What a run does where the system itself fails: a bug met once must not stop the rest."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from acr_refresher.config import Config
from acr_refresher.connect import KubeconfigCache, Kubeconfigs
from acr_refresher.context import Context
from acr_refresher.core.model import (
    Cluster,
    InClusterAccess,
    KubeconfigAccess,
    NamespaceState,
    Registry,
    SecretContent,
    SecretState,
    ServiceAccountState,
)
from acr_refresher.core.report import Report, to_json
from acr_refresher.ports import (
    CloudCredentials,
    ContainerRegistry,
    ContainerService,
    KeyManagement,
    KubeApi,
    Kubeconfig,
    KubeconfigFiles,
    KubeConnector,
    RegistryHosts,
    RegistryToken,
    Sts,
)
from acr_refresher.run import Outside, run
from factories import NOW, namespace, request, wanted


@dataclass
class Kube(KubeApi):
    """A cluster of two namespaces; writing to `broken` meets a bug."""

    broken: str = ""
    requests: int = 0
    written: list[str] = field(default_factory=list)

    async def list_namespaces(self) -> tuple[NamespaceState, ...]:
        return (namespace("one"), namespace("two"))

    async def list_secrets(self, name: str) -> tuple[SecretState, ...]:
        del name
        return ()

    async def list_service_accounts(self) -> tuple[ServiceAccountState, ...]:
        return ()

    async def apply_secret(
        self, namespace: str, name: str, content: SecretContent, uid: str | None
    ) -> None:
        del name, content, uid
        if namespace == self.broken:
            raise KeyError("hunter2")
        self.written.append(namespace)

    async def delete_secret(self, namespace: str, name: str, uid: str) -> None:
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
    """Opens the clusters by the document that stands for their kubeconfig; `bug` is one itself."""

    kubes: dict[str, Kube]

    def connect(
        self,
        kubeconfig: Kubeconfig,
        now: datetime,
        proxy_url: SecretStr | None = None,
        ca_pem: str = "",
    ) -> KubeApi:
        del now, proxy_url, ca_pem
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


def served(kubes: dict[str, Kube], *names: str, clock_skew: timedelta | None = None) -> Report:
    pull_secrets = (wanted(namespaces=("all",)),)
    clusters = tuple(Cluster(name, KubeconfigAccess(name), pull_secrets) for name in names)
    outside = Outside(
        function=CloudCredentials("ak", SecretStr("secret")),
        sts=cast("Sts", None),  # no role is configured
        registry_api=Registries(),
        registry_hosts=Registries(),
        kubeconfigs=Kubeconfigs(
            ack=cast("ContainerService", None),  # no ACK cluster is configured
            kms=cast("KeyManagement", None),  # nor one whose kubeconfig is a secret
            files=Files(),
            cache=KubeconfigCache(),
        ),
        connector=Connector(kubes),
        clock_skew=lambda: clock_skew,
    )
    context = Context("run-7", request(), NOW, timedelta(minutes=1))
    return asyncio.run(run(context, Config(clusters, (), 8), outside))


def test_a_bug_in_one_cluster_is_told_with_its_place_and_the_others_are_served() -> None:
    well = Kube()
    report = served({"well": well}, "ill", "well")
    ill = report.clusters[0].failure
    assert ill
    assert ill.meaning == "bug"
    assert "unexpected KeyError at test_run.py:" in ill.message
    assert sorted(well.written) == ["one", "two"]
    assert report.failing == ("ill",)


def test_a_bug_in_one_namespace_is_told_and_the_others_are_served() -> None:
    kube = Kube(broken="one")
    report = served({"a": kube}, "a")
    assert [secret.result.value for secret in report.clusters[0].secrets] == ["failed", "created"]
    assert kube.written == ["two"]


def test_what_a_bug_says_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    report = served({"a": Kube(broken="one")}, "a")
    assert "hunter2" not in str(to_json(report)) + capsys.readouterr().out


@pytest.mark.parametrize(
    ("skew", "told"),
    [
        (None, None),
        (timedelta(seconds=60), None),
        (timedelta(seconds=61), 61),
        (timedelta(minutes=-3), -180),
    ],
)
def test_a_clock_more_than_a_minute_off_is_a_warning_of_the_run(
    skew: timedelta | None, told: int | None
) -> None:
    with capture_logs() as lines:
        report = served({"a": Kube()}, "a", clock_skew=skew)
    assert to_json(report)["clockSkewSeconds"] == told
    (line,) = (line for line in lines if line["event"] == "run.finished")
    assert (line["log_level"] == "warning") is (told is not None)
    assert line["clock_skew_seconds"] == told
    assert report.ok
