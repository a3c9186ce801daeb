"""Each alert rings for what it is meant for, and none does while all is well."""

from __future__ import annotations

import pytest

from acr_refresher.core import second_writer
from acr_refresher.core.outcome import Reason, Result
from sls.history import (
    BY_HAND,
    UNMINTED,
    Record,
    deferred,
    guarded,
    healthy,
    leaving,
    moment,
    not_removed,
    run_at,
    runs,
    secret,
    served,
    unserved,
)
from sls.logstore import Logstore, definition, definitions

ALERTS = definitions("alert")
INDEX = definition("index.outcomes")
EVERY_TICK = (-15, -10, -5, 0)


def ringing(records: list[Record], minute: int = 0) -> set[str]:
    """The alerts that fire at that minute."""
    store = Logstore(INDEX, records, moment(minute))
    found = set()
    for name, alert in ALERTS.items():
        configuration = alert["configuration"]
        [severity] = configuration["severityConfigurations"]
        assert severity["evalCondition"] == {"condition": "", "countCondition": "__count__ > 0"}
        [query] = configuration["queryList"]
        if store.ask(query["query"], query["start"]):
            found.add(name)
    return found


@pytest.mark.parametrize("minute", range(0, 60, 3))
def test_while_all_is_well_none_rings(minute: int) -> None:
    """At any moment between ticks, just before a renewal too."""
    last_tick = minute - minute % 5
    assert ringing(healthy(last_tick), minute) == set()


UNMINTABLE = secret("shop", Result.FAILED, 8, Reason.NEAR_EXPIRY, failures=(UNMINTED,))
FRESH = secret("stock", Result.UNCHANGED, 50)
MANY = tuple(served(f"c{n}", FRESH, FRESH) for n in range(30))
WARNED = second_writer.WARNING.format("default")

CASES: dict[str, tuple[list[Record], set[str]]] = {
    "a due secret is not renewed": (
        runs(EVERY_TICK, *MANY) + runs((-5, 0), served("prod", UNMINTABLE)),
        {"expiry"},
    ),
    "one is not renewed and lasts for hours": (
        runs((-5, 0), *MANY)
        + runs((-5, 0), served("prod", secret("shop", Result.FAILED, 300, failures=(UNMINTED,)))),
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
            served("prod", *(secret(f"n{n}", Result.FAILED, 300) for n in range(20))),
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


def test_every_alert_is_seen_to_ring() -> None:
    assert set().union(*(expected for _, expected in CASES.values())) == set(ALERTS)
