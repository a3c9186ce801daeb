"""Discovered clusters are served in shards that need not look for them again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from acr_refresher.config.events import parse_event
from acr_refresher.core.fleet import Discovery, FoundCluster, LastSeen
from acr_refresher.core.model import AckAccess
from acr_refresher.core.report import Report
from acr_refresher.core.request import Request
from acr_refresher.errors import Gone
from acr_refresher.run.ports import CloudCredentials, ClusterPage, ContainerService, Kubeconfig
from factories import HOUR, NOW, wanted
from runs import Fleet, Kube, Started

TIMER_RUN = Request("timer:every-5-minutes", scheduled_at="2026-01-31T12:00:00Z")
REGIONS = ("cn-beijing", "cn-hangzhou")
SECTION = Discovery("discover[0]", REGIONS, AckAccess("", ""), (wanted(namespaces=("all",)),))
CONFIGURED = ("idc",)


@dataclass
class Cloud(ContainerService):
    """Has clusters in two regions; of those in `gone` the lists know more than is true."""

    ids: tuple[str, ...]
    name: str
    gone: set[str] = field(default_factory=set)
    lists: list[str] = field(default_factory=list)

    async def kubeconfig(self, caller: CloudCredentials, access: AckAccess) -> Kubeconfig:
        del caller
        if access.cluster_id in self.gone:
            raise Gone(f"cluster {access.cluster_id} is not there", service="cs")
        return Kubeconfig(SecretStr(access.cluster_id))

    async def clusters(self, caller: CloudCredentials, region_id: str, page: int) -> ClusterPage:
        del caller, page
        self.lists.append(region_id)
        mine = self.ids[REGIONS.index(region_id) :: len(REGIONS)]
        return ClusterPage(
            tuple(
                FoundCluster(each, self.name.format(each), region_id, state="running")
                for each in mine
            )
        )


def fleet(count: int, name: str = "shop-{}") -> tuple[Fleet, Cloud]:
    there = Cloud(tuple(f"c{number:04}" for number in range(count)), name)
    kubes = {name: Kube() for name in (*CONFIGURED, *there.ids)}
    return Fleet(kubes, functions=Started(), ack=there), there


def run(many: Fleet, asked: Request = TIMER_RUN, **config: Any) -> Report:
    return many.run(asked, CONFIGURED, discoveries=(SECTION,), **{"shard_size": 3, **config})


def events(many: Fleet) -> Iterable[bytes]:
    assert many.functions
    return list(many.functions.events.values())


def test_a_run_requests_each_list_once_and_its_shards_serve_every_cluster() -> None:
    many, cloud = fleet(10)
    assert run(many).ok
    reports = [run(many, parse_event(event)) for event in events(many)]
    assert cloud.lists == list(REGIONS)
    assert all(report.ok for report in reports)
    assert many.served == set(many.kubes)
    served = [item.cluster for report in reports for item in report.clusters]
    assert sorted(served) == ["idc", *(f"shop-{each}" for each in cloud.ids)]


def test_a_timer_that_is_delivered_twice_starts_no_shard_of_found_clusters_twice() -> None:
    many, _ = fleet(10)
    run(many)
    before = list(events(many))
    again = run(many)
    assert [item.started for item in again.delegated] == [False] * 4
    assert events(many) == before


def test_a_cluster_that_is_gone_since_it_was_found_is_skipped() -> None:
    many, cloud = fleet(4)
    run(many)
    cloud.gone = {"c0001"}
    reports = [run(many, parse_event(event)) for event in events(many)]
    assert all(report.ok for report in reports)
    outcomes = {item.cluster: item for report in reports for item in report.clusters}
    assert outcomes["shop-c0001"].skipped == "it was deleted after it was listed"
    assert many.served == set(many.kubes) - {"c0001"}


def test_a_continuation_asks_for_no_list_either() -> None:
    many, cloud = fleet(3)
    seen = ("idc", "shop-c0000", "shop-c0002")
    many.last_seen.seen.update(dict.fromkeys(seen, LastSeen(NOW, NOW + HOUR)))
    many.kubes["c0001"].stalled = "two"
    run(many, seconds=10, concurrency=1, shard_size=9)
    [event] = events(many)
    shard = parse_event(event).shard
    assert shard
    assert shard.clusters == set(seen)
    assert run(many, parse_event(event), shard_size=9).ok
    assert many.served == set(many.kubes)
    assert len(cloud.lists) == 2


def test_an_event_is_never_too_large_with_all_that_it_tells() -> None:
    """Names of 200 Chinese characters are 600 bytes each."""
    many, _ = fleet(1000, name="东" * 200 + "{}")
    assert run(many, shard_size=500).ok
    sizes = [len(event) for event in events(many)]
    assert len(sizes) == 6, "3 would be 200 KB each"
    assert max(sizes) <= 128_000
