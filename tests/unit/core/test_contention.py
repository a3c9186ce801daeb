"""Competing controllers: repairs are counted in the Secret, and answers to writes are compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from acr_refresher.core.contention import (
    IMMUTABLE,
    REPAIRS_ANNOTATION,
    Repair,
    Repaired,
    Repairs,
    merged,
    mutations,
    read_repairs,
)
from acr_refresher.core.merge import content_to_write
from acr_refresher.core.model import (
    Cluster,
    InClusterAccess,
    PullSecret,
    SecretMetadata,
    SecretState,
    ServiceAccountState,
)
from acr_refresher.core.outcome import Failure, Reconcile, Skip, planned_outcome, reconciled_outcome
from acr_refresher.core.plan import plan
from acr_refresher.core.reasons import FAILING, Reason, Result
from acr_refresher.core.secret import SECRET_TYPE, build_secret, rfc3339
from acr_refresher.core.secret_status import NEEDS_ATTENTION, State, secret_statuses
from factories import (
    HOUR,
    MAIN,
    MINUTE,
    NOW,
    account,
    as_written,
    credential,
    request,
    secret,
    state,
    wanted,
)

Before = Mapping[tuple[str, str], Repairs]
OLD = replace(account(), created=rfc3339(NOW - HOUR))
"""A service account that is older than the Secret, without its reference."""
BOUND = replace(OLD, image_pull_secrets=("acr-pull",))


def planned(
    found: SecretState | None,
    *accounts: ServiceAccountState,
    now: datetime = NOW,
    before: Before | None = None,
    pull_secret: PullSecret | None = None,
) -> Reconcile:
    listed = state(*([found] if found else []), accounts=accounts or (BOUND,))
    [[action]] = plan((pull_secret or wanted(MAIN),), listed, request(), now, before or {})
    assert isinstance(action, Reconcile)
    return action


def written(found: SecretState, action: Reconcile, now: datetime) -> SecretState:
    """The Secret after the run."""
    assert action.apply
    tokens = {each.name: credential(each, now - NOW + HOUR) for each in action.apply.mint}
    content = content_to_write(action.apply, tokens, now, "run")
    assert content
    return replace(
        found,
        type=SECRET_TYPE,
        annotations=content.annotations,
        dockerconfigjson=content.dockerconfigjson,
        labels=content.labels,
    )


def overwritten(found: SecretState) -> SecretState:
    return replace(found, dockerconfigjson=SecretStr("{}"), managers=("acr-refresher", "argocd"))


def retyped(found: SecretState) -> SecretState:
    return replace(found, type="Opaque", managers=("kyverno",))


CHANGES = {
    "data": (overwritten, BOUND, "(argocd) changed the data of the Secret"),
    "type": (retyped, BOUND, "(kyverno) changed the type of the Secret"),
    "binding": (
        lambda found: found,
        replace(OLD, managers=("flux",)),
        "(flux) removed the Secret from service accounts",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_same_repair_three_times_in_a_row_is_contended(what: str) -> None:
    change, holder, words = CHANGES[what]
    found, outcomes = secret(), []
    for number in range(3):
        now = NOW + (number + 1) * 10 * MINUTE
        action = planned(change(found), holder, now=now)
        outcomes.append(reconciled_outcome(action))
        found = written(found, action, now)
    assert [each.result is Result.CONTENDED for each in outcomes] == [False, False, True]
    [warning] = outcomes[-1].warnings
    assert warning == (
        f"contended: a competing controller {words} again after each of 3 repairs:"
        " let only one of the two manage it"
    )


@pytest.mark.parametrize("what", ["data", "binding"])
def test_repairs_with_more_than_an_hour_between_them_are_not_in_a_row(what: str) -> None:
    change, holder, _ = CHANGES[what]
    found = secret()
    for number in range(5):
        now = NOW + number * 61 * MINUTE
        action = planned(change(found), holder, now=now)
        assert action.contended == ()
        found = written(found, action, now)


def after(what: Repaired, count: int, minutes_ago: int = 5) -> SecretState:
    """A Secret that is fresh, and was repaired before."""
    recorded = json.dumps({what.value: [count, rfc3339(NOW - minutes_ago * MINUTE)]})
    found = secret()
    return replace(found, annotations={**found.annotations, REPAIRS_ANNOTATION: recorded})


def test_it_stays_contended_for_an_hour_and_is_not_written_for_that() -> None:
    found = after(Repaired.BINDING, 3)
    action = planned(found)
    assert action.apply is None
    assert reconciled_outcome(action).result is Result.CONTENDED
    assert planned_outcome(action).result is Result.CONTENDED
    later = planned(found, now=NOW + HOUR - 15 * MINUTE - timedelta(seconds=1))
    assert later.contended
    assert planned(after(Repaired.BINDING, 3, 61)).contended == ()


def test_what_is_contended_needs_attention() -> None:
    assert Result.CONTENDED in FAILING
    cluster = Cluster("prod", InClusterAccess(), (wanted(MAIN),))
    [status] = secret_statuses(cluster, state(after(Repaired.DATA, 3), accounts=(BOUND,)), NOW)
    assert status.state is State.CONTENDED
    assert State.CONTENDED in NEEDS_ATTENTION


def test_a_failure_comes_before_contention() -> None:
    action = planned(overwritten(after(Repaired.DATA, 2)))
    assert reconciled_outcome(action).result is Result.CONTENDED
    failure = Failure("denied", "no right")
    outcome = reconciled_outcome(action, unwritten=(failure,))
    assert (outcome.result, outcome.warnings) == (Result.FAILED, action.contended)


# ---- bindings ------------------------------------------------------------------------------------


def test_a_lost_binding_is_counted_with_the_token_that_is_there() -> None:
    action = planned(secret(), OLD)
    assert action.apply
    assert (action.apply.reason, action.apply.mint) == (Reason.BINDING_REVERTED, ())
    assert action.apply.repairs == ((Repaired.BINDING, Repair(1, NOW)),)
    assert action.bind == (OLD,)
    cluster = Cluster("prod", InClusterAccess(), (wanted(MAIN),))
    [status] = secret_statuses(cluster, state(secret(), accounts=(OLD,)), NOW)
    assert status.state is State.UNBOUND


@pytest.mark.parametrize(
    "created", [rfc3339(NOW), rfc3339(NOW + MINUTE), ""], ids=["with-it", "after-it", "unknown"]
)
def test_an_account_that_is_no_older_than_the_secret_has_lost_nothing(created: str) -> None:
    action = planned(secret(), replace(account(), created=created))
    assert (action.apply, len(action.bind)) == (None, 1)


def test_a_secret_that_does_not_say_when_it_was_written_counts_no_lost_bindings() -> None:
    found = secret()
    annotations = {key: each for key, each in found.annotations.items() if "refreshed" not in key}
    assert planned(replace(found, annotations=annotations), OLD).apply is None


def test_an_immutable_secret_is_not_replaced_only_to_count() -> None:
    action = planned(secret(immutable=True), OLD)
    assert action.apply
    assert action.apply.replace is False


# ---- a Secret that is deleted --------------------------------------------------------------------


def test_a_warm_instance_remembers_a_secret_that_is_deleted_after_each_run() -> None:
    key = ("default", "acr-pull")
    before: dict[tuple[str, str], Repairs] = {}
    contended = []
    for number in range(4):
        action = planned(None, now=NOW + number * 5 * MINUTE, before=before)
        assert action.apply
        contended.append(action.contended)
        before[key] = action.apply.repairs
    assert [bool(each) for each in contended] == [False, False, False, True]
    assert contended[-1][0].startswith(
        "contended: a competing controller deleted the Secret again after each of 3 repairs"
    )


def test_the_memory_counts_where_the_annotation_was_removed() -> None:
    remembered = {("default", "acr-pull"): ((Repaired.DATA, Repair(2, NOW - MINUTE)),)}
    assert planned(overwritten(secret()), before=remembered).contended
    old = {("default", "acr-pull"): ((Repaired.DATA, Repair(2, NOW - 2 * HOUR)),)}
    assert planned(overwritten(secret()), before=old).contended == ()


def test_of_annotation_and_memory_the_higher_count_applies() -> None:
    low, high = Repair(1, NOW), Repair(2, NOW)
    assert merged(((Repaired.DATA, low),), ((Repaired.DATA, high),)) == ((Repaired.DATA, high),)
    assert merged(((Repaired.DATA, high),), ((Repaired.DATA, low),)) == ((Repaired.DATA, high),)
    both = ((Repaired.SECRET, low), (Repaired.BINDING, high))
    assert merged(both[1:], both[:1]) == both


def test_a_new_secret_has_no_count() -> None:
    action = planned(None)
    assert action.apply
    content = content_to_write(action.apply, {"main": credential()}, NOW, "run")
    assert content
    assert REPAIRS_ANNOTATION not in content.annotations


# ---- type, labels and immutability ---------------------------------------------------------------


def test_a_type_that_comes_back_is_not_replaced_again_before_the_token_is_due() -> None:
    found = retyped(after(Repaired.TYPE, 3))
    action = planned(found)
    assert action.apply is None
    assert action.contended
    due = planned(found, now=NOW + 50 * MINUTE)
    assert due.apply
    assert (due.apply.reason, due.apply.replace) == (Reason.NEAR_EXPIRY, True)


def test_a_configured_label_that_is_taken_off_again_and_again_is_contended() -> None:
    metadata = SecretMetadata((("team", "shop"),))
    pull_secret = replace(wanted(MAIN), metadata=metadata)
    content = build_secret((credential(),), NOW, "run-0", metadata)
    found = replace(secret(), annotations=content.annotations, labels={})
    for number in range(3):
        now = NOW + number * MINUTE
        action = planned(found, now=now, pull_secret=pull_secret)
        assert action.apply
        assert action.apply.reason is Reason.METADATA_CHANGED
        found = replace(written(found, action, now), labels={})
    assert "changed configured labels or annotations" in action.contended[0]


def test_an_immutable_secret_is_contended_and_stays_until_a_token_is_due() -> None:
    action = planned(secret(immutable=True))
    assert (action.apply, action.contended) == (None, (IMMUTABLE,))
    due = planned(secret(credential(expires_in=MINUTE), immutable=True))
    assert due.apply
    assert due.apply.replace


OURS = secret(managed=False, managers=("acr-refresher", "policy"))


@pytest.mark.parametrize(
    ("found", "result", "reason"),
    [
        pytest.param(OURS, Result.CONTENDED, Reason.LABEL_CHANGED, id="label-changed"),
        pytest.param(
            replace(OURS, managers=("kubectl",)),
            Result.CONFLICT,
            Reason.FOREIGN_SECRET,
            id="a-copy-that-somebody-made",
        ),
        pytest.param(
            replace(OURS, dockerconfigjson=SecretStr("{}")),
            Result.CONFLICT,
            Reason.FOREIGN_SECRET,
            id="taken-over-with-other-data",
        ),
    ],
)
def test_a_secret_of_ours_whose_label_was_changed_is_left_alone(
    found: SecretState, result: Result, reason: Reason
) -> None:
    [[action]] = plan((wanted(MAIN),), state(found, accounts=(OLD,)), request(), NOW)
    assert isinstance(action, Skip)
    assert (action.result, action.reason) == (result, reason)
    assert bool(action.entries) is (reason is Reason.LABEL_CHANGED)
    cluster = Cluster("prod", InClusterAccess(), (wanted(MAIN),))
    [status] = secret_statuses(cluster, state(found), NOW)
    assert status.state.value == result.value


# ---- the answer to a write -----------------------------------------------------------------------

CONTENT = replace(build_secret((credential(),), NOW, "run-1"), labels={"team": "shop"})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"managed": False}, "label app.kubernetes.io/managed-by"),
        ({"type": "Opaque"}, "type"),
        ({"immutable": True}, "immutable"),
        ({"dockerconfigjson": SecretStr("{}")}, "data"),
        ({"labels": {"team": "web"}}, "label team"),
        (
            {"annotations": {**CONTENT.annotations, "acr-refresher/run": "x"}},
            "annotation acr-refresher/run",
        ),
        ({"immutable": True, "type": "Opaque"}, "type, immutable"),
    ],
)
def test_what_the_cluster_changed_in_a_write_is_named(
    changes: Mapping[str, object], named: str
) -> None:
    [warning] = mutations(CONTENT, as_written("default", "acr-pull", CONTENT, **changes))
    assert warning == (
        "contended: a policy or webhook of the cluster changed the Secret while it was written"
        f" ({named}): exempt the Secret from it"
    )


def test_what_others_add_is_no_contention() -> None:
    more = {**CONTENT.annotations, "policies.kyverno.io/last-applied": "x"}
    labels = {**CONTENT.labels, "injected": "yes"}
    answer = as_written("default", "acr-pull", CONTENT, annotations=more, labels=labels)
    assert mutations(CONTENT, answer) == ()


# ---- an annotation that somebody edited ----------------------------------------------------------


@pytest.mark.parametrize(
    "recorded",
    [
        "",
        "[]",
        "7",
        '{"data":7}',
        '{"data":[]}',
        '{"data":["3","2026-01-31T12:00:00Z"]}',
        '{"data":[true,"2026-01-31T12:00:00Z"]}',
        '{"data":[0,"2026-01-31T12:00:00Z"]}',
        '{"data":[3,"9999-12-31T23:59:59Z"]}',
        '{"data":[3,7]}',
        '{"other":[3,"2026-01-31T12:00:00Z"]}',
        '{"data":[3,"2026-01-31T12:00:00Z"],"x":"' + "x" * 1000 + '"}',
        "[" * 999,
    ],
)
def test_a_count_that_cannot_be_ours_is_none(recorded: str) -> None:
    assert read_repairs({REPAIRS_ANNOTATION: recorded}, NOW) == ()


def test_a_count_that_is_too_high_is_cut() -> None:
    recorded = {REPAIRS_ANNOTATION: f'{{"data":[{10**18},"{rfc3339(NOW)}"]}}'}
    assert read_repairs(recorded, NOW) == ((Repaired.DATA, Repair(999, NOW)),)


@given(st.text() | st.dictionaries(st.sampled_from([*Repaired]), st.lists(st.integers())).map(str))
def test_any_text_in_place_of_the_count_is_read_without_an_error(recorded: str) -> None:
    read_repairs({REPAIRS_ANNOTATION: recorded}, NOW)
