"""What a warm instance keeps of the way to its clusters, and for how long."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import cast

import pytest
from pydantic import SecretStr

from acr_refresher.core.model import AckAccess, Cluster, KmsAccess, Role
from acr_refresher.errors import Denied, Invalid, Unreachable
from acr_refresher.run import connect
from acr_refresher.run.connect import ClusterConnections, KubeconfigCache, Kubeconfigs
from acr_refresher.run.ports import (
    CloudCredentials,
    ClusterPage,
    ContainerService,
    KeyManagement,
    KubeApi,
    Kubeconfig,
    KubeconfigFiles,
    KubeConnector,
)
from acr_refresher.run.tokens import Minter
from acr_refresher.settings import SETTINGS
from factories import HOUR, MINUTE, NOW, wanted

ACCESS = AckAccess("c1", "cn-hangzhou", (Role("acs:ram::1:role/a"),))
SECRET = KmsAccess("idc", "cn-hangzhou")
CALLER = CloudCredentials("ak", SecretStr("secret"))


class Sessions:
    """Stands for the Minter, of which connecting needs role sessions alone."""

    async def session(self, role_chain: tuple[Role, ...], duration: timedelta) -> CloudCredentials:
        del role_chain, duration
        return CALLER


@dataclass
class Cloud(ContainerService, KeyManagement):
    """Hands out numbered kubeconfigs, valid for an hour from `now`; a secret's never end."""

    now: datetime = NOW
    handed_out: int = 0

    async def kubeconfig(
        self, caller: CloudCredentials, access: AckAccess | KmsAccess
    ) -> Kubeconfig:
        assert caller is CALLER
        self.handed_out += 1
        expires_at = self.now + access.validity if isinstance(access, AckAccess) else None
        return Kubeconfig(SecretStr(f"number {self.handed_out}"), expires_at)

    async def clusters(self, caller: CloudCredentials, region_id: str, page: int) -> ClusterPage:
        raise NotImplementedError


@dataclass
class Kube:
    kubeconfig: str
    closed: bool = False

    async def close(self) -> None:
        self.closed = True


@dataclass
class Connector(KubeConnector):
    """Opens whatever it is given, but for what is `unusable`."""

    opened: list[Kube] = field(default_factory=list)
    unusable: str = ""

    def connect(
        self,
        kubeconfig: Kubeconfig,
        now: datetime,
        proxy_url: SecretStr | None = None,
        ca_pem: str = "",
        cluster: str = "",
    ) -> KubeApi:
        del now, proxy_url, ca_pem, cluster
        if kubeconfig.document.get_secret_value() == self.unusable:
            raise Invalid("no file is read", service="kube")
        self.opened.append(Kube(kubeconfig.document.get_secret_value()))
        return cast("KubeApi", self.opened[-1])


@dataclass
class Instance:
    """A warm instance that visits one cluster at the times a test says."""

    access: AckAccess | KmsAccess = ACCESS
    cloud: Cloud = field(default_factory=Cloud)
    cache: KubeconfigCache = field(default_factory=KubeconfigCache)
    connector: Connector = field(default_factory=Connector)

    def visit(self, at: datetime = NOW, refuse: dict[str, BaseException] | None = None) -> str:
        """The kubeconfig that a visit got by with; those in `refuse` are refused."""

        async def use(kube: KubeApi) -> str:
            kubeconfig = cast("Kube", kube).kubeconfig
            if refuse and kubeconfig in refuse:
                raise refuse[kubeconfig]
            return kubeconfig

        self.cloud.now = at
        files = cast("KubeconfigFiles", None)
        kubeconfigs = Kubeconfigs(self.cloud, self.cloud, files, self.cache)
        connecting = ClusterConnections(kubeconfigs, self.connector, cast("Minter", Sessions()), at)
        try:
            return asyncio.run(connecting.visit(Cluster("prod", self.access, (wanted(),)), use))
        finally:
            assert all(kube.closed for kube in self.connector.opened)


def unauthorized() -> Denied:
    return Denied("unknown", service="kube", code="401")


