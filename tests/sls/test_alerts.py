"""Each alert rings for what it is meant for, and none does while all is well."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from acr_refresher.core.ack_helper import COMPETING_CONTROLLER_WARNING
from acr_refresher.core.outcome import SecretOutcome
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.request import Request
from sls.alerts import ALERTS, rows
from sls.history import (
    BY_HAND,
    UNMINTED,
    UNREACHABLE,
    Record,
    deferred,
    guarded,
    healthy,
    in_shards,
    leaving,
    moment,
    not_removed,
    run_at,
    runs,
    secret,
    served,
    stopped,
    unserved,
)

EVERY_TICK = (-15, -10, -5, 0)


def ringing(records: list[Record], minute: int = 0) -> set[str]:
    """The alerts that fire at that minute."""
    return set(rows(records, moment(minute)))


@pytest.mark.parametrize("minute", range(0, 60, 3))
def test_while_all_is_well_none_rings(minute: int) -> None:
    """At any moment between ticks, just before a renewal too."""
    last_tick = minute - minute % 5
    assert ringing(healthy(last_tick), minute) == set()


def unminted(namespace: str, reason: Reason, ends: int | None = None) -> SecretOutcome:
    """A pull secret that lacks a token, for this reason."""
    return secret(namespace, Result.FAILED, ends, reason, failures=(UNMINTED,))


UNMINTABLE = unminted("shop", Reason.NEAR_EXPIRY, 8)
FRESH = secret("stock", Result.UNCHANGED, 50)
MANY = tuple(served(f"c{n}", FRESH, FRESH) for n in range(30))
ENDS_SOON = run_at(-20, *MANY, served("prod", secret("shop", Result.RENEWED, 8)))
NONE_MADE = served("prod", unminted("shop", Reason.SECRET_MISSING))
UNBOUND = secret("shop", Result.FAILED, 50, Reason.FRESH, failures=(UNREACHABLE,))
HOURLY = Request(trigger="timer:hourly", clusters=("prod",))
WARNED = COMPETING_CONTROLLER_WARNING.format("default")

CASES: dict[str, tuple[list[Record], set[str]]] = {
    "a due secret is not renewed": (
        runs(EVERY_TICK, *MANY) + runs((-5, 0), served("prod", UNMINTABLE)),
        {"expiry"},
    ),
    "one is not renewed and lasts for hours": (
        runs((-5, 0), *MANY)
        + runs((-5, 0), served("prod", unminted("shop", Reason.INPUTS_CHANGED, 300))),
        set(),
    ),
    "a cluster has not been reached since its secrets were fresh": (
        run_at(-50, served("prod", secret("shop", Result.RENEWED, 8)))
        + runs(EVERY_TICK, *MANY, unserved("prod")),
        {"expiry", "failing-cluster"},
    ),
    "a cluster is deferred again and again": (
        run_at(-50, served("prod", secret("shop", Result.RENEWED, 8)))
        + runs(EVERY_TICK, *MANY, deferred("prod")),
        {"expiry"},
    ),
    "the removal guard leaves a secret until it ends": (
        run_at(-20, *MANY, served("prod", secret("shop", Result.UNCHANGED, 8)))
        + runs((-5, 0), *MANY, served("prod", guarded(8))),
        {"expiry"},
    ),
    "the removal guard leaves one that lasts": (
        runs((-5, 0), *MANY, served("prod", guarded(50))),
        set(),
    ),
    "one that was to be removed is still there, and ends": (
        runs((-5, 0), *MANY, served("prod", not_removed(8))),
        {"expiry"},
    ),
    "somebody replaces what is due, again and again": (
        runs(
            (-5, 0),
            *MANY,
            served("prod", secret("shop", Result.CONFLICT, 8, Reason.CHANGED_MEANWHILE)),
        ),
        {"expiry", "second-writer"},
    ),
    "a namespace is being deleted for long": (
        runs(EVERY_TICK, *MANY, served("prod", leaving(8))),
        set(),
    ),
    "a namespace is gone, and its last secret ends": (
        run_at(-10, served("prod", secret("gone", Result.UNCHANGED, 5), FRESH))
        + runs((-5, 0), served("prod", FRESH)),
        set(),
    ),
    "a secret was removed": (
        run_at(-5, served("prod", secret("shop", Result.UNCHANGED, 5), FRESH))
        + run_at(0, served("prod", secret("shop", Result.REMOVED), FRESH)),
        set(),
    ),
    "a cluster was taken out": (ENDS_SOON + runs(EVERY_TICK, *MANY), set()),
    "one was taken out, and there are shards": (
        ENDS_SOON + in_shards(-5, MANY[:10], MANY[10:]),
        set(),
    ),
    "one was taken out, and no run came after": (ENDS_SOON, {"expiry", "no-run"}),
    "a cluster is stopped": (ENDS_SOON + runs(EVERY_TICK, *MANY, stopped("prod")), set()),
    "a cluster's shard tells nothing, for hours": (
        ENDS_SOON
        + [
            record
            for minute in range(-15, 121, 5)
            for record in in_shards(minute, MANY[:3], lost=1)
        ],
        {"expiry"},
    ),
    "the list that has the cluster cannot be had": (
        ENDS_SOON + runs(EVERY_TICK, *MANY, unserved("discover[0] cn-hangzhou")),
        {"expiry", "failing-cluster"},
    ),
    "a cluster is served by another timer, once an hour": (
        run_at(-50, served("prod", secret("shop", Result.RENEWED, 8)), request=HOURLY)
        + runs(EVERY_TICK, *MANY),
        {"expiry"},
    ),
    "a secret cannot be made": (runs((-5, 0), *MANY, NONE_MADE), {"pulls-fail"}),
    "it could not be made once": (run_at(-5, *MANY) + run_at(0, *MANY, NONE_MADE), set()),
    "it could not be made twice, hours apart": (
        runs((-120, 0), *MANY, NONE_MADE)
        + runs((-15, -10, -5), *MANY, served("prod", secret("shop", Result.UNCHANGED, 50))),
        set(),
    ),
    "it cannot be made whenever the cluster is reached": (
        runs((-30, 0), *MANY, NONE_MADE) + runs((-15, -10, -5), *MANY, unserved("prod")),
        {"pulls-fail", "failing-cluster"},
    ),
    "it was made at last": (
        runs((-10, -5), *MANY, NONE_MADE)
        + run_at(0, *MANY, served("prod", secret("shop", Result.CREATED, 60))),
        set(),
    ),
    "it could not be made, and its namespace is selected no more": (
        runs((-10, -5), *MANY, NONE_MADE) + run_at(0, *MANY, served("prod", FRESH)),
        set(),
    ),
    "it could not be made, and the cluster was taken out": (
        runs((-10, -5), *MANY, NONE_MADE) + run_at(0, *MANY),
        set(),
    ),
    "it could not be made, and the cluster is stopped": (
        runs((-10, -5), *MANY, NONE_MADE) + run_at(0, *MANY, stopped("prod")),
        set(),
    ),
    "it could not be made, and the cluster is reached no more": (
        runs((-25, -20), *MANY, NONE_MADE) + runs(EVERY_TICK, *MANY, unserved("prod")),
        {"pulls-fail", "failing-cluster"},
    ),
    "one of its registries cannot be had": (
        runs(
            (-5, 0),
            *MANY,
            served("prod", secret("shop", Result.INCOMPLETE, 50, Reason.REGISTRY_MISSING)),
        ),
        {"pulls-fail"},
    ),
    "a service account cannot be bound": (
        runs((-5, 0), *MANY, served("prod", UNBOUND)),
        {"pulls-fail"},
    ),
    "no run": (runs((-26, -21, -16), *MANY), {"no-run"}),
    "nothing was ever written": ([], {"no-run"}),
    "runs by hand alone": (run_at(-5, *MANY, request=BY_HAND), {"no-run"}),
    "one run is late": (runs((-22, -17, -12), *MANY), set()),
    "half of the clusters cannot be reached": (
        runs((-5, 0), *MANY, *(unserved(f"x{n}") for n in range(30))),
        {"failure-rate"},
    ),
    "many secrets fail in a few clusters": (
        runs(
            (-5, 0),
            *MANY,
            served("prod", *(unminted(f"n{n}", Reason.FORCED, 300) for n in range(20))),
        ),
        {"failure-rate"},
    ),
    "one of many clusters fails once": (
        runs((-15, -10, -5), *MANY) + run_at(0, *MANY, unserved("prod")),
        set(),
    ),
    "one of many clusters fails again and again": (
        runs(EVERY_TICK, *MANY, unserved("prod")),
        {"failing-cluster"},
    ),
    "one of many clusters failed, and is well again": (
        runs((-15, -10, -5), *MANY, unserved("prod")) + run_at(0, *MANY, served("prod", FRESH)),
        set(),
    ),
    "a stranger's secret": (
        run_at(0, *MANY, served("x", secret("shop", Result.CONFLICT, None, Reason.FOREIGN_SECRET))),
        {"second-writer"},
    ),
    "somebody changed the data": (
        run_at(0, *MANY, served("x", secret("shop", Result.RENEWED, 60, Reason.DATA_DRIFTED))),
        {"second-writer"},
    ),
    "the helper is at work too": (
        run_at(0, *MANY, served("x", secret("shop", Result.UNCHANGED, 60, warnings=(WARNED,)))),
        {"second-writer"},
    ),
}


@pytest.mark.parametrize(("records", "expected"), CASES.values(), ids=CASES)
def test_what_rings(records: list[Record], expected: set[str]) -> None:
    assert ringing(records) == expected


@pytest.mark.parametrize("minute", [30, 60, 120])
def test_a_cluster_whose_shard_tells_nothing_rings_for_as_long(minute: int) -> None:
    """No complete run says that it is gone."""
    records, expected = CASES["a cluster's shard tells nothing, for hours"]
    assert ringing(records, minute) == expected


LARGE: dict[str, Callable[[str], SecretOutcome]] = {
    "expiry": partial(unminted, reason=Reason.NEAR_EXPIRY, ends=3),
    "pulls-fail": partial(unminted, reason=Reason.SECRET_MISSING),
    "second-writer": partial(secret, result=Result.UNCHANGED, ends=60, warnings=(WARNED,)),
}


@pytest.mark.parametrize(("name", "one"), LARGE.items(), ids=LARGE)
def test_a_large_cluster_hides_no_other(name: str, one: Callable[[str], SecretOutcome]) -> None:
    """One row a cluster, which tells how many secrets it is about, and names one."""
    large = served("a", *(one(f"n{n}") for n in range(150)))
    found = rows(runs((-5, 0), large, served("z", one("shop"))), moment(0))[name]
    told = {row["cluster"]: (row["secrets"], row["example"]) for row in found}
    assert told.keys() == {"a", "z"}
    assert told["a"][0] == 150
    assert told["z"] == (1, "shop/acr-pull")


def test_what_is_said_of_an_example_is_its_own() -> None:
    """Two secrets of a run have the same time: one's words must not stand beside another's name."""
    foreign = secret("b", Result.CONFLICT, None, Reason.FOREIGN_SECRET)
    helped = secret("a", Result.UNCHANGED, 60, warnings=(WARNED,))
    [row] = rows(run_at(0, *MANY, served("x", foreign, helped)), moment(0))["second-writer"]
    assert row == {
        "cluster": "x",
        "secrets": 2,
        "example": "a/acr-pull",
        "last_result": "unchanged",
        "last_reason": "fresh",
        "last_warnings": WARNED,
    }


def test_every_alert_is_seen_to_ring() -> None:
    assert set().union(*(expected for _, expected in CASES.values())) == set(ALERTS)
