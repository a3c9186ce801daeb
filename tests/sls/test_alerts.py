"""Each alert fires when it should, and no alert fires while all is well."""

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
    as_0_1_0,
    deferred,
    healthy,
    in_deleted_namespace,
    in_shards,
    moment,
    not_removed,
    removal_blocked,
    run_at,
    runs,
    secret,
    served,
    stopped,
    unserved,
)

EVERY_RUN = (-15, -10, -5, 0)


def firing(records: list[Record], minute: int = 0) -> set[str]:
    """The names of the alerts that fire at that minute."""
    return set(rows(records, moment(minute)))


@pytest.mark.parametrize("minute", range(0, 60, 3))
def test_no_alert_fires_while_all_is_well(minute: int) -> None:
    """At any moment between two runs, also just before a renewal."""
    last_run = minute - minute % 5
    assert firing(healthy(last_run), minute) == set()


def unminted(namespace: str, reason: Reason, ends: int | None = None) -> SecretOutcome:
    """A pull secret that needs a token for this reason, and did not get it."""
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
        runs(EVERY_RUN, *MANY) + runs((-5, 0), served("prod", UNMINTABLE)),
        {"expiry"},
    ),
    "a due secret is not renewed and lasts for hours": (
        runs((-5, 0), *MANY)
        + runs((-5, 0), served("prod", unminted("shop", Reason.INPUTS_CHANGED, 300))),
        set(),
    ),
    "a cluster has not been reached since its secrets were fresh": (
        run_at(-50, served("prod", secret("shop", Result.RENEWED, 8)))
        + runs(EVERY_RUN, *MANY, unserved("prod")),
        {"expiry", "failing-cluster"},
    ),
    "a cluster is deferred again and again": (
        run_at(-50, served("prod", secret("shop", Result.RENEWED, 8)))
        + runs(EVERY_RUN, *MANY, deferred("prod")),
        {"expiry"},
    ),
    "a removal is blocked until the secret expires": (
        run_at(-20, *MANY, served("prod", secret("shop", Result.UNCHANGED, 8)))
        + runs((-5, 0), *MANY, served("prod", removal_blocked(8))),
        {"expiry"},
    ),
    "a removal is blocked and the secret lasts": (
        runs((-5, 0), *MANY, served("prod", removal_blocked(50))),
        set(),
    ),
    "a secret could not be removed, and expires": (
        runs((-5, 0), *MANY, served("prod", not_removed(8))),
        {"expiry"},
    ),
    "another controller replaces a due secret again and again": (
        runs(
            (-5, 0),
            *MANY,
            served("prod", secret("shop", Result.CONFLICT, 8, Reason.CHANGED_MEANWHILE)),
        ),
        {"expiry", "competing-controller"},
    ),
    "the deletion of a namespace takes long": (
        runs(EVERY_RUN, *MANY, served("prod", in_deleted_namespace(8))),
        set(),
    ),
    "a namespace is gone, and its last secret expires": (
        run_at(-10, served("prod", secret("gone", Result.UNCHANGED, 5), FRESH))
        + runs((-5, 0), served("prod", FRESH)),
        set(),
    ),
    "a secret was removed": (
        run_at(-5, served("prod", secret("shop", Result.UNCHANGED, 5), FRESH))
        + run_at(0, served("prod", secret("shop", Result.REMOVED), FRESH)),
        set(),
    ),
    "a cluster was taken out": (ENDS_SOON + runs(EVERY_RUN, *MANY), set()),
    "a cluster was taken out, and there are shards": (
        ENDS_SOON + in_shards(-5, MANY[:10], MANY[10:]),
        set(),
    ),
    "a cluster was taken out, and no run followed": (ENDS_SOON, {"expiry", "no-run"}),
    "a cluster is stopped": (ENDS_SOON + runs(EVERY_RUN, *MANY, stopped("prod")), set()),
    "a cluster's shard writes no records for hours": (
        ENDS_SOON
        + [
            record
            for minute in range(-15, 121, 5)
            for record in in_shards(minute, MANY[:3], lost=1)
        ],
        {"expiry"},
    ),
    "the list that has the cluster cannot be read": (
        ENDS_SOON + runs(EVERY_RUN, *MANY, unserved("discover[0] cn-hangzhou")),
        {"expiry", "failing-cluster"},
    ),
    "a cluster is served by another timer, once an hour": (
        run_at(-50, served("prod", secret("shop", Result.RENEWED, 8)), request=HOURLY)
        + runs(EVERY_RUN, *MANY),
        {"expiry"},
    ),
    "a secret cannot be created": (runs((-5, 0), *MANY, NONE_MADE), {"pulls-fail"}),
    "a secret could not be created once": (run_at(-5, *MANY) + run_at(0, *MANY, NONE_MADE), set()),
    "a secret could not be created twice, hours apart": (
        runs((-120, 0), *MANY, NONE_MADE)
        + runs((-15, -10, -5), *MANY, served("prod", secret("shop", Result.UNCHANGED, 50))),
        set(),
    ),
    "a secret cannot be created whenever the cluster is reached": (
        runs((-30, 0), *MANY, NONE_MADE) + runs((-15, -10, -5), *MANY, unserved("prod")),
        {"pulls-fail", "failing-cluster"},
    ),
    "a secret was created at last": (
        runs((-10, -5), *MANY, NONE_MADE)
        + run_at(0, *MANY, served("prod", secret("shop", Result.CREATED, 60))),
        set(),
    ),
    "a secret could not be created, and its namespace is no longer selected": (
        runs((-10, -5), *MANY, NONE_MADE) + run_at(0, *MANY, served("prod", FRESH)),
        set(),
    ),
    "a secret could not be created, and the cluster was taken out": (
        runs((-10, -5), *MANY, NONE_MADE) + run_at(0, *MANY),
        set(),
    ),
    "a secret could not be created, and the cluster is stopped": (
        runs((-10, -5), *MANY, NONE_MADE) + run_at(0, *MANY, stopped("prod")),
        set(),
    ),
    "a secret could not be created, and the cluster is no longer reached": (
        runs((-25, -20), *MANY, NONE_MADE) + runs(EVERY_RUN, *MANY, unserved("prod")),
        {"pulls-fail", "failing-cluster"},
    ),
    "a secret lacks one of its registries": (
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
    "only manual runs": (run_at(-5, *MANY, request=BY_HAND), {"no-run"}),
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
        runs(EVERY_RUN, *MANY, unserved("prod")),
        {"failing-cluster"},
    ),
    "one of many clusters failed, and then succeeds": (
        runs((-15, -10, -5), *MANY, unserved("prod")) + run_at(0, *MANY, served("prod", FRESH)),
        set(),
    ),
    "a secret of the same name that acr-refresher did not create": (
        run_at(0, *MANY, served("x", secret("shop", Result.CONFLICT, None, Reason.FOREIGN_SECRET))),
        {"competing-controller"},
    ),
    "something else changed the data": (
        run_at(0, *MANY, served("x", secret("shop", Result.RENEWED, 60, Reason.DATA_DRIFTED))),
        {"competing-controller"},
    ),
    "a binding that was reverted cannot be restored": (
        runs(
            (-5, 0),
            *MANY,
            served("prod", secret("shop", Result.FAILED, 50, Reason.BINDING_REVERTED)),
        ),
        {"pulls-fail"},
    ),
    "a policy makes every secret immutable": (
        runs((-5, 0), *MANY, served("x", secret("shop", Result.CONTENDED, 60, Reason.FRESH))),
        {"competing-controller"},
    ),
    "something else deletes the secret after each run": (
        runs((-5, 0), *MANY, served("x", secret("s", Result.CONTENDED, 60, Reason.SECRET_MISSING))),
        {"competing-controller"},
    ),
    "something else takes the binding away again and again": (
        run_at(
            0,
            *MANY,
            served("x", secret("shop", Result.CONTENDED, 60, Reason.BINDING_REVERTED)),
        ),
        {"competing-controller"},
    ),
    "the ACK credential helper serves the same namespace": (
        run_at(0, *MANY, served("x", secret("shop", Result.UNCHANGED, 60, warnings=(WARNED,)))),
        {"competing-controller"},
    ),
}


