"""A warm instance remembers repairs for an hour, and not too many of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acr_refresher.core.outcome import Reconcile, SecretOutcome
from acr_refresher.core.plan import plan
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.run import remembered
from acr_refresher.run.remembered import RememberedRepairs
from acr_refresher.settings import SETTINGS
from factories import HOUR, MINUTE, NOW, request, state, wanted


def created(*namespaces: str) -> list[Reconcile]:
    """The actions that create the secret in these namespaces."""
    pull_secret = wanted(namespaces=("*",))
    planned = plan((pull_secret,), state(namespaces=namespaces), request(), NOW)
    return [action for [action] in planned if isinstance(action, Reconcile)]


def outcome(action: Reconcile, result: Result = Result.CREATED) -> SecretOutcome:
    return SecretOutcome(
        namespace=action.namespace,
        secret=action.secret,
        result=result,
        reason=Reason.SECRET_MISSING,
    )


def test_what_was_done_is_remembered_and_what_failed_is_not() -> None:
    repairs = RememberedRepairs()
    first, second = created("one", "two")
    outcomes = [outcome(first), outcome(second, Result.FAILED)]
    repairs.note("prod", [first, second], outcomes, NOW)
    assert {*repairs.of("prod")} == {("one", "acr-pull")}
    assert repairs.of("other") == {}


def test_it_is_forgotten_after_an_hour() -> None:
    repairs = RememberedRepairs()
    [action] = created("one")
    repairs.note("prod", [action], [outcome(action)], NOW)
    repairs.note("prod", [], [], NOW + HOUR)
    assert repairs.of("prod")
    repairs.note("prod", [], [], NOW + HOUR + MINUTE)
    assert repairs.kept == {}


def test_the_memory_is_bounded_over_all_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "SETTINGS", replace(SETTINGS, repairs_kept=3))
    repairs = RememberedRepairs()
    actions = created("one", "two")
    for cluster in ("a", "b", "c"):
        repairs.note(cluster, actions, map(outcome, actions), NOW)
    assert [len(repairs.of(cluster)) for cluster in ("a", "b", "c")] == [2, 1, 0]
