from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from acr_refresher.core.merge import content_to_write
from acr_refresher.core.model import Credential, Registry, SecretContent
from acr_refresher.core.outcome import (
    Action,
    ApplySecret,
    Failure,
    Reconcile,
    Remove,
    SecretOutcome,
    Skip,
    Terms,
    accounts_changed,
    costs_requests,
    failed_outcome,
    holds_valid_logins,
    not_ours_outcome,
    planned_outcome,
    reconciled_outcome,
    refused_outcome,
    removal_outcome,
    skipped_outcome,
)
from acr_refresher.core.reasons import Reason, Result
from factories import HOUR, MAIN, MINUTE, NOW, PARTNER, account, credential, logins, request

OLD, NEW = "old-token", "new-token"
UNREACHABLE = Failure("unreachable", "no answer")


def apply(
    *mint: Registry,
    kept: tuple[Credential, ...] = (),
    fallback: tuple[Credential, ...] = (),
    reason: Reason = Reason.NEAR_EXPIRY,
) -> ApplySecret:
    return ApplySecret(Terms(mint, request(), 15 * MINUTE, NOW), reason, mint, kept, fallback)


def content(wanted: ApplySecret, *minted: Credential) -> SecretContent | None:
    return content_to_write(wanted, {each.entry.registry: each for each in minted}, NOW, "run-7")


def serve(wanted: ApplySecret | None, *bind: str, waiting_for: tuple[str, ...] = ()) -> Reconcile:
    return Reconcile(
        namespace="default",
        secret="acr-pull",
        uid=None if wanted is CREATE else "uid",
        resource_version=None if wanted is CREATE else "1",
        apply=wanted,
        bind=tuple(account(name) for name in bind),
        service_accounts=("builder", "default"),
        waiting_for=waiting_for,
        entries=(credential(MAIN, 10 * MINUTE).entry,),
    )


# ---- what is written -----------------------------------------------------------------------------


def test_new_tokens_join_those_that_are_still_fresh() -> None:
    wanted = apply(MAIN, kept=(credential(PARTNER, password=OLD),))
    written = content(wanted, credential(MAIN, password=NEW))
    assert written
    assert logins(written.dockerconfigjson) == {
        "main.example.com": NEW,
        "partner.example.com": OLD,
    }


def test_a_registry_that_could_not_be_minted_keeps_its_valid_token() -> None:
    old = (credential(MAIN, MINUTE, password=OLD), credential(PARTNER, MINUTE, password=OLD))
    written = content(apply(MAIN, PARTNER, fallback=old), credential(MAIN, HOUR, password=NEW))
    assert written
    assert logins(written.dockerconfigjson) == {
        "main.example.com": NEW,
        "partner.example.com": OLD,
    }
    assert written.annotations["acr-refresher/expires-at"] == "2026-01-31T12:01:00Z"


def test_with_nothing_minted_nothing_is_written() -> None:
    assert content(apply(MAIN, fallback=(credential(MAIN, MINUTE),))) is None


def test_dropping_a_registry_needs_no_minting() -> None:
    written = content(apply(kept=(credential(MAIN, password=OLD),)))
    assert written
    assert logins(written.dockerconfigjson) == {"main.example.com": OLD}


def test_an_empty_secret_is_never_written() -> None:
    assert content(apply()) is None


# ---- what came of it -----------------------------------------------------------------------------

WRITTEN = content(apply(MAIN), credential(MAIN, HOUR))
CREATE = apply(MAIN, reason=Reason.SECRET_MISSING)
RENEW = apply(MAIN)
RENEW_ONE_OF_TWO = apply(MAIN, kept=(credential(PARTNER),))


@pytest.mark.parametrize(
    ("wanted", "written", "unminted", "unwritten", "result"),
    [
        pytest.param(CREATE, WRITTEN, False, False, Result.CREATED, id="created"),
        pytest.param(RENEW, WRITTEN, False, False, Result.RENEWED, id="renewed"),
        pytest.param(RENEW, WRITTEN, True, False, Result.INCOMPLETE, id="written-without-one"),
        pytest.param(RENEW, None, True, False, Result.FAILED, id="nothing-minted"),
        pytest.param(
            RENEW_ONE_OF_TWO, None, True, False, Result.INCOMPLETE, id="the-others-still-hold"
        ),
        pytest.param(RENEW, None, False, True, Result.FAILED, id="not-written"),
        pytest.param(RENEW, WRITTEN, False, True, Result.FAILED, id="not-bound"),
        pytest.param(RENEW, WRITTEN, True, True, Result.FAILED, id="neither"),
        pytest.param(None, None, False, False, Result.UNCHANGED, id="fresh"),
        pytest.param(None, None, False, True, Result.FAILED, id="fresh-but-not-bound"),
    ],
)
def test_the_result_shows_what_succeeded(
    wanted: ApplySecret | None,
    written: SecretContent | None,
    unminted: bool,
    unwritten: bool,
    result: Result,
) -> None:
    outcome = reconciled_outcome(
        serve(wanted),
        written,
        unminted=(UNREACHABLE,) * unminted,
        unwritten=(UNREACHABLE,) * unwritten,
    )
    assert outcome.result is result
    assert outcome.reason is (wanted.reason if wanted else Reason.FRESH)
    assert len(outcome.failures) == unminted + unwritten


