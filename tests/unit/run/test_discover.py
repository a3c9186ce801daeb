"""Lists of clusters that fail by themselves, whatever the reason."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest
import stamina

from acr_refresher.config.events import InvalidEvent
from acr_refresher.core.fleet import Discovery, FoundCluster
from acr_refresher.core.model import AckAccess, Cluster, KubeconfigAccess
from acr_refresher.core.request import KnownCluster, Request, Shard
from acr_refresher.errors import Denied, Throttled
from acr_refresher.run.discover import Discoverer, RegisteredClusters
from acr_refresher.run.ports import CloudCredentials, ClusterPage, ContainerService
from acr_refresher.run.tokens import Minter
from factories import request, wanted
from virtual_time import VirtualTime, in_virtual_time

SECTION = Discovery("discover[0]", ("cn-a", "cn-b"), AckAccess("", ""), (wanted(),))
IDC = Cluster("idc", KubeconfigAccess("idc.yaml"), (wanted(),))


class Sessions:
    """Stands for the Minter, of which discovery needs role sessions alone."""

    async def session(self, *_: object) -> None:
        return None


class Cloud(ContainerService):
    """Has a cluster in every region but those with something else in store."""

    def __init__(self, **in_store: BaseException | None) -> None:
        self.in_store = {name.replace("_", "-"): what for name, what in in_store.items()}
        self.asked: list[str] = []

    async def kubeconfig(self, caller: CloudCredentials, access: AckAccess) -> None:  # type: ignore[override]  # never called
        raise NotImplementedError

    async def clusters(self, caller: CloudCredentials, region_id: str, page: int) -> ClusterPage:
        del caller, page
        self.asked.append(region_id)
        if region_id not in self.in_store:
            name = f"shop-{region_id}"
            return ClusterPage((FoundCluster(f"id-{region_id}", name, region_id, state="running"),))
        if error := self.in_store[region_id]:
            raise error
        await asyncio.Event().wait()
        raise NotImplementedError


class Stopped(Cloud):
    """All clusters have failed."""

    async def clusters(self, caller: CloudCredentials, region_id: str, page: int) -> ClusterPage:
        there = (await super().clusters(caller, region_id, page)).found
        return ClusterPage(tuple(replace(each, state="failed") for each in there))


class Large(Cloud):
    """Twenty clusters in each region, on as many pages; page 7 is there at the second attempt."""

    async def clusters(self, caller: CloudCredentials, region_id: str, page: int) -> ClusterPage:
        del caller
        self.asked.append(f"{region_id} {page}")
        if page == 7 and self.asked.count(f"{region_id} {page}") == 1:
            raise Throttled("busy", service="cs", retry_after=timedelta())
        name = f"{region_id}-{page:02}"
        return ClusterPage((FoundCluster(name, name, region_id, state="running"),), pages=20)


class Slow(Large):
    """Refuses page 2; every later page takes a minute to come. Counts those that came."""

    answered = 0

    async def clusters(self, caller: CloudCredentials, region_id: str, page: int) -> ClusterPage:
        if page == 2:
            raise Denied("no right", service="cs", code="Forbidden")
        if page > 2:
            await asyncio.sleep(60)
        self.answered += 1
        return await super().clusters(caller, region_id, page)


def registered(cloud: Cloud, about: Request | None = None) -> RegisteredClusters:
    discoverer = Discoverer(cloud, cast("Minter", Sessions()), timeout=timedelta(minutes=1))
    return in_virtual_time(lambda _: discoverer.register((IDC,), (SECTION,), about or request()))


def names(found: RegisteredClusters) -> list[str]:
    return [cluster.name for cluster in found.clusters]


def test_clusters_found_come_after_those_configured() -> None:
    found = registered(Cloud())
    assert names(found) == ["idc", "shop-cn-a", "shop-cn-b"]
    assert found.outcomes == ()


@pytest.mark.parametrize(
    ("error", "meaning", "message"),
    [
        pytest.param(Denied("no right", service="cs"), "denied", "no right", id="denied"),
        pytest.param(KeyError("hunter2"), "bug", "unexpected KeyError at run/", id="bug"),
        pytest.param(None, "unreachable", "no list of clusters within 60 s", id="no answer"),
    ],
)
def test_a_list_that_fails_is_told_and_the_others_are_used(
    error: BaseException | None, meaning: str, message: str
) -> None:
    found = registered(Cloud(cn_b=error))
    assert names(found) == ["idc", "shop-cn-a"]
    (outcome,) = found.outcomes
    assert outcome.cluster == "discover[0] cn-b"
    assert outcome.failure is not None
    assert outcome.failure.meaning == meaning
    assert message in outcome.failure.message
    assert "hunter2" not in outcome.failure.message


def test_a_list_is_asked_for_again_where_that_can_help() -> None:
    cloud = Cloud(cn_b=Throttled("busy", service="cs"))
    with stamina.set_testing(True, attempts=4):
        registered(cloud)
    assert (cloud.asked.count("cn-a"), cloud.asked.count("cn-b")) == (1, 4)


def test_a_list_has_many_pages_of_which_only_one_that_failed_is_asked_for_again() -> None:
    cloud = Large()
    regions = ("cn-a", "cn-b")
    assert names(registered(cloud)) == [
        "idc",
        *(f"{region}-{page:02}" for region in regions for page in range(1, 21)),
    ]
    asked = [f"{region} {page}" for region in regions for page in (*range(1, 21), 7)]
    assert sorted(cloud.asked) == sorted(asked)


def test_a_request_about_a_cluster_that_nobody_has_is_refused() -> None:
    with pytest.raises(InvalidEvent, match=r'clusters\[1\]: no cluster matches "shop-cn-x"'):
        registered(Cloud(), request(clusters=("shop-*", "shop-cn-x")))


def test_a_request_narrows_down_what_is_skipped_but_not_what_failed() -> None:
    listed = registered(Stopped(), request(clusters=("shop-cn-a", "idc")))
    assert [(each.cluster, each.skipped) for each in listed.outcomes] == [
        ("shop-cn-a", "its state is failed")
    ]
    listed = registered(Stopped(cn_b=Denied("no", service="cs")), request(clusters=("idc",)))
    assert [each.cluster for each in listed.outcomes] == ["discover[0] cn-b"]


def test_a_cluster_that_is_skipped_has_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    registered(Stopped())
    printed = capsys.readouterr().out
    assert "cluster.skipped" in printed
    assert "its state is failed" in printed


def shard(*found: KnownCluster, configured: str = "idc") -> Request:
    names = frozenset({configured, *(each.name for each in found)})
    return request(shard=Shard("run-7", "t", names, found=found))


def test_a_shard_asks_for_no_list_since_the_coordinator_told_it_all() -> None:
    cloud = Cloud(cn_b=Denied("no right", service="cs"))
    there = registered(cloud, shard(KnownCluster("shop", "discover[0]", "cn-b", "c7")))
    assert cloud.asked == []
    assert names(there) == ["idc", "shop"]
    assert there.clusters[1].access == AckAccess("c7", "cn-b")
    assert there.outcomes == ()


def test_a_shard_that_is_told_of_what_config_yaml_does_not_allow_is_refused() -> None:
    with pytest.raises(InvalidEvent) as refused:
        registered(
            Cloud(),
            shard(
                KnownCluster("shop", "discover[3]", "cn-b", "c7"),
                KnownCluster("web", "discover[0]", "cn-c", "c8"),
            ),
        )
    remedy = (
        "leave it as the coordinator wrote it; after a change of config.yaml the next run follows"
        " that"
    )
    assert str(refused.value).splitlines() == [
        f"shard.found: discover[3] is not a section of config.yaml; {remedy}",
        f"shard.found: discover[0] does not include region cn-c; {remedy}",
    ]


def test_a_refused_page_ends_the_other_requests_of_its_list() -> None:
    cloud = Slow()

    async def work(loop: VirtualTime) -> tuple[RegisteredClusters, float]:
        discoverer = Discoverer(cloud, cast("Minter", Sessions()), timeout=timedelta(hours=1))
        found = await discoverer.register((IDC,), (SECTION,), request())
        took = loop.time()
        await asyncio.sleep(1000)  # what was left behind would end in this time
        return found, took

    found, took = in_virtual_time(work)
    assert {each.failure.meaning for each in found.outcomes if each.failure} == {"denied"}
    assert took == 0
    assert cloud.answered == len(SECTION.regions), "the first page of each list, and no other"
