from __future__ import annotations

from dataclasses import replace

import pytest

from acr_refresher.core.model import ClusterState, PullSecret, SecretState
from acr_refresher.core.outcome import (
    Action,
    ApplySecret,
    Failure,
    Reconcile,
    Remove,
    Skip,
    skipped_outcome,
)
from acr_refresher.core.plan import plan
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.secret import ENTRIES_ANNOTATION
from factories import (
    HOUR,
    MAIN,
    MINUTE,
    NOW,
    PARTNER,
    account,
    credential,
    namespace,
    request,
    secret,
    state,
    wanted,
)

BOUND = account("default", "theirs", "acr-pull")
UNBOUND = account("default", "theirs")
HELD = (credential().entry,)


def planned(want: PullSecret, found: ClusterState, **asked: object) -> tuple[Action, ...]:
    groups = plan((want,), found, request(**asked), NOW)
    assert all(len(group) == 1 for group in groups)
    return tuple(action for group in groups for action in group)


def served(want: PullSecret, found: ClusterState, **asked: object) -> Reconcile:
    (action,) = planned(want, found, **asked)
    assert isinstance(action, Reconcile)
    return action


def applied(want: PullSecret, found: ClusterState, **asked: object) -> ApplySecret:
    apply = served(want, found, **asked).apply
    assert apply is not None
    return apply


# ---- the truth table: secret state x reference state ---------------------------------------------


@pytest.mark.parametrize("reference", [BOUND, UNBOUND], ids=["bound", "unbound"])
@pytest.mark.parametrize(
    ("found", "reason"),
    [
        pytest.param((), Reason.SECRET_MISSING, id="none"),
        pytest.param((secret(credential(expires_in=MINUTE)),), Reason.NEAR_EXPIRY, id="due"),
        pytest.param((secret(),), None, id="fresh"),
        pytest.param((secret(type_="Opaque"),), Reason.WRONG_TYPE, id="wrong-type"),
        pytest.param((secret(document="{}"),), Reason.DATA_DRIFTED, id="drifted"),
    ],
)
def test_a_selected_namespace_is_reconciled(
    found: tuple[SecretState, ...], reason: Reason | None, reference: object
) -> None:
    action = served(wanted(), state(*found, accounts=[reference]))  # type: ignore[list-item]  # both are accounts
    assert (action.apply and action.apply.reason) == reason
    assert action.bind == (() if reference is BOUND else (UNBOUND,))
    assert action.service_accounts == ("default",)
    assert action.waiting_for == ()


def test_a_foreign_secret_is_a_conflict_and_nothing_is_bound() -> None:
    found = state(secret(managed=False), accounts=[UNBOUND])
    assert planned(wanted(), found) == (
        Skip("default", "acr-pull", Result.CONFLICT, Reason.FOREIGN_SECRET),
    )


def test_force_does_not_change_a_foreign_secret() -> None:
    (action,) = planned(wanted(), state(secret(managed=False)), force=True)
    assert action == Skip("default", "acr-pull", Result.CONFLICT, Reason.FOREIGN_SECRET)


def test_our_secret_is_unbound_and_removed_from_a_deselected_namespace() -> None:
    theirs = account("runner", "acr-pull-2", namespace="old")
    ours = account("default", "theirs", "acr-pull", namespace="old")
    kept = [secret(namespace=f"n{i}") for i in range(4)]
    found = state(
        secret(namespace="old"),
        *kept,
        namespaces=["old", *(each.namespace for each in kept)],
        accounts=[theirs, ours],
    )
    actions = planned(wanted(namespaces=("n*",)), found)
    assert actions[0] == Remove("old", "acr-pull", (ours,), "uid-old", "1", HELD)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(state(namespaces=["other"]), id="no-secret"),
        pytest.param(
            state(secret(namespace="other", managed=False), namespaces=["other"]), id="a-strangers"
        ),
        pytest.param(state(secret(namespace="unlisted"), namespaces=[]), id="not-listed-yet"),
        pytest.param(state(namespaces=[namespace("other", terminating=True)]), id="ending"),
    ],
)
def test_a_namespace_that_is_not_selected_and_has_no_secret_of_ours_has_no_action(
    found: ClusterState,
) -> None:
    assert planned(wanted(), found) == ()


@pytest.mark.parametrize("selected", ["ending", "another"])
def test_a_terminating_namespace_is_skipped(selected: str) -> None:
    found = state(secret(namespace="ending"), namespaces=[namespace("ending", terminating=True)])
    assert planned(wanted(namespaces=(selected,)), found) == (
        Skip("ending", "acr-pull", Result.SKIPPED, Reason.NAMESPACE_TERMINATING, HELD),
    )


# ---- service accounts ----------------------------------------------------------------------------


def test_a_star_binds_every_service_account() -> None:
    accounts = [account("builder"), account("default", "acr-pull"), account("runner", "theirs")]
    action = served(wanted(service_accounts=()), state(secret(), accounts=accounts))
    assert action.bind == (account("builder"), account("runner", "theirs"))
    assert action.service_accounts == ("builder", "default", "runner")