def test_a_fresh_secret_that_was_bound_has_the_result_bound() -> None:
    outcome = reconciled_outcome(serve(None, "builder"), bound=("builder",))
    assert (outcome.result, outcome.bound) == (Result.BOUND, ("builder",))
    assert outcome.service_accounts == ("builder", "default")


def test_an_account_that_could_not_be_bound_is_not_among_the_bound() -> None:
    outcome = reconciled_outcome(serve(None, "builder"), unwritten=(UNREACHABLE,))
    assert (outcome.bound, outcome.service_accounts) == ((), ("default",))


def test_waiting_for_an_account_is_not_a_failure() -> None:
    outcome = reconciled_outcome(serve(None, waiting_for=("runner",)))
    assert (outcome.result, outcome.waiting_for) == (Result.WAITING, ("runner",))


def test_the_outcome_has_the_hosts_and_expiry_of_the_present_secret() -> None:
    after = reconciled_outcome(serve(RENEW), WRITTEN)
    before = reconciled_outcome(serve(RENEW), unminted=(UNREACHABLE,))
    assert (after.expires_at, before.expires_at) == (NOW + HOUR, NOW + 10 * MINUTE)
    assert after.hosts == ("main.example.com",)


@pytest.mark.parametrize(
    ("meaning", "wanted", "result", "reason"),
    [
        ("gone", RENEW, Result.SKIPPED, Reason.NAMESPACE_GONE),
        ("conflict", CREATE, Result.CONFLICT, Reason.FOREIGN_SECRET),
        ("conflict", RENEW, Result.CONFLICT, Reason.CHANGED_MEANWHILE),
        ("denied", RENEW, Result.FAILED, Reason.NEAR_EXPIRY),
    ],
)
def test_a_refused_write_has_a_reason_by_its_meaning(
    meaning: str, wanted: ApplySecret, result: Result, reason: Reason
) -> None:
    outcome = refused_outcome(serve(wanted), Failure(meaning, "no"), ())
    assert (outcome.result, outcome.reason) == (result, reason)


def test_a_refused_write_does_not_hide_what_could_not_be_minted() -> None:
    refusal = Failure("conflict", "no")
    outcome = refused_outcome(serve(RENEW), refusal, (UNREACHABLE,))
    assert outcome.failures == (UNREACHABLE, refusal)


@pytest.mark.parametrize("meaning", ["gone", "conflict", "denied"])
def test_what_the_namespace_is_warned_of_is_kept_when_the_write_is_refused(meaning: str) -> None:
    action = replace(serve(RENEW), warnings=("a competing controller",))
    outcome = refused_outcome(action, Failure(meaning, "no"), ())
    assert outcome.warnings == ("a competing controller",)


HELD = (credential(MAIN, 10 * MINUTE).entry,)
CLEAR = Remove(
    "old", "acr-pull", (account("default", "acr-pull", namespace="old"),), "uid", "1", HELD
)
LEAVE = Skip("theirs", "acr-pull", Result.CONFLICT, Reason.FOREIGN_SECRET)
REFUSED = Skip("old", "acr-pull", Result.FAILED, Reason.REMOVAL_BLOCKED, HELD)
ENDING = Skip("old", "acr-pull", Result.SKIPPED, Reason.NAMESPACE_TERMINATING, HELD)


def test_a_removal_is_reported_unless_something_failed() -> None:
    assert removal_outcome(CLEAR).result is Result.REMOVED
    assert removal_outcome(CLEAR, (UNREACHABLE,)).result is Result.FAILED


@pytest.mark.parametrize(
    ("action", "result"),
    [
        (serve(RENEW), Result.PLANNED),
        (serve(None, "builder"), Result.PLANNED),
        (serve(None), Result.UNCHANGED),
        (CLEAR, Result.PLANNED),
        (LEAVE, Result.CONFLICT),
    ],
)
def test_a_dry_run_reports_what_would_happen(action: Action, result: Result) -> None:
    assert planned_outcome(action).result is result


def test_a_dry_run_names_the_accounts_that_would_be_bound() -> None:
    assert planned_outcome(serve(None, "builder")).bound == ("builder",)


@pytest.mark.parametrize(
    ("action", "result"),
    [(serve(RENEW), Result.FAILED), (CLEAR, Result.FAILED), (LEAVE, Result.CONFLICT)],
)
def test_an_unexpected_error_fails_its_namespace(action: Action, result: Result) -> None:
    assert failed_outcome(action, Failure("bug", "x")).result is result


