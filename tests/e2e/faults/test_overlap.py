"""Runs that overlap: what one has read of a secret does not undo what another wrote since."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from demo.stage import Stage
from localkube.double import Fault
from sites import (
    MAIN_HOSTS,
    PARTNER_HOSTS,
    SECRET,
    BrokenSite,
    later,
    only,
    passwords,
)

[MAIN, *_], [PARTNER] = MAIN_HOSTS, PARTNER_HOSTS
BY_HAND: dict[str, Any] = {"registries": ["main"], "force": True}


@dataclass(frozen=True)
class HalfDue:
    """A namespace whose token for `partner` is due, while the one for `main` is to be kept."""

    site: BrokenSite
    function: Stage
    shop: str
    _number: Iterator[int]

    @property
    def tokens(self) -> dict[str, str]:
        return passwords(self.site.hangzhou, self.shop)

    def at_the_write(self, **happens: Any) -> None:
        """What happens to the function's next write of the secret, or before it."""
        ours = f"{self.shop}/secrets/{SECRET}?fieldManager=acr-refresher"
        self.site.hangzhou.faults.add(Fault("PATCH", ours, **happens))

    def annotate(self) -> None:
        """Somebody else writes the Secret, none of whose fields is ours."""
        self.site.hangzhou.expect(
            "PATCH",
            f"/api/v1/namespaces/{self.shop}/secrets/{SECRET}",
            {"metadata": {"annotations": {"seen": str(next(self._number))}}},
            content_type="application/merge-patch+json",
        )

    def tick(self) -> tuple[dict[str, Any], int]:
        """The outcome of a timer's run, and what it cost in requests."""
        cluster = self.function.timer()["clusters"][0]
        return only({"clusters": [cluster]}, self.shop), cluster["requests"]


@pytest.fixture
def half_due(broken: BrokenSite) -> Iterator[HalfDue]:
    shop = broken.namespace("shop")
    with broken.function() as function:
        function.timer()
        with later(50):
            function.invoke(**BY_HAND)
            yield HalfDue(broken, function, shop, itertools.count())


def test_alone_a_run_costs_three_lists_and_a_write(half_due: HalfDue) -> None:
    before = half_due.tokens
    outcome, requests = half_due.tick()
    assert (outcome["result"], requests) == ("renewed", 4)
    assert half_due.tokens[MAIN] == before[MAIN]
    assert half_due.tokens[PARTNER] != before[PARTNER]


def test_a_rotation_by_hand_is_not_undone_by_a_tick_under_way(half_due: HalfDue) -> None:
    before, rotated = half_due.tokens, {}

    def rotate() -> None:
        assert only(half_due.function.invoke(**BY_HAND), half_due.shop)["result"] == "renewed"
        rotated.update(half_due.tokens)

    half_due.at_the_write(meanwhile=rotate)
    outcome, requests = half_due.tick()
    assert (outcome["result"], outcome["reason"]) == ("renewed", "near-expiry")
    assert before[MAIN] != half_due.tokens[MAIN] == rotated[MAIN]
    assert before[PARTNER] == rotated[PARTNER] != half_due.tokens[PARTNER]
    assert requests == 6  # read anew, written once more


def test_nor_is_a_tick_by_a_rotation_under_way(half_due: HalfDue) -> None:
    ticked: dict[str, str] = {}

    def tick() -> None:
        assert half_due.tick()[0]["result"] == "renewed"
        ticked.update(half_due.tokens)

    half_due.at_the_write(meanwhile=tick)
    outcome = only(half_due.function.invoke(**BY_HAND), half_due.shop)
    assert (outcome["result"], outcome["reason"]) == ("renewed", "forced")
    assert half_due.tokens[PARTNER] == ticked[PARTNER]
    assert half_due.tokens[MAIN] != ticked[MAIN]


def test_the_same_tick_delivered_twice_leaves_the_second_nothing_to_do(half_due: HalfDue) -> None:
    written: dict[str, str] = {}

    def first() -> None:
        assert half_due.tick()[0]["result"] == "renewed"
        written.update(half_due.tokens)

    half_due.at_the_write(meanwhile=first)
    outcome, _ = half_due.tick()
    assert (outcome["result"], outcome["reason"]) == ("unchanged", "fresh")
    assert half_due.tokens == written


def test_a_write_by_somebody_else_is_gone_by_too(half_due: HalfDue) -> None:
    half_due.at_the_write(meanwhile=half_due.annotate)
    assert half_due.tick()[0]["result"] == "renewed"


def test_a_write_whose_answer_was_lost_counts_as_written(half_due: HalfDue) -> None:
    before = half_due.tokens
    half_due.at_the_write(lost_answer=True)
    outcome, _ = half_due.tick()
    assert (outcome["result"], outcome["reason"]) == ("renewed", "near-expiry")
    assert half_due.tokens[PARTNER] != before[PARTNER]


def test_who_is_overtaken_twice_leaves_it_to_the_next_run(half_due: HalfDue) -> None:
    before = half_due.tokens
    for _ in range(2):
        half_due.at_the_write(meanwhile=half_due.annotate)
    outcome = only(half_due.function.invoke(), half_due.shop)
    assert (outcome["result"], outcome["reason"]) == ("conflict", "changed-meanwhile")
    assert "nothing was overwritten" in outcome["remedy"]
    assert half_due.tokens == before
    assert half_due.tick()[0]["result"] == "renewed"


@pytest.mark.parametrize("there", [False, True], ids=["gone", "another's"])
def test_what_stands_in_the_place_of_ours_is_left_alone(half_due: HalfDue, there: bool) -> None:
    cluster, shop = half_due.site.hangzhou, half_due.shop

    def replace_ours() -> None:
        cluster.expect("DELETE", f"/api/v1/namespaces/{shop}/secrets/{SECRET}")
        if there:
            cluster.create_secret(shop, SECRET, stringData={"theirs": "x"})

    half_due.at_the_write(meanwhile=replace_ours)
    outcome = only(half_due.function.invoke(), shop)
    assert (outcome["result"], outcome["reason"]) == ("conflict", "changed-meanwhile")
    left = cluster.get_secret(shop, SECRET)
    assert (left and left["type"]) == ("Opaque" if there else None)


def test_what_cannot_be_read_anew_is_told_as_the_conflict_it_is(half_due: HalfDue) -> None:
    def annotate_and_break() -> None:
        half_due.annotate()
        half_due.site.hangzhou.faults.add(
            Fault("GET", f"{half_due.shop}/secrets", times=None, status=500)
        )

    half_due.at_the_write(meanwhile=annotate_and_break)
    outcome = only(half_due.function.invoke(), half_due.shop)
    assert (outcome["result"], outcome["failures"][0]["code"]) == ("conflict", "409")
