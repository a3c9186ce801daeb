"""The event that options stand for, and errors that name the option, not the event's field."""

from __future__ import annotations

import json

import pytest

from acr_refresher.cli.options import (
    event_for,
    request_for,
    selection_of,
    unmatched_by_option,
)
from acr_refresher.config.events import InvalidEvent
from acr_refresher.config.strict import InvalidInput, Problem


def test_options_without_a_value_are_left_out_of_the_event() -> None:
    fields = {"force": True, "allowRemoval": False, "reason": ""}
    event = event_for(["prod-*"], None, [], **fields)
    assert json.loads(event) == {"action": "refresh", "clusters": ["prod-*"], "force": True}


def test_large_removals_are_allowed_apart_from_force() -> None:
    request = request_for(None, None, None, allowRemoval=True)
    assert (request.allow_removal, request.force) == (True, False)


def test_the_selection_is_shown_as_it_was_typed() -> None:
    request = request_for(["a", "b"], ["web"], ["main"], force=True)
    typed = "--cluster a --cluster b --namespace web --registry main"
    assert selection_of(request) == typed
    assert selection_of(request_for(None, None, None)) == ""


def test_a_malformed_value_names_its_option() -> None:
    with pytest.raises(InvalidInput) as refused:
        request_for(["A B"], ["C D"], None, reason="x" * 201)
    assert [problem.path for problem in refused.value.problems] == [
        "--cluster",
        "--namespace",
        "--reason",
    ]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("clusters[1]", "--cluster prdo: no such cluster; did you mean prod?"),
        ("registries[0]", "--registry mian: no such registry; did you mean prod?"),
        ("reason", "--reason: x; did you mean prod?"),
    ],
)
def test_a_name_that_matches_nothing_is_shown_with_its_option(path: str, shown: str) -> None:
    request = request_for(["prod", "prdo"], None, ["mian"])
    with pytest.raises(InvalidInput) as refused, unmatched_by_option(request):
        raise InvalidEvent([Problem(path, "x", "did you mean prod?")])
    assert str(refused.value) == shown