def test_a_run_waits_for_a_named_account_that_does_not_exist() -> None:
    want = wanted(service_accounts=("default", "builder"))
    action = served(want, state(secret(), accounts=[BOUND]))
    assert (action.bind, action.waiting_for) == ((), ("builder",))


def test_named_accounts_are_selected_and_missing_accounts_are_reported() -> None:
    there = state(accounts=(account("runner"), account("default"), account("other")))
    action = served(wanted(service_accounts=("default", "runner", "later")), there)
    assert action.service_accounts == ("default", "runner")
    assert action.waiting_for == ("later",)


def test_no_names_select_all_accounts_of_the_namespace() -> None:
    there = state(accounts=(account("runner"), account("default")))
    action = served(wanted(service_accounts=()), there)
    assert action.service_accounts == ("default", "runner")
    assert action.waiting_for == ()


def test_accounts_of_other_namespaces_do_not_count() -> None:
    action = served(wanted(), state(secret(), accounts=[account(namespace="elsewhere")]))
    assert (action.bind, action.waiting_for) == ((), ("default",))


# ---- what is minted, what is kept ----------------------------------------------------------------

BOTH = wanted(MAIN, PARTNER)


def test_only_the_registry_that_is_due_is_minted() -> None:
    due, fresh = credential(MAIN, MINUTE), credential(PARTNER, HOUR)
    apply = applied(BOTH, state(secret(due, fresh)))
    assert apply.mint == (MAIN,)
    assert apply.kept == (fresh,)
    assert apply.fallback == (due,)


def test_an_expired_credential_stays_until_there_is_a_new_one() -> None:
    """It does no harm, and our clock may be wrong."""
    expired = credential(MAIN, -MINUTE)
    apply = applied(BOTH, state(secret(expired, credential(PARTNER, HOUR))))
    assert (apply.reason, apply.mint, apply.fallback) == (Reason.EXPIRED, (MAIN,), (expired,))


def test_the_most_important_of_several_reasons_is_given() -> None:
    found = secret(credential(MAIN, MINUTE))
    apply = applied(BOTH, state(found))
    assert apply.reason is Reason.REGISTRY_MISSING
    assert apply.mint == (MAIN, PARTNER)


def test_a_registry_no_longer_wanted_is_dropped_without_minting() -> None:
    apply = applied(wanted(MAIN), state(secret(credential(MAIN), credential(PARTNER))))
    assert apply.reason is Reason.REGISTRY_REMOVED
    assert apply.mint == ()
    assert apply.kept == (credential(MAIN),)


def test_force_renews_everything_and_keeps_the_old_tokens_as_fallback() -> None:
    held = (credential(MAIN), credential(PARTNER))
    apply = applied(BOTH, state(secret(*held)), force=True)
    assert (apply.reason, apply.mint, apply.fallback) == (Reason.FORCED, (MAIN, PARTNER), held)


@pytest.mark.parametrize(
    "found",
    [secret(type_="Opaque"), secret(credential(expires_in=MINUTE), immutable=True)],
    ids=["type", "immutable-and-due"],
)
def test_what_cannot_be_changed_is_replaced(found: SecretState) -> None:
    action = served(wanted(), state(found))
    assert action.apply
    assert (action.apply.replace, action.uid) == (True, "uid-default")


def test_the_secret_found_is_the_one_that_is_changed() -> None:
    assert served(wanted(), state(secret())).uid == "uid-default"
    assert served(wanted(), state()).uid is None


# ---- the request's scope -------------------------------------------------------------------------


def test_only_requested_namespaces_have_actions() -> None:
    found = state(namespaces=["team-a", "team-b", "prod"])
    actions = planned(wanted(namespaces=("all",)), found, namespaces=("team-*",))
    assert [action.namespace for action in actions] == ["team-a", "team-b"]


def test_only_requested_registries_are_minted_and_the_others_are_kept() -> None:
    held = (credential(MAIN, MINUTE), credential(PARTNER, MINUTE))
    apply = applied(BOTH, state(secret(*held)), registries=("part*",), force=True)
    assert apply.mint == (PARTNER,)
    assert apply.kept == (held[0],)


def test_a_request_for_some_registries_removes_nothing() -> None:
    found = state(secret(namespace="old"), namespaces=["old"])
    assert planned(wanted(), found, registries=("main",), force=True) == ()


# ---- the removal guard ---------------------------------------------------------------------------


def cluster_of(deselected: int, selected: int) -> ClusterState:
    names = [f"old-{i}" for i in range(deselected)] + [f"new-{i}" for i in range(selected)]
    return state(*(secret(namespace=name) for name in names), namespaces=names)


