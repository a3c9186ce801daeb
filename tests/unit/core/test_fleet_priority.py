"""The order in which clusters are served."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from acr_refresher.core.fleet import LastSeen, is_due, most_urgent_first, unreached_first
from factories import HOUR, MINUTE, NOW
from runs import cluster


def order(last_seen: dict[str, LastSeen], *names: str, later: timedelta = 0 * MINUTE) -> list[str]:
    clusters = [cluster(name) for name in names or last_seen]
    return [each.name for each in most_urgent_first(clusters, last_seen, NOW + later)]


def visit(ends: timedelta | None, ago: timedelta = 10 * MINUTE) -> LastSeen:
    """Secrets are renewed a quarter of an hour before they end."""
    return LastSeen(NOW - ago, None if ends is None else NOW + ends)


@pytest.mark.parametrize(
    ("last_seen", "expected"),
    [
        pytest.param(
            {"later": visit(10 * MINUTE), "sooner": visit(5 * MINUTE)},
            ["sooner", "later"],
            id="what is due, by what ends first",
        ),
        pytest.param(
            {"fresh": visit(HOUR, 20 * MINUTE), "due": visit(15 * MINUTE, MINUTE)},
            ["due", "fresh"],
            id="what is due goes before what is not, however long that waits",
        ),
        pytest.param(
            {"expired": visit(-HOUR), "due": visit(MINUTE)},
            ["expired", "due"],
            id="what has ended already ended first",
        ),
        pytest.param(
            {
                "seen last": visit(20 * MINUTE, MINUTE),
                "seen long ago": visit(12 * HOUR, HOUR),
                "seen before": visit(30 * MINUTE, 30 * MINUTE),
            },
            ["seen long ago", "seen before", "seen last"],
            id="what is fresh, by how long it waits",
        ),
        pytest.param(
            {"late": visit(50 * MINUTE), "early": visit(40 * MINUTE)},
            ["early", "late"],
            id="of those seen at once, what ends first",
        ),
        pytest.param(
            {"empty": visit(None, HOUR), "fresh": visit(HOUR), "due": visit(MINUTE)},
            ["due", "empty", "fresh"],
            id="without secrets nothing is due, but namespaces may be new",
        ),
        pytest.param(
            {"due at once": visit(MINUTE, HOUR), "due too": visit(MINUTE, 2 * HOUR)},
            ["due too", "due at once"],
            id="of those that end at once, the longest unvisited",
        ),
    ],
)
def test_the_most_urgent_is_served_first(
    last_seen: dict[str, LastSeen], expected: list[str]
) -> None:
    assert order(last_seen) == expected
    assert order(dict(reversed(last_seen.items()))) == expected


def test_a_cluster_that_was_never_visited_is_served_first() -> None:
    assert order({"expired": visit(-HOUR)}, "expired", "new")[0] == "new"


def test_among_unknown_clusters_none_is_always_last() -> None:
    """A cold instance: the order is another in each run, and the same when a run is repeated."""
    names = [f"c{number}" for number in range(5)]
    last = {order({}, *names, later=minute * MINUTE)[-1] for minute in range(60)}
    assert last == set(names)
    assert order({}, *names) == order({}, *reversed(names))


def test_a_secret_is_due_within_the_threshold_before_its_expiry() -> None:
    served = cluster("a")
    assert is_due(served, visit(15 * MINUTE), NOW)
    assert not is_due(served, visit(15 * MINUTE + timedelta(seconds=1)), NOW)
    assert not is_due(served, visit(None), NOW)


def test_a_cluster_without_pull_secrets_is_due_when_the_last_one_expires() -> None:
    """Its configuration has none any more. A run removes those that it has."""
    bare = replace(cluster("a"), pull_secrets=())
    assert is_due(bare, visit(timedelta()), NOW)
    assert not is_due(bare, visit(MINUTE), NOW)


def test_the_earliest_possible_expiry_is_due() -> None:
    """A user who may edit a Secret's annotations may date it back as far as dates go."""
    long_ago = LastSeen(NOW, datetime.min.replace(tzinfo=timezone.utc))
    assert order({"long ago": long_ago, "due": visit(MINUTE)}) == ["long ago", "due"]


def test_a_visit_begins_with_the_namespaces_that_the_last_one_did_not_reach() -> None:
    names = [f"n{number}" for number in range(9)]
    orders = {unreached_first(names, {"n7", "n3"}, NOW + number * MINUTE) for number in range(9)}
    assert all(set(order[:2]) == {"n7", "n3"} for order in orders)
    assert len({order[2:] for order in orders}) > 1, "the others differ from run to run"
    assert all(sorted(order) == names for order in orders)
