"""How pull secrets stand, by what is found in a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from acr_refresher.cli.standing import State, Status, Unread, by_urgency, standings
from acr_refresher.core.model import Cluster, InClusterAccess, SecretState
from factories import MAIN, MINUTE, NOW, PARTNER, account, credential, secret, state, wanted


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
        pytest.param(secret(managed=False), State.FOREIGN, id="somebody else's"),
    ],
)
def test_the_state_of_a_secret(found: SecretState, expected: State) -> None:
    (one,) = standings(cluster(), state(found), NOW)
    assert (one.namespace, one.secret, one.state) == ("default", "acr-pull", expected)


def test_what_is_told_of_a_secret() -> None:
    held = secret(credential(MAIN), credential(PARTNER, expires_in=30 * MINUTE))
    accounts = (account("b", "acr-pull"), account("a", "theirs", "acr-pull"), account("c"))
    (one,) = standings(cluster(), state(held, accounts=accounts), NOW)
    assert one.registries == ("main", "partner")
    assert one.hosts == ("main.example.com", "partner.example.com")
    assert one.service_accounts == ("a", "b")
    assert (one.refreshed_at, one.expires_at) == (NOW, NOW + 30 * MINUTE)


def test_where_there_is_none_and_should_be() -> None:
    (one,) = standings(cluster(), state(), NOW)
    assert (one.namespace, one.state, one.expires_at) == ("default", State.MISSING, None)


def test_a_strangers_secret_elsewhere_is_no_concern() -> None:
    there = state(secret(namespace="theirs", managed=False), namespaces=("theirs",))
    assert standings(cluster(), there, NOW) == ()


def test_ours_in_a_namespace_that_is_not_selected_any_more_is_told() -> None:
    there = state(secret(namespace="old"), namespaces=("old",))
    (one,) = standings(cluster(), there, NOW)
    assert (one.namespace, one.state) == ("old", State.FRESH)


def test_the_most_urgent_come_first() -> None:
    found = (
        secret(namespace="a"),
        secret(credential(expires_in=30 * MINUTE), namespace="b"),
        secret(credential(expires_in=-9 * MINUTE), namespace="c"),
        secret(credential(expires_in=3 * MINUTE), namespace="d"),
    )
    there = state(*found, namespaces=("a", "b", "c", "d", "e"))
    listed = by_urgency(standings(cluster(("*",)), there, NOW))
    assert [one.namespace for one in listed] == ["c", "e", "d", "b", "a"]


@pytest.mark.parametrize(
    ("namespaces", "unread", "ok"),
    [
        ({"a": 9 * MINUTE}, (), True),
        ({"a": -9 * MINUTE}, (), False),
        ({}, (Unread("idc", "stopped", failed=False),), True),
        ({}, (Unread("idc", "no answer", failed=True),), False),
    ],
)
def test_when_all_is_well(
    namespaces: Mapping[str, timedelta], unread: tuple[Unread, ...], ok: bool
) -> None:
    found = (secret(credential(expires_in=left), namespace=n) for n, left in namespaces.items())
    there = state(*found, namespaces=tuple(namespaces))
    assert Status(NOW, standings(cluster(("*",)), there, NOW), unread).ok is ok
