"""The shards of a run, and the task IDs of their invocations."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acr_refresher.core.fleet import ClusterNames, split_into_shards, task_id
from acr_refresher.core.model import (
    Access,
    AckAccess,
    Cluster,
    InClusterAccess,
    KmsAccess,
    KubeconfigAccess,
    Role,
)
from acr_refresher.core.request import Request, Shard
from factories import wanted
from runs import cluster

HERE = "7"


def anything(names: ClusterNames) -> bool:
    del names
    return True


def sizes(count: int, size: int) -> list[int]:
    clusters = [cluster(f"c{number:05}") for number in range(count)]
    return [len(part) for part in split_into_shards(clusters, size, HERE, anything)]


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (0, 500, []),
        (1, 500, [1]),
        (500, 500, [500]),
        (501, 500, [251, 250]),
        (1200, 500, [400, 400, 400]),
        (1001, 500, [334, 334, 333]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_shards_have_similar_sizes_within_the_limit(
    count: int, size: int, expected: list[int]
) -> None:
    assert sizes(count, size) == expected


@given(st.integers(0, 300), st.integers(1, 60))
def test_every_cluster_is_in_one_shard(count: int, size: int) -> None:
    clusters = [cluster(f"c{number}") for number in range(count)]
    parts = split_into_shards(clusters, size, HERE, anything)
    assert sorted(name for part in parts for name in part) == sorted(each.name for each in clusters)
    assert all(1 <= len(part) <= size for part in parts)
    assert parts == split_into_shards(reversed(clusters), size, HERE, anything), (
        "in whichever order"
    )


def test_clusters_of_one_account_and_region_keep_together() -> None:
    there = (Role("acs:ram::9:role/a"), Role("acs:ram::8:role/b"))
    accesses: dict[str, Access] = {
        "a": AckAccess("c1", "cn-hangzhou"),
        "b": AckAccess("c2", "cn-beijing", there),
        "c": KmsAccess("secret", "cn-hangzhou"),
        "d": KmsAccess("secret", "cn-beijing", there),
        "e": KubeconfigAccess("e.yaml"),
        "f": InClusterAccess(),
        "g": AckAccess("c3", "cn-beijing"),
        "h": AckAccess("c4", "cn-beijing"),
    }
    clusters = [Cluster(name, access, (wanted(),)) for name, access in accesses.items()]
    parts = split_into_shards(clusters, 2, HERE, anything)
    assert [sorted(part) for part in parts] == [["e", "f"], ["g", "h"], ["a", "c"], ["b", "d"]]


def test_the_account_of_a_cluster_is_that_of_its_last_role() -> None:
    def reached(name: str, *accounts: str) -> Cluster:
        chain = tuple(Role(f"acs:ram::{account}:role/r") for account in accounts)
        return Cluster(name, AckAccess(name, "cn-hangzhou", chain), (wanted(),))

    clusters = [
        reached("a", "1", "2", "9"),
        reached("b", "2", "1", "8"),
        reached("c", "1", "3", "8"),
        reached("d", "3", "1", "9"),
    ]
    parts = split_into_shards(clusters, 2, HERE, anything)
    assert [sorted(part) for part in parts] == [["b", "c"], ["a", "d"]]


def test_a_shard_that_does_not_fit_an_event_is_split_further() -> None:
    clusters = [cluster(f"c{number}") for number in range(10)]
    parts = split_into_shards(clusters, 500, HERE, lambda names: len(names) <= 3)
    assert [len(part) for part in parts] == [3, 3, 2, 2]
    alone = split_into_shards(clusters, 500, HERE, lambda _: False)
    assert [len(part) for part in alone] == [1] * 10, "no further than that"


TIMER = Request("timer:every-10-minutes", scheduled_at="2026-01-31T12:00:00Z")
SHARD = Shard("run-7", "2026-01-31T12:00:00Z", frozenset({"a", "b"}), number=2, of=5)


def test_a_task_id_names_the_trigger_and_has_a_digest_of_the_content() -> None:
    assert re.fullmatch(
        "timer-every-10-minutes-2026-01-31T12-00-00Z-2of5-[0-9a-f]{12}", task_id(TIMER, SHARD)
    )
    continued = replace(SHARD, continued=1)
    assert "-2of5-continued1-" in task_id(TIMER, continued)


def test_a_repeated_delivery_and_a_retry_have_the_same_task_id() -> None:
    """They have other request IDs, and so other run IDs."""
    assert task_id(TIMER, replace(SHARD, run="run-8")) == task_id(TIMER, SHARD)


@pytest.mark.parametrize(
    ("request_", "shard"),
    [
        pytest.param(
            TIMER, replace(SHARD, scheduled_at="2026-01-31T12:10:00Z"), id="scheduled time"
        ),
        pytest.param(TIMER, replace(SHARD, number=3), id="number"),
        pytest.param(TIMER, replace(SHARD, of=6), id="of"),
        pytest.param(TIMER, replace(SHARD, continued=1), id="continuation"),
        pytest.param(TIMER, replace(SHARD, clusters=frozenset({"a"})), id="clusters"),
        pytest.param(replace(TIMER, trigger="timer:other"), SHARD, id="trigger"),
        pytest.param(replace(TIMER, trigger="timer:every_10_minutes"), SHARD, id="spelling"),
        pytest.param(replace(TIMER, force=True), SHARD, id="force"),
        pytest.param(replace(TIMER, allow_removal=True), SHARD, id="large removals"),
        pytest.param(replace(TIMER, namespaces=("a",)), SHARD, id="namespaces"),
        pytest.param(replace(TIMER, registries=("a",)), SHARD, id="registries"),
    ],
)
def test_any_other_difference_makes_another_task(request_: Request, shard: Shard) -> None:
    assert task_id(request_, shard) != task_id(TIMER, SHARD)


@given(
    st.text(max_size=300).map("timer:{}".format) | st.just("manual"),
    st.text(max_size=300),
    st.integers(1, 10**6),
)
def test_a_task_id_is_always_one_that_function_compute_takes(
    trigger: str, scheduled_at: str, number: int
) -> None:
    shard = Shard("r", scheduled_at, frozenset({"東京", "a"}), number, 10**6, continued=number)
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,127}", task_id(Request(trigger), shard))