@pytest.mark.parametrize(
    ("deselected", "selected", "refused"),
    [
        pytest.param(3, 7, False, id="30 %"),
        pytest.param(4, 6, True, id="40 %"),
        pytest.param(10, 0, True, id="all of ten"),
        pytest.param(4, 5, False, id="44 % of nine"),
        pytest.param(1, 2, False, id="one of three"),
        pytest.param(1, 0, False, id="the only one"),
        pytest.param(0, 1, False, id="none"),
    ],
)
def test_more_than_thirty_percent_of_ten_or_more_are_not_removed_in_one_run(
    deselected: int, selected: int, refused: bool
) -> None:
    actions = planned(wanted(namespaces=("new-*",)), cluster_of(deselected, selected))
    refusals = [action for action in actions if isinstance(action, Skip)]
    assert len(refusals) == (deselected if refused else 0)
    assert all(
        (each.result, each.reason) == (Result.FAILED, Reason.REMOVAL_BLOCKED) for each in refusals
    )
    assert sum(isinstance(each, Reconcile) for each in actions) == selected


def test_the_guard_keeps_what_the_namespace_is_warned_of() -> None:
    helper = account("default", "acr-credential-secret-aggregation", namespace="old-0")
    found = replace(cluster_of(10, 0), service_accounts=(helper,))
    first = planned(wanted(namespaces=("new-*",)), found)[0]
    assert isinstance(first, Skip)
    assert "the ACK credential helper's secret is also bound" in first.warnings[0]


def test_an_action_has_the_version_of_the_secret_that_was_found() -> None:
    """A write that carries over credentials must not undo a newer write."""
    assert served(wanted(), state(secret())).resource_version == "1"
    assert served(wanted(), state()).resource_version is None


def test_a_request_that_allows_it_overrides_the_guard() -> None:
    actions = planned(wanted(namespaces=("new-*",)), cluster_of(10, 0), allow_removal=True)
    assert all(isinstance(action, Remove) for action in actions)
    assert len(actions) == 10


def test_force_does_not_override_the_guard() -> None:
    actions = planned(wanted(namespaces=("new-*",)), cluster_of(10, 0), force=True)
    assert all(isinstance(action, Skip) for action in actions)


def test_allowing_removal_renews_nothing() -> None:
    (action,) = planned(wanted(), state(secret(), accounts=[BOUND]), allow_removal=True)
    assert isinstance(action, Reconcile)
    assert action.apply is None


def foreign_secrets_with_our_label(number: int) -> ClusterState:
    """Secrets of our name and label that hold no record, in namespaces that are not selected."""
    names = [f"s{i}" for i in range(number)]
    return state(*(secret(namespace=name, annotations={}) for name in names), namespaces=names)


def test_foreign_secrets_with_our_label_do_not_trigger_the_guard() -> None:
    found, strangers = cluster_of(3, 7), foreign_secrets_with_our_label(3)
    both = ClusterState(
        found.namespaces + strangers.namespaces, found.secrets + strangers.secrets, ()
    )
    actions = planned(wanted(namespaces=("new-*",)), both)
    assert sum(isinstance(action, Remove) for action in actions) == 6


@pytest.mark.parametrize(
    "strangers",
    [
        pytest.param(
            tuple(secret(namespace=f"s{i}", managed=False) for i in range(10)), id="no label"
        ),
        pytest.param(foreign_secrets_with_our_label(10).secrets, id="no record"),
        pytest.param(
            tuple(
                secret(
                    namespace=each.namespace,
                    annotations={
                        **secret().annotations,
                        ENTRIES_ANNOTATION: secret()
                        .annotations[ENTRIES_ANNOTATION]
                        .replace("2026-01-31T13", "2199-12-31T13"),
                    },
                )
                for each in foreign_secrets_with_our_label(10).secrets
            ),
            id="a record that never ends",
        ),
    ],
)
def test_foreign_secrets_do_not_weaken_the_guard(strangers: tuple[SecretState, ...]) -> None:
    found = cluster_of(4, 6)
    actions = planned(
        wanted(namespaces=("new-*",)), replace(found, secrets=found.secrets + strangers)
    )
    refused = Skip("old-0", "acr-pull", Result.FAILED, Reason.REMOVAL_BLOCKED, HELD)
    assert refused in actions


# ---- namespaces that could not be read -----------------------------------------------------------

UNREAD = Failure("invalid", "the answer is too large")


@pytest.mark.parametrize("found", [(), (secret(),), (secret(managed=False),)])
def test_a_namespace_that_could_not_be_read_is_left_alone(found: tuple[SecretState, ...]) -> None:
    unread = replace(state(*found), unreadable={"default": UNREAD})
    [action] = planned(wanted(), unread, force=True)
    assert isinstance(action, Skip)
    outcome = skipped_outcome(action)
    assert (outcome.result, outcome.reason) == (Result.FAILED, Reason.NAMESPACE_UNREADABLE)
    assert outcome.failures == (UNREAD,)


def test_a_deselected_namespace_that_could_not_be_read_keeps_its_secret() -> None:
    unread = replace(state(secret()), unreadable={"default": UNREAD})
    [action] = planned(wanted(namespaces=("other",)), unread)
    assert isinstance(action, Skip)


def test_a_namespace_that_is_not_selected_need_not_be_read() -> None:
    unread = replace(state(), unreadable={"default": UNREAD})
    assert planned(wanted(namespaces=("other",)), unread) == ()