@pytest.mark.parametrize(("records", "expected"), CASES.values(), ids=CASES)
def test_which_alerts_fire(records: list[Record], expected: set[str]) -> None:
    assert firing(records) == expected


@pytest.mark.parametrize(("records", "expected"), CASES.values(), ids=CASES)
def test_records_of_the_older_function_count_as_well(
    records: list[Record], expected: set[str]
) -> None:
    """Also when the function was upgraded before the last run."""
    assert firing(as_0_1_0(records)) == expected
    last = max((record["__time__"] for record in records), default=0)
    before = [record for record in records if record["__time__"] < last]
    after = [record for record in records if record["__time__"] == last]
    assert firing(as_0_1_0(before) + after) == expected


@pytest.mark.parametrize("minute", [30, 60, 120])
def test_the_alert_fires_for_as_long_as_a_shard_writes_no_records(minute: int) -> None:
    """No complete run shows that the cluster is gone."""
    records, expected = CASES["a cluster's shard writes no records for hours"]
    assert firing(records, minute) == expected


LARGE: dict[str, Callable[[str], SecretOutcome]] = {
    "expiry": partial(unminted, reason=Reason.NEAR_EXPIRY, ends=3),
    "pulls-fail": partial(unminted, reason=Reason.SECRET_MISSING),
    "competing-controller": partial(secret, result=Result.UNCHANGED, ends=60, warnings=(WARNED,)),
}


@pytest.mark.parametrize(("name", "outcome_in"), LARGE.items(), ids=LARGE)
def test_a_large_cluster_hides_no_other(
    name: str, outcome_in: Callable[[str], SecretOutcome]
) -> None:
    """There is a row per cluster, with the number of secrets and the name of an example."""
    large = served("a", *(outcome_in(f"n{n}") for n in range(150)))
    found = rows(runs((-5, 0), large, served("z", outcome_in("shop"))), moment(0))[name]
    by_cluster = {row["cluster"]: (row["secrets"], row["example"]) for row in found}
    assert by_cluster.keys() == {"a", "z"}
    assert by_cluster["a"][0] == 150
    assert by_cluster["z"] == (1, "shop/acr-pull")


def test_a_row_shows_reason_and_warnings_of_its_example() -> None:
    """Secrets of the same run have the same time: their values must not be mixed."""
    taken = secret("b", Result.CONFLICT, None, Reason.FOREIGN_SECRET)
    helped = secret("a", Result.UNCHANGED, 60, warnings=(WARNED,))
    [row] = rows(run_at(0, *MANY, served("x", taken, helped)), moment(0))["competing-controller"]
    assert row == {
        "cluster": "x",
        "secrets": 2,
        "example": "a/acr-pull",
        "last_result": "unchanged",
        "last_reason": "fresh",
        "last_warnings": WARNED,
    }


def test_every_alert_fires_in_some_case() -> None:
    assert set().union(*(expected for _, expected in CASES.values())) == set(ALERTS)
