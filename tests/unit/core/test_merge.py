"""New tokens beside those that a secret holds: of two valid ones, the later-ending stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from acr_refresher.core.merge import content_to_write, without_shorter
from acr_refresher.core.model import Credential, SecretState
from acr_refresher.core.outcome import ApplySecret, Reconcile, Terms, reconciled_outcome
from acr_refresher.core.reasons import Result
from acr_refresher.core.renewal import decide
from acr_refresher.core.secret import UNTRUSTED
from factories import HOUR, MAIN, MINUTE, NOW, PARTNER, credential, request, secret

DUE = secret(credential(MAIN, 10 * MINUTE), credential(PARTNER, 10 * MINUTE))


def decided(found: SecretState, **asked: object) -> ApplySecret:
    apply = decide(Terms((MAIN, PARTNER), request(**asked), 15 * MINUTE, NOW), found)
    assert apply
    return apply


def minted(**minutes: int) -> Mapping[str, Credential]:
    registries = {"main": MAIN, "partner": PARTNER}
    return {
        name: credential(registries[name], left * MINUTE, password="new")
        for name, left in minutes.items()
    }


def test_a_token_that_ends_sooner_than_the_one_in_the_secret_is_not_written() -> None:
    apply = decided(DUE)
    usable, (warning,) = without_shorter(apply, minted(main=5, partner=60))
    assert usable == minted(partner=60)
    assert warning == (
        "registry main: the new token expires at 2026-01-31T12:05:00Z, before the token in the"
        " secret (2026-01-31T12:10:00Z), which therefore stays: check the MaxSessionDuration of"
        " the role"
    )
    content = content_to_write(apply, usable, NOW, "run-1")
    assert content
    assert [entry.expires_at - NOW for entry in content.entries] == [10 * MINUTE, HOUR]


def test_if_every_new_token_ends_sooner_nothing_is_written_and_a_warning_says_so() -> None:
    apply = decided(DUE)
    usable, warnings = without_shorter(apply, minted(main=5, partner=5))
    assert content_to_write(apply, usable, NOW, "run-1") is None
    action = Reconcile("default", "acr-pull", "uid", "1", apply, (), (), (), ())
    outcome = reconciled_outcome(action, warnings=warnings)
    assert (outcome.result, len(outcome.warnings)) == (Result.UNCHANGED, 2)


@pytest.mark.parametrize(
    ("found", "asked"),
    [
        pytest.param(DUE, {"force": True}, id="forced"),
        pytest.param(replace(DUE, type="Opaque"), {}, id="the Secret is replaced"),
        pytest.param(replace(DUE, annotations={}), {}, id="edited, without a record"),
        pytest.param(
            secret(
                *(
                    replace(each, entry=replace(each.entry, inputs=UNTRUSTED))
                    for each in (credential(MAIN), credential(PARTNER))
                )
            ),
            {},
            id="carried over from an edited secret",
        ),
        pytest.param(
            secret(
                *(
                    replace(each, entry=replace(each.entry, inputs="of another instance"))
                    for each in (credential(MAIN), credential(PARTNER))
                )
            ),
            {},
            id="of other inputs",
        ),
    ],
)
def test_a_shorter_token_is_written_where_the_old_one_must_not_stay(
    found: SecretState, asked: Mapping[str, object]
) -> None:
    new = minted(main=5, partner=5)
    assert without_shorter(decided(found, **asked), new) == (new, ())