@pytest.mark.parametrize(
    ("access", "later", "fetched"),
    [
        pytest.param(ACCESS, 0 * MINUTE, 1, id="at once"),
        pytest.param(ACCESS, 50 * MINUTE - timedelta(seconds=1), 1, id="just before"),
        pytest.param(ACCESS, 50 * MINUTE, 2, id="ten minutes before it ends"),
        pytest.param(ACCESS, 2 * HOUR, 2, id="after it ended"),
        pytest.param(SECRET, 59 * MINUTE, 1, id="a secret, which does not say when it ends"),
        pytest.param(SECRET, 60 * MINUTE, 2, id="a secret an hour later"),
    ],
)
def test_a_kubeconfig_is_used_until_ten_minutes_before_it_ends(
    access: AckAccess | KmsAccess, later: timedelta, fetched: int
) -> None:
    instance = Instance(access)
    instance.visit()
    assert instance.visit(NOW + later) == f"number {fetched}"
    assert instance.cloud.handed_out == fetched


def test_another_role_is_another_way() -> None:
    instance = Instance()
    instance.visit()
    instance.access = AckAccess("c1", "cn-hangzhou", (Role("acs:ram::1:role/b"),))
    assert instance.visit() == "number 2"


@pytest.mark.parametrize(
    "refusal", [unauthorized(), Denied("the handshake", service="kube")], ids=["401", "handshake"]
)
def test_where_kept_credentials_are_refused_new_ones_are_fetched_in_the_same_run(
    refusal: Denied,
) -> None:
    instance = Instance()
    instance.visit()
    assert instance.visit(refuse={"number 1": refusal}) == "number 2"
    assert instance.visit() == "number 2", "which are kept then"


def test_new_credentials_that_are_refused_are_not_tried_again_and_not_kept() -> None:
    instance = Instance()
    refuse: dict[str, BaseException] = {"number 1": unauthorized(), "number 2": unauthorized()}
    with pytest.raises(Denied):
        instance.visit(refuse=refuse)
    assert instance.cloud.handed_out == 1
    with pytest.raises(Denied):
        instance.visit(refuse=refuse)
    assert instance.visit() == "number 3"


@pytest.mark.parametrize(
    "failure",
    [
        Denied("a right lacks", service="kube", code="403"),
        Unreachable("moved", service="kube"),
        ValueError("it was not foreseen"),
        asyncio.CancelledError(),
    ],
    ids=["403", "unreachable", "bug", "cut off"],
)
def test_whatever_else_fails_is_told_at_once_and_the_next_run_fetches_anew(
    failure: BaseException,
) -> None:
    instance = Instance()
    instance.visit()
    with pytest.raises(type(failure)):
        instance.visit(refuse={"number 1": failure})
    assert instance.cloud.handed_out == 1
    assert instance.visit() == "number 2"


def test_a_secret_that_holds_no_usable_kubeconfig_is_looked_at_anew_by_the_next_run() -> None:
    instance = Instance(SECRET, connector=Connector(unusable="number 1"))
    with pytest.raises(Invalid):
        instance.visit()
    assert instance.visit(NOW + 5 * MINUTE) == "number 2"


def kept(cache: KubeconfigCache) -> list[str]:
    return [access.cluster_id for access in cache._kept if isinstance(access, AckAccess)]


def test_what_has_lapsed_is_given_back() -> None:
    instance = Instance()
    for number in range(3):
        instance.access = AckAccess(f"c{number}", "cn-hangzhou", validity=(number + 1) * HOUR)
        instance.visit()
    instance.cache.drop_lapsed(NOW + HOUR)
    assert kept(instance.cache) == ["c1", "c2"]


def test_of_too_many_the_first_to_be_fetched_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards bring other clusters to an instance in every run."""
    monkeypatch.setattr(connect, "SETTINGS", replace(SETTINGS, kubeconfigs_kept=2))
    instance = Instance()
    for name in ("c0", "c1", "c0", "c2"):
        instance.access = AckAccess(name, "cn-hangzhou")
        instance.visit(NOW if name != "c2" else NOW + MINUTE)
    assert kept(instance.cache) == ["c1", "c2"]


def test_what_is_kept_does_not_show() -> None:
    instance = Instance()
    instance.visit()
    assert "number 1" not in repr(instance.cache) + repr(instance.cache._kept)
