"""The status of pull secrets, from the state of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acr_refresher.core.model import Cluster, InClusterAccess, SecretState
from acr_refresher.core.outcome import Failure, planned_outcome
from acr_refresher.core.plan import plan
from acr_refresher.core.reasons import Result
from acr_refresher.core.request import Request
from acr_refresher.core.secret_status import (
    FleetStatus,
    State,
    UnreadCluster,
    by_urgency,
    secret_statuses,
)
from acr_refresher.settings import SETTINGS
from factories import (
    HOUR,
    MAIN,
    MINUTE,
    NOW,
    PARTNER,
    account,
    credential,
    namespace,
    secret,
    state,
    wanted,
)

BOUND = (account("default", "acr-pull"),)


def cluster(namespaces: tuple[str, ...] = ("default",)) -> Cluster:
    return Cluster("prod", InClusterAccess(), (wanted(namespaces=namespaces),))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(secret(), State.FRESH, id="fresh"),
        pytest.param(secret(credential(expires_in=15 * MINUTE)), State.DUE, id="due"),
        pytest.param(secret(credential(expires_in=0 * MINUTE)), State.EXPIRED, id="expired"),
        pytest.param(secret(document="{}"), State.DRIFTED, id="changed"),
        pytest.param(secret(annotations={}), State.DRIFTED, id="no record"),
        pytest.param(secret(managed=False), State.CONFLICT, id="somebody else's"),
        pytest.param(secret(type_="Opaque"), State.DUE, id="of another type"),
        pytest.param(
            secret(credential(MAIN), credential(PARTNER)), State.DUE, id="a registry too many"
        ),
        pytest.param(secret(credential(PARTNER)), State.DUE, id="a registry too few"),
    ],
)
def test_the_state_of_a_secret(found: SecretState, expected: State) -> None:
    (each,) = secret_statuses(cluster(), state(found, accounts=BOUND), NOW)
    assert (each.namespace, each.secret, each.state) == ("default", "acr-pull", expected)


def test_a_secret_without_a_reference_is_unbound() -> None:
    accounts = (account("default", "theirs"), account("other", "acr-pull"))
    (each,) = secret_statuses(cluster(), state(secret(), accounts=accounts), NOW)
    assert (each.state, each.service_accounts) == (State.UNBOUND, ("other",))


@pytest.mark.parametrize("selected", ["ending", "another"])
def test_a_secret_in_a_terminating_namespace_is_removing(selected: str) -> None:
    ending = namespace("ending", terminating=True)
    there = state(secret(namespace="ending"), namespaces=(ending,))
    (each,) = secret_statuses(cluster((selected,)), there, NOW)
    assert (each.state, each.expires_at) == (State.REMOVING, NOW + HOUR)
    assert secret_statuses(cluster((selected,)), state(namespaces=(ending,)), NOW) == ()


def test_a_status_has_all_fields_of_a_secret() -> None:
    held = secret(credential(MAIN), credential(PARTNER, expires_in=30 * MINUTE))
    accounts = (account("b", "acr-pull"), account("a", "theirs", "acr-pull"), account("c"))
    (each,) = secret_statuses(cluster(), state(held, accounts=accounts), NOW)
    assert each.registries == ("main", "partner")
    assert each.hosts == ("main.example.com", "partner.example.com")
    assert each.service_accounts == ("a", "b")
    assert (each.refreshed_at, each.expires_at) == (NOW, NOW + 30 * MINUTE)


def test_a_secret_that_should_exist_is_missing() -> None:
    (each,) = secret_statuses(cluster(), state(), NOW)
    assert (each.namespace, each.state, each.expires_at) == ("default", State.MISSING, None)


def test_a_foreign_secret_in_another_namespace_has_no_status() -> None:
    there = state(secret(namespace="theirs", managed=False), namespaces=("theirs",))
    assert secret_statuses(cluster(), there, NOW) == ()


@pytest.mark.parametrize(
    ("others", "left", "expected"),
    [
        pytest.param("new", HOUR, State.REMOVING, id="to be removed"),
        pytest.param("new", -MINUTE, State.REMOVING, id="to be removed, and expired"),
        pytest.param("gone", HOUR, State.REMOVAL_BLOCKED, id="too many to be removed"),
        pytest.param("gone", -MINUTE, State.EXPIRED, id="too many to be removed, and expired"),
    ],
)
def test_our_secret_in_a_deselected_namespace(
    others: str, left: timedelta, expected: State
) -> None:
    names = [f"{others}-{number}" for number in range(SETTINGS.removal_guard_from)]
    held = (secret(namespace=name) for name in names)
    old = secret(credential(expires_in=left), namespace="old")
    there = state(*held, old, namespaces=[*names, "old"])
    (each,) = (
        each for each in secret_statuses(cluster(("new-*",)), there, NOW) if each.namespace == "old"
    )
    assert each.state is expected


FOUND: Mapping[str, Callable[[str], SecretState]] = {
    "fresh": lambda name: secret(namespace=name),
    "due": lambda name: secret(credential(expires_in=MINUTE), namespace=name),
    "changed": lambda name: secret(document="{}", namespace=name),
    "of another registry": lambda name: secret(credential(PARTNER), namespace=name),
    "somebody else's": lambda name: secret(managed=False, namespace=name),
}
REFERENCES = st.sampled_from([(), ("acr-pull",)])


@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.sampled_from([*FOUND]), REFERENCES)))
def test_a_secret_is_fresh_exactly_if_a_plan_would_change_nothing(
    found: Mapping[str, tuple[str, tuple[str, ...]]],
) -> None:
    there = state(
        *(FOUND[kind](name) for name, (kind, _) in found.items()),
        namespaces=[*found, "new"],
        accounts=[
            account("default", *refers, namespace=name) for name, (_, refers) in found.items()
        ],
    )
    meant = cluster(("a", "b", "c", "new"))
    planned = chain.from_iterable(plan(meant.pull_secrets, there, Request("manual"), NOW))
    previews = map(planned_outcome, planned)
    fresh = {
        each.namespace for each in secret_statuses(meant, there, NOW) if each.state is State.FRESH
    }
    assert fresh == {each.namespace for each in previews if each.result is Result.UNCHANGED}


def test_the_most_urgent_come_first() -> None:
    found = (
        secret(namespace="a"),
        secret(credential(expires_in=30 * MINUTE), namespace="b"),
        secret(credential(expires_in=-9 * MINUTE), namespace="c"),
        secret(credential(expires_in=3 * MINUTE), namespace="d"),
    )
    there = state(*found, namespaces=("a", "b", "c", "d", "e"))
    listed = by_urgency(secret_statuses(cluster(("*",)), there, NOW))
    assert [each.namespace for each in listed] == ["c", "e", "d", "b", "a"]


def test_of_one_state_those_whose_expiry_is_not_known_come_last() -> None:
    found = (secret(annotations={}, namespace="a"), secret(document="{}", namespace="b"))
    statuses = secret_statuses(cluster(("*",)), state(*found, namespaces=("a", "b")), NOW)
    assert {(each.state, each.expires_at) for each in statuses} == {
        (State.DRIFTED, None),
        (State.DRIFTED, NOW + HOUR),
    }
    assert [each.namespace for each in by_urgency(statuses)] == ["b", "a"]


@pytest.mark.parametrize(
    ("namespaces", "unread", "ok"),
    [
        ({"a": 9 * MINUTE}, (), True),
        ({"a": -9 * MINUTE}, (), False),
        ({"a": 9 * MINUTE, "taken": None}, (), False),
        ({}, (UnreadCluster("idc", "stopped", failed=False),), True),
        ({}, (UnreadCluster("idc", "no answer", failed=True),), False),
    ],
)
def test_when_all_is_well(
    namespaces: Mapping[str, timedelta | None], unread: tuple[UnreadCluster, ...], ok: bool
) -> None:
    found = (
        secret(credential(expires_in=left or HOUR), namespace=name, managed=left is not None)
        for name, left in namespaces.items()
    )
    there = state(*found, namespaces=tuple(namespaces))
    assert FleetStatus(NOW, secret_statuses(cluster(("*",)), there, NOW), unread).ok is ok


@pytest.mark.parametrize("found", [(), (secret(),)])
def test_a_namespace_that_could_not_be_read_needs_attention(found: tuple[SecretState, ...]) -> None:
    unread = replace(state(*found), unreadable={"default": Failure("invalid", "too large")})
    statuses = secret_statuses(cluster(), unread, NOW)
    assert [each.state for each in statuses] == [State.UNREADABLE]
    assert not FleetStatus(NOW, statuses).ok
