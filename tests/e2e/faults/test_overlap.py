"""Overlapping runs: a run does not undo what another run wrote after the first run's read."""

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
MANUAL_ROTATION: dict[str, Any] = {"registries": ["main"], "force": True}


@dataclass(frozen=True)
class HalfDue:
    """A namespace whose token for `partner` is due and whose token for `main` is kept."""

    site: BrokenSite
    function: Stage
    shop: str
    _number: Iterator[int]

    @property
    def tokens(self) -> dict[str, str]:
        return passwords(self.site.hangzhou, self.shop)

    def at_next_write(self, **happens: Any) -> None:
        """Inject a fault into the function's next write of the secret, or act before the write."""
        ours = f"{self.shop}/secrets/{SECRET}?fieldManager=acr-refresher"
        self.site.hangzhou.faults.add(Fault("PATCH", ours, **happens))

    def annotate(self) -> None:
        """Write the Secret as somebody else, without changing a field of ours."""
        self.site.hangzhou.expect(
            "PATCH",
            f"/api/v1/namespaces/{self.shop}/secrets/{SECRET}",
            {"metadata": {"annotations": {"seen": str(next(self._number))}}},
            content_type="application/merge-patch+json",
        )

    def run_timer(self) -> tuple[dict[str, Any], int]:
        """The outcome of a timer run, and its number of requests."""
        cluster = self.function.timer()["clusters"][0]
        return only({"clusters": [cluster]}, self.shop), cluster["requests"]


@pytest.fixture
def half_due(broken: BrokenSite) -> Iterator[HalfDue]:
    shop = broken.namespace("shop")
    with broken.function() as function:
        function.timer()
        with later(50):
            function.invoke(**MANUAL_ROTATION)
            yield HalfDue(broken, function, shop, itertools.count())


def test_a_run_without_overlap_makes_three_lists_and_a_write(half_due: HalfDue) -> None:
    before = half_due.tokens
    outcome, requests = half_due.run_timer()
    assert (outcome["result"], requests) == ("renewed", 4)
    assert half_due.tokens[MAIN] == before[MAIN]
    assert half_due.tokens[PARTNER] != before[PARTNER]


def test_a_timer_run_in_progress_does_not_undo_a_manual_rotation(
    half_due: HalfDue,
) -> None:
    before, rotated = half_due.tokens, {}

    def rotate() -> None:
        assert (
            only(half_due.function.invoke(**MANUAL_ROTATION), half_due.shop)["result"] == "renewed"
        )
        rotated.update(half_due.tokens)

    half_due.at_next_write(meanwhile=rotate)
    outcome, requests = half_due.run_timer()
    assert (outcome["result"], outcome["reason"]) == ("renewed", "near-expiry")
    assert before[MAIN] != half_due.tokens[MAIN] == rotated[MAIN]
    assert before[PARTNER] == rotated[PARTNER] != half_due.tokens[PARTNER]
    assert requests == 6  # another read and another write


def test_a_rotation_in_progress_does_not_undo_a_timer_run(half_due: HalfDue) -> None:
    written: dict[str, str] = {}

    def run_timer() -> None:
        assert half_due.run_timer()[0]["result"] == "renewed"
        written.update(half_due.tokens)

    half_due.at_next_write(meanwhile=run_timer)
    outcome = only(half_due.function.invoke(**MANUAL_ROTATION), half_due.shop)
    assert (outcome["result"], outcome["reason"]) == ("renewed", "forced")
    assert half_due.tokens[PARTNER] == written[PARTNER]
    assert half_due.tokens[MAIN] != written[MAIN]


def test_a_timer_event_that_is_delivered_twice_renews_once(half_due: HalfDue) -> None:
    written: dict[str, str] = {}

    def first() -> None:
        assert half_due.run_timer()[0]["result"] == "renewed"
        written.update(half_due.tokens)

    half_due.at_next_write(meanwhile=first)
    outcome, _ = half_due.run_timer()
    assert (outcome["result"], outcome["reason"]) == ("unchanged", "fresh")
    assert half_due.tokens == written


def test_a_secret_that_somebody_else_wrote_meanwhile_is_renewed_too(
    half_due: HalfDue,
) -> None:
    half_due.at_next_write(meanwhile=half_due.annotate)
    assert half_due.run_timer()[0]["result"] == "renewed"


def test_a_write_whose_response_was_lost_counts_as_written(half_due: HalfDue) -> None:
    before = half_due.tokens
    half_due.at_next_write(lost_answer=True)
    outcome, _ = half_due.run_timer()
    assert (outcome["result"], outcome["reason"]) == ("renewed", "near-expiry")
    assert half_due.tokens[PARTNER] != before[PARTNER]


def test_a_run_that_is_overtaken_twice_leaves_the_secret_to_the_next_run(
    half_due: HalfDue,
) -> None:
    before = half_due.tokens
    for _ in range(2):
        half_due.at_next_write(meanwhile=half_due.annotate)
    outcome = only(half_due.function.invoke(), half_due.shop)
    assert (outcome["result"], outcome["reason"]) == ("conflict", "changed-meanwhile")
    assert outcome["remedy"] == "nothing: the next run uses what it finds then"
    assert half_due.tokens == before
    assert half_due.run_timer()[0]["result"] == "renewed"


@pytest.mark.parametrize("there", [False, True], ids=["gone", "another's"])
def test_a_secret_that_replaced_ours_or_was_deleted_is_left_alone(
    half_due: HalfDue, there: bool
) -> None:
    cluster, shop = half_due.site.hangzhou, half_due.shop

    def replace_ours() -> None:
        cluster.expect("DELETE", f"/api/v1/namespaces/{shop}/secrets/{SECRET}")
        if there:
            cluster.create_secret(shop, SECRET, stringData={"theirs": "x"})

    half_due.at_next_write(meanwhile=replace_ours)
    outcome = only(half_due.function.invoke(), shop)
    assert (outcome["result"], outcome["reason"]) == ("conflict", "changed-meanwhile")
    left = cluster.get_secret(shop, SECRET)
    assert (left and left["type"]) == ("Opaque" if there else None)


def test_a_conflict_whose_secret_cannot_be_read_again_is_reported_as_a_conflict(
    half_due: HalfDue,
) -> None:
    def annotate_and_break() -> None:
        half_due.annotate()
        half_due.site.hangzhou.faults.add(
            Fault("GET", f"{half_due.shop}/secrets", times=None, status=500)
        )

    half_due.at_next_write(meanwhile=annotate_and_break)
    outcome = only(half_due.function.invoke(), half_due.shop)
    assert (outcome["result"], outcome["failures"][0]["code"]) == ("conflict", "409")
