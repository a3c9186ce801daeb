"""One secret, from what it holds to what is written: above all where somebody else was at it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acr_refresher.core.actions import ApplySecret, Reconcile, Terms
from acr_refresher.core.model import Credential, Registry, SecretState
from acr_refresher.core.plan import plan
from acr_refresher.core.reasons import Reason
from acr_refresher.core.renewal import content_to_write, decide, replan
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
    tokens = {one.name: credential(one, password="new") for one in minted}
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
"""Somebody put another login into it, in the shape in which we write it."""


# ---- a secret that somebody changed --------------------------------------------------------------


def test_it_is_minted_anew_as_a_whole_whichever_registry_was_asked_for() -> None:
    apply = decided(OVERWRITTEN, registries=("main",), force=True)
    assert apply.reason is Reason.DATA_DRIFTED
    assert apply.mint == (MAIN, PARTNER)
    assert apply.kept == ()


def test_what_was_changed_and_cannot_be_minted_is_kept_but_does_not_pass_as_ours() -> None:
    after = written(OVERWRITTEN, MAIN)
    assert logins(after.dockerconfigjson) == dict(zip(HOSTS, ("new", "theirs"), strict=True))
    next_run = decided(after)
    assert (next_run.reason, next_run.mint) == (Reason.DATA_DRIFTED, (PARTNER,))


def test_a_request_for_another_registry_leaves_the_doubt_in_place() -> None:
    after = written(written(OVERWRITTEN, MAIN), MAIN, registries=("main",), force=True)
    assert logins(after.dockerconfigjson) == dict(zip(HOSTS, ("new", "theirs"), strict=True))
    assert decided(after).mint == (PARTNER,)


def test_once_all_is_minted_it_is_fresh() -> None:
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


def test_a_secret_that_is_not_there_yet_gets_what_was_asked_for() -> None:
    assert decided(None, registries=("main",)).mint == (MAIN,)


# ---- a write that came too late ------------------------------------------------------------------

HALF_DUE = secret(credential(MAIN), credential(PARTNER, MINUTE))


def overtaken(found: SecretState | None, **asked: object) -> Reconcile | None:
    """What becomes of a run that was for `HALF_DUE`, by what it finds now."""
    [[action]] = plan((wanted(MAIN, PARTNER),), state(HALF_DUE), request(**asked), NOW)
    assert isinstance(action, Reconcile)
    assert action.apply
    tokens = {one.name: credential(one, password="new") for one in action.apply.mint}
    content = content_to_write(action.apply, tokens, NOW, "run-1")
    assert content
    return replan(action, action.apply, content, found)


def since(*credentials: Credential, **fields: object) -> SecretState:
    """The same Secret, as somebody else has written it meanwhile."""
    return replace(secret(*credentials), resource_version="2", **fields)  # type: ignore[arg-type]  # as SecretState takes them


def test_it_is_decided_anew_by_what_was_written_meanwhile() -> None:
    rotated = credential(MAIN, password="rotated")
    action = overtaken(since(rotated, credential(PARTNER, MINUTE)))
    assert action
    assert action.resource_version == "2"
    assert action.entries == (rotated.entry, credential(PARTNER, MINUTE).entry)
    assert action.apply
    assert (action.apply.mint, action.apply.kept) == ((PARTNER,), (rotated,))


def test_nothing_is_left_to_do_where_the_other_did_it() -> None:
    action = overtaken(since(credential(MAIN), credential(PARTNER)))
    assert action
    assert action.apply is None


def test_what_was_forced_is_minted_whatever_the_other_did() -> None:
    found = since(credential(MAIN), credential(PARTNER))
    action = overtaken(found, registries=("main",), force=True)
    assert action
    assert action.apply
    assert (action.apply.mint, action.apply.kept) == ((MAIN,), (credential(PARTNER),))


def test_what_was_written_after_all_is_written_again() -> None:
    """The answer to the first attempt was lost, and the second came too late for the version."""
    action = overtaken(replace(written(HALF_DUE, PARTNER), resource_version="2"))
    assert action
    assert action.resource_version == "2"
    assert action.apply == decided(HALF_DUE)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(None, id="none"),
        pytest.param(since(credential(MAIN), uid="another"), id="another"),
        pytest.param(since(credential(MAIN), managed=False), id="not-ours-any-more"),
    ],
)
def test_what_is_not_the_secret_that_was_seen_is_left_alone(found: SecretState | None) -> None:
    assert overtaken(found) is None
