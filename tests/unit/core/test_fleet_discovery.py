"""Which discovered clusters are served, and under which names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from acr_refresher.core.fleet import (
    SERVING_STATES,
    Discovered,
    Discovery,
    FoundCluster,
    clusters_from_known,
    known_cluster_problems,
    known_clusters,
    resolve_discovered,
)
from acr_refresher.core.model import AckAccess, Cluster, KubeconfigAccess, Role
from acr_refresher.core.request import KnownCluster
from factories import HOUR, wanted

CHAIN = (Role("acs:ram::3:role/find"),)
FOUND: dict[str, Any] = {
    "cluster_id": "c1",
    "name": "prod-a",
    "region_id": "cn-hangzhou",
    "type": "ManagedKubernetes",
    "profile": "Default",
    "state": "running",
    "tags": {"team": "shop", "tier": "1"},
}


def found(**fields: Any) -> FoundCluster:
    return FoundCluster(**{**FOUND, **fields})


def discovery(name: str = "discover[0]", **fields: Any) -> Discovery:
    access = AckAccess("", "", CHAIN, private=True, validity=2 * HOUR)
    regions = fields.pop("regions", ("cn-hangzhou",))
    return Discovery(name, regions, access, (wanted(),), **fields)


def configured(name: str, cluster_id: str | None = None) -> Cluster:
    access = AckAccess(cluster_id, "cn-hangzhou") if cluster_id else KubeconfigAccess("k.yaml")
    return Cluster(name, access, (wanted(),))


def served(configured: Sequence[Cluster], *findings: Discovered) -> tuple[Cluster, ...]:
    return resolve_discovered(configured, findings)[0]


def names(clusters: Iterable[Cluster]) -> list[str]:
    return [cluster.name for cluster in clusters]


@pytest.mark.parametrize(
    ("filters", "selected"),
    [
        pytest.param({}, True, id="nothing asked"),
        pytest.param({"names": ("test-*", "prod-*")}, True, id="a name"),
        pytest.param({"names": ("test-*",)}, False, id="no name"),
        pytest.param({"types": ("ManagedKubernetes",)}, True, id="a type"),
        pytest.param({"types": ("ExternalKubernetes",)}, False, id="no type"),
        pytest.param({"profiles": ("Edge", "Default")}, True, id="a profile"),
        pytest.param({"profiles": ("Edge",)}, False, id="no profile"),
        pytest.param({"tags": (("team", "shop"), ("tier", "1"))}, True, id="all tags"),
        pytest.param({"tags": (("team", "shop"), ("tier", "2"))}, False, id="one tag of another"),
        pytest.param({"tags": (("owner", "shop"),)}, False, id="a tag it has not"),
        pytest.param({"regions": ("cn-beijing",)}, False, id="another region"),
        pytest.param({"names": ("prod-*",), "profiles": ("Edge",)}, False, id="all must hold"),
    ],
)
def test_filters(filters: dict[str, Any], selected: bool) -> None:
    section = discovery(**filters)
    assert section.selects(found()) is selected
    assert bool(served((), (section, found()))) is selected


def test_a_discovered_cluster_has_the_settings_of_its_section() -> None:
    proxy = SecretStr("http://proxy:3128")
    (cluster,) = served((), (discovery(ca_pem="PEM", proxy_url=proxy), found()))
    access = AckAccess("c1", "cn-hangzhou", CHAIN, private=True, validity=2 * HOUR)
    section = "discover[0]"
    assert cluster == Cluster("prod-a", access, (wanted(),), proxy, "PEM", found_by=section)


@pytest.mark.parametrize(
    ("known", "findings", "expected"),
    [
        pytest.param((), [found()], ["prod-a"], id="its own name"),
        pytest.param(
            (),
            [found(), found(cluster_id="c2")],
            ["prod-a@c1", "prod-a@c2"],
            id="two of one name, as in two accounts",
        ),
        pytest.param(
            (configured("prod-a"),), [found()], ["prod-a@c1"], id="one that is configured has it"
        ),
        pytest.param((configured("mine", "c1"),), [found()], [], id="configured already"),
        pytest.param((), [found(), found()], ["prod-a"], id="found twice"),
        pytest.param(
            (),
            [found(), found(cluster_id="c2", state="deleting")],
            ["prod-a@c1"],
            id="the other one is not even up: names do not depend on states",
        ),
    ],
)
def test_names(
    known: tuple[Cluster, ...], findings: list[FoundCluster], expected: list[str]
) -> None:
    assert names(served(known, *((discovery(), each) for each in findings))) == expected


def test_the_first_section_that_selects_a_cluster_counts() -> None:
    sections = [
        discovery("discover[0]", names=("test-*",)),
        discovery("discover[1]", ca_pem="one"),
        discovery("discover[2]", ca_pem="two"),
    ]
    (cluster,) = served((), *((section, found()) for section in sections))
    assert cluster.ca_pem == "one"


@pytest.mark.parametrize("state", sorted(SERVING_STATES))
def test_a_cluster_that_is_being_changed_is_served(state: str) -> None:
    assert names(served((), (discovery(), found(state=state)))) == ["prod-a"]


@pytest.mark.parametrize(
    "state", ["initial", "failed", "waiting", "disconnected", "deleting", "delete_failed", ""]
)
def test_a_cluster_that_is_not_running_is_skipped_with_its_state(state: str) -> None:
    clusters, skipped = resolve_discovered((), [(discovery(), found(state=state))])
    assert clusters == ()
    assert skipped == {"prod-a": f"its state is {state or 'unknown'}"}


# ---- the discovered clusters of a shard ----------------------------------------------------------

BEFORE = KnownCluster("prod-a", "discover[0]", "cn-hangzhou", "c1")


def test_a_shard_serves_discovered_clusters_like_the_coordinator() -> None:
    sections = [discovery(ca_pem="PEM", names=("prod-*",)), discovery("discover[1]")]
    findings = [
        (sections[0], found()),
        (sections[0], found(cluster_id="c2", state="updating")),
        (sections[1], found(cluster_id="c3", name="test")),
    ]
    idc = configured("idc")
    there = served((idc,), *findings)
    known = known_clusters((idc, *reversed(there)))
    assert [cluster.name for cluster in known] == ["prod-a@c1", "prod-a@c2", "test"]
    assert known_cluster_problems((idc,), sections, known) == ()
    assert clusters_from_known((idc,), sections, known) == there


def test_a_discovered_cluster_that_was_configured_since_has_its_configuration() -> None:
    assert clusters_from_known((configured("mine", "c1"),), [discovery()], [BEFORE]) == ()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"section": "discover[1]"}, "discover[1] is not a section", id="section"),
        pytest.param(
            {"region_id": "cn-beijing"},
            "discover[0] does not include region cn-beijing",
            id="region",
        ),
        pytest.param({"name": "test"}, "discover[0] has no name or glob for test", id="name"),
        pytest.param({"name": "test@c1"}, "no name or glob for test@c1", id="qualified"),
        pytest.param({"name": "prod-x@c2", "cluster_id": "c1"}, "", id="a glob covers it"),
        pytest.param(
            {"name": "prod-idc"}, "prod-idc is the name of a configured cluster", id="taken"
        ),
    ],
)
def test_a_cluster_that_config_yaml_does_not_allow_is_refused(
    changes: dict[str, str], why: str
) -> None:
    sections = [discovery(names=("prod-*",))]
    refused = known_cluster_problems(
        (configured("prod-idc"),), sections, [replace(BEFORE, **changes)]
    )
    assert [why in each for each in refused] == [True] * bool(why)


def test_a_name_that_was_qualified_with_the_id_is_compared_without_it() -> None:
    sections = [discovery(names=("prod-a",))]
    qualified = replace(BEFORE, name="prod-a@c1")
    assert known_cluster_problems((), sections, [qualified]) == ()
    other = known_cluster_problems((), sections, [replace(qualified, cluster_id="c2")])
    assert other == ("discover[0] has no name or glob for prod-a@c1",)


def test_a_problem_of_several_clusters_is_reported_once() -> None:
    known = [replace(BEFORE, name=f"prod-{number}", section="discover[7]") for number in range(9)]
    assert known_cluster_problems((), [discovery()], known) == (
        "discover[7] is not a section of config.yaml",
    )


def test_two_clusters_of_one_name_are_refused() -> None:
    known = [BEFORE, replace(BEFORE, cluster_id="c2")]
    assert known_cluster_problems((), [discovery()], known) == (
        "prod-a is the name of two clusters",
    )
