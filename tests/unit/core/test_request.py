"""What a request covers."""

from __future__ import annotations

import pytest

from acr_refresher.core.request import Request, Shard
from factories import MAIN, PARTNER, request

SHARD = Shard("run-1", "2026-01-31T12:00:00Z", frozenset({"prod"}))


def test_globs_select_clusters_and_none_select_all() -> None:
    assert request(clusters=("prod-*",)).selects_cluster("prod-a")
    assert not request(clusters=("prod-*",)).selects_cluster("test")
    assert request().selects_cluster("test")


def test_a_shard_covers_its_clusters_by_their_exact_names() -> None:
    part = request(clusters=("*",), shard=SHARD)
    assert part.selects_cluster("prod")
    assert not part.selects_cluster("prod-a")


def test_globs_filter_registries_and_none_keep_all() -> None:
    assert request(registries=("p*",)).filter_registries((MAIN, PARTNER)) == (PARTNER,)
    assert request().filter_registries([MAIN, PARTNER]) == (MAIN, PARTNER)


@pytest.mark.parametrize(
    ("asked", "scoped"),
    [
        pytest.param({}, False, id="everything"),
        pytest.param({"clusters": ("prod",)}, False, id="a cluster"),
        pytest.param({"namespaces": ("shop",)}, True, id="a namespace"),
        pytest.param({"registries": ("main",)}, True, id="a registry"),
        pytest.param({"dry_run": True}, True, id="dry-run"),
    ],
)
def test_a_request_for_a_part_of_a_cluster_is_scoped(
    asked: dict[str, object], scoped: bool
) -> None:
    assert request(**asked).is_scoped is scoped


def test_timers_and_shards_are_unattended() -> None:
    assert Request("timer:hourly").unattended
    assert request(shard=SHARD).unattended
    assert not request().unattended
