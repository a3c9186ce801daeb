"""What is written to a secret, above all if it was changed from outside."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acr_refresher.core.merge import content_to_write
from acr_refresher.core.model import ClusterState, Credential, Registry, SecretState
from acr_refresher.core.outcome import ApplySecret, Reconcile, Terms
from acr_refresher.core.plan import plan
from acr_refresher.core.reasons import Reason
from acr_refresher.core.renewal import decide, replan
from acr_refresher.core.secret import ENTRIES_ANNOTATION, inputs_digest
from factories import (
    HOUR,
    MAIN,
    MINUTE,
    NOW,
    PARTNER,
    credential,
    logins,
    request,
    secret,
    state,
    wanted,
)

HOSTS = ("main.example.com", "partner.example.com")


def terms(*registries: Registry, **asked: object) -> Terms:
    return Terms(registries or (MAIN, PARTNER), request(**asked), 15 * MINUTE, NOW)


def decided(found: SecretState | None, **asked: object) -> ApplySecret:
    apply = decide(terms(**asked), found)
    assert apply is not None
    return apply


def written(found: SecretState, *minted: Registry, **asked: object) -> SecretState:
    """The secret after a run that could mint these registries."""
    tokens = {each.name: credential(each, password="new") for each in minted}
    content = content_to_write(decided(found, **asked), tokens, NOW, "run-1")
    assert content is not None
    return replace(
        found, annotations=content.annotations, dockerconfigjson=content.dockerconfigjson
    )


INTACT = secret(credential(MAIN), credential(PARTNER))
OVERWRITTEN = replace(
    INTACT,
    dockerconfigjson=secret(
        credential(MAIN), credential(PARTNER, password="theirs")
    ).dockerconfigjson,
)
"""A secret into which another login was written from outside, in our format."""


# ---- a secret that somebody changed --------------------------------------------------------------


def test_a_changed_secret_is_renewed_completely_whatever_was_requested() -> None:
    apply = decided(OVERWRITTEN, registries=("main",), force=True)
    assert apply.reason is Reason.DATA_DRIFTED
    assert apply.mint == (MAIN, PARTNER)
    assert apply.kept == ()


def test_a_login_from_a_changed_secret_is_kept_but_marked_as_untrusted() -> None:
    after = written(OVERWRITTEN, MAIN)
    assert logins(after.dockerconfigjson) == dict(zip(HOSTS, ("new", "theirs"), strict=True))
    next_run = decided(after)
    assert (next_run.reason, next_run.mint) == (Reason.DATA_DRIFTED, (PARTNER,))


def test_a_request_for_another_registry_keeps_the_mark() -> None:
    after = written(written(OVERWRITTEN, MAIN), MAIN, registries=("main",), force=True)
    assert logins(after.dockerconfigjson) == dict(zip(HOSTS, ("new", "theirs"), strict=True))
    assert decided(after).mint == (PARTNER,)


def test_once_all_is_renewed_the_secret_is_fresh() -> None:
    assert decide(terms(), written(OVERWRITTEN, MAIN, PARTNER)) is None
    assert decide(terms(), written(written(OVERWRITTEN, MAIN), PARTNER)) is None


@pytest.mark.parametrize(
    ("what", "instead"),
    [
        pytest.param('"expiresAt":"2026', '"expiresAt":"2036', id="expiry"),
        pytest.param('"hosts":["main.example.com"]', '"hosts":[]', id="hosts"),
        pytest.param(inputs_digest(MAIN), inputs_digest(PARTNER), id="inputs"),
    ],
)
def test_an_edited_record_is_noticed(what: str, instead: str) -> None:
    found = secret(credential(expires_in=HOUR))
    edited = found.annotations[ENTRIES_ANNOTATION].replace(what, instead)
    assert edited != found.annotations[ENTRIES_ANNOTATION]
    annotations = {**found.annotations, ENTRIES_ANNOTATION: edited}
    apply = decide(terms(MAIN), replace(found, annotations=annotations))
    assert apply
    assert apply.reason is Reason.DATA_DRIFTED


def test_a_new_secret_gets_all_registries_whatever_the_request_covers() -> None:
    """An overlapping run may create it meanwhile, with registries that this run would leave out."""
    assert decided(None, registries=("main",)).mint == (MAIN, PARTNER)


# ---- a write that came too late ------------------------------------------------------------------

HALF_DUE = secret(credential(MAIN), credential(PARTNER, MINUTE))


def overtaken(found: SecretState | None, **asked: object) -> Reconcile | None:
    """What becomes of a run that was for `HALF_DUE`, by what it finds now."""
    return replanned(found, state(HALF_DUE), **asked)


def replanned(found: SecretState | None, listed: ClusterState, **asked: object) -> Reconcile | None:
    [[action]] = plan((wanted(MAIN, PARTNER),), listed, request(**asked), NOW)
    assert isinstance(action, Reconcile)
    assert action.apply
    return replan(action, action.apply, found)


def since(*credentials: Credential, **fields: object) -> SecretState:
    """The same Secret, as somebody else has written it meanwhile."""
    return replace(secret(*credentials), resource_version="2", **fields)  # type: ignore[arg-type]  # as SecretState takes them


def test_a_late_write_is_replanned_from_the_secret_as_it_is_now() -> None:
    rotated = credential(MAIN, 2 * HOUR, password="rotated")
    action = overtaken(since(rotated, credential(PARTNER, MINUTE)))
    assert action
    assert action.resource_version == "2"
    assert action.entries == (rotated.entry, credential(PARTNER, MINUTE).entry)
    assert action.apply
    assert (action.apply.mint, action.apply.kept) == ((PARTNER,), (rotated,))


def test_a_late_write_is_dropped_if_the_other_run_did_the_same() -> None:
    action = overtaken(since(credential(MAIN), credential(PARTNER)))
    assert action
    assert action.apply is None


def test_a_forced_renewal_is_repeated_whatever_the_other_run_did() -> None:
    found = since(credential(MAIN), credential(PARTNER))
    action = overtaken(found, registries=("main",), force=True)
    assert action
    assert action.apply
    assert (action.apply.mint, action.apply.kept) == ((MAIN,), (credential(PARTNER),))


def test_a_secret_that_another_run_has_created_meanwhile_is_completed() -> None:
    action = replanned(since(credential(MAIN)), state())
    assert action
    assert (action.uid, action.resource_version) == (since().uid, "2")
    assert action.apply
    assert (action.apply.mint, action.apply.kept) == ((PARTNER,), (credential(MAIN),))


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(None, id="none"),
        pytest.param(since(credential(MAIN), uid="another"), id="another"),
        pytest.param(since(credential(MAIN), managed=False), id="not-ours-any-more"),
    ],
)
def test_another_secret_than_the_one_that_was_read_is_left_alone(found: SecretState | None) -> None:
    assert overtaken(found) is None