@pytest.mark.parametrize(
    "outcome_of",
    [
        pytest.param(lambda: reconciled_outcome(serve(None)), id="fresh"),
        pytest.param(
            lambda: reconciled_outcome(serve(RENEW), unminted=(UNREACHABLE,)), id="not minted"
        ),
        pytest.param(lambda: refused_outcome(serve(RENEW), UNREACHABLE, ()), id="not written"),
        pytest.param(
            lambda: refused_outcome(serve(RENEW), Failure("conflict", "no"), ()),
            id="changed meanwhile",
        ),
        pytest.param(lambda: failed_outcome(serve(RENEW), UNREACHABLE), id="cut off"),
        pytest.param(lambda: removal_outcome(CLEAR, (UNREACHABLE,)), id="not removed"),
        pytest.param(lambda: failed_outcome(CLEAR, UNREACHABLE), id="cut off before removal"),
        pytest.param(lambda: planned_outcome(CLEAR), id="to be removed"),
        pytest.param(lambda: skipped_outcome(REFUSED), id="left by the removal guard"),
        pytest.param(lambda: skipped_outcome(ENDING), id="in a namespace that is being deleted"),
    ],
)
def test_every_outcome_of_an_existing_secret_has_its_expiry(
    outcome_of: Callable[[], SecretOutcome],
) -> None:
    outcome = outcome_of()
    assert outcome.expires_at == NOW + 10 * MINUTE
    assert outcome.hosts == ("main.example.com",)


@pytest.mark.parametrize(
    "outcome_of",
    [
        pytest.param(lambda: removal_outcome(CLEAR), id="removed"),
        pytest.param(lambda: refused_outcome(serve(RENEW), Failure("gone", "no"), ()), id="gone"),
        pytest.param(lambda: skipped_outcome(LEAVE), id="somebody else's"),
    ],
)
def test_an_outcome_without_a_secret_has_no_expiry(outcome_of: Callable[[], SecretOutcome]) -> None:
    outcome = outcome_of()
    assert (outcome.expires_at, outcome.hosts) == (None, ())


@pytest.mark.parametrize(
    ("action", "costs", "accounts"),
    [
        pytest.param(serve(RENEW), True, 0, id="a renewal"),
        pytest.param(serve(None, "default", "builder"), True, 2, id="a binding"),
        pytest.param(serve(None), False, 0, id="a fresh secret"),
        pytest.param(CLEAR, True, 1, id="a removal"),
        pytest.param(LEAVE, False, 0, id="somebody else's"),
    ],
)
def test_the_requests_that_actions_cost(action: Action, costs: bool, accounts: int) -> None:
    assert costs_requests((action,)) is costs
    assert accounts_changed((action, LEAVE)) == accounts


# ---- a renewal that failed ----------------------------------------------------------------------

VALID = (credential(MAIN, 10 * MINUTE),)
EXPIRED = (credential(MAIN, -MINUTE),)
FORMER = (replace(VALID[0], entry=replace(VALID[0].entry, inputs="former")),)


@pytest.mark.parametrize(
    ("wanted", "bind", "result"),
    [
        pytest.param(apply(MAIN, fallback=VALID), (), Result.KEPT, id="all valid"),
        pytest.param(apply(MAIN, fallback=EXPIRED), (), Result.FAILED, id="expired"),
        pytest.param(apply(MAIN, fallback=FORMER), (), Result.FAILED, id="of another instance"),
        pytest.param(apply(MAIN, PARTNER, fallback=VALID), (), Result.FAILED, id="one of two"),
        pytest.param(
            replace(apply(MAIN, fallback=VALID), replace=True), (), Result.FAILED, id="replaced"
        ),
        pytest.param(apply(MAIN, fallback=VALID), ("builder",), Result.FAILED, id="not bound"),
        pytest.param(None, ("builder",), Result.FAILED, id="fresh and not bound"),
    ],
)
def test_a_secret_that_was_not_written_is_kept_if_it_serves_all_its_registries(
    wanted: ApplySecret | None, bind: tuple[str, ...], result: Result
) -> None:
    action = serve(wanted, *bind)
    assert failed_outcome(action, UNREACHABLE).result is result
    if not bind:
        assert reconciled_outcome(action, unminted=(UNREACHABLE,)).result is result


def test_a_removal_of_what_is_no_longer_ours_is_a_conflict() -> None:
    action = Remove("default", "acr-pull", (), "uid", "1", (credential().entry,))
    outcome = not_ours_outcome(action, UNREACHABLE)
    assert (outcome.result, outcome.reason) == (Result.CONFLICT, Reason.CHANGED_MEANWHILE)
    assert outcome.failures == (UNREACHABLE,)


def test_a_fresh_secret_holds_valid_logins_and_one_that_expires_does_not() -> None:
    assert holds_valid_logins(serve(None))
    assert not holds_valid_logins(serve(apply(MAIN, fallback=(credential(MAIN, -MINUTE),))))
