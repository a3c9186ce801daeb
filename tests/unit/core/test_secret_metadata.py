"""Labels and annotations of the configuration: written with the Secret, without a new token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from acr_refresher.core.merge import content_to_write
from acr_refresher.core.model import NO_METADATA, PullSecret, SecretMetadata, SecretState
from acr_refresher.core.outcome import ApplySecret, Reconcile
from acr_refresher.core.plan import plan
from acr_refresher.core.reasons import Reason
from acr_refresher.core.secret import METADATA_ANNOTATION, build_secret
from factories import HOUR, MAIN, MINUTE, NOW, credential, logins, request, secret, state, wanted

TEAM = SecretMetadata((("team", "shop"),), (("argocd.argoproj.io/compare-options", "x"),))


def planned(metadata: SecretMetadata, *found: SecretState) -> ApplySecret | None:
    pull_secret: PullSecret = replace(wanted(MAIN), metadata=metadata)
    [[action]] = plan((pull_secret,), state(*found), request(), NOW)
    assert isinstance(action, Reconcile)
    return action.apply


def holding(metadata: SecretMetadata, expires_in_minutes: int = 60) -> SecretState:
    """Our Secret, as a run with this configuration wrote it."""
    held = credential(expires_in=expires_in_minutes * MINUTE)
    content = build_secret((held,), NOW, "run-0", metadata)
    return replace(
        secret(held),
        annotations=content.annotations,
        labels={"app.kubernetes.io/managed-by": "acr-refresher", **content.labels},
    )


def test_without_configured_metadata_nothing_is_recorded() -> None:
    assert METADATA_ANNOTATION not in holding(NO_METADATA).annotations
    assert planned(NO_METADATA, secret()) is None


def test_a_new_secret_has_them() -> None:
    apply = planned(TEAM)
    assert apply
    content = content_to_write(apply, {"main": credential()}, NOW, "run-1")
    assert content
    assert content.labels == {"team": "shop"}
    assert content.annotations["argocd.argoproj.io/compare-options"] == "x"


def test_a_secret_that_has_them_is_fresh() -> None:
    assert planned(TEAM, holding(TEAM)) is None


@pytest.mark.parametrize(
    ("found", "metadata"),
    [
        pytest.param(holding(NO_METADATA), TEAM, id="added"),
        pytest.param(holding(TEAM), NO_METADATA, id="dropped"),
        pytest.param(holding(TEAM), SecretMetadata((("team", "web"),)), id="changed"),
        pytest.param(replace(holding(TEAM), labels={}), TEAM, id="label-taken-off"),
        pytest.param(
            replace(
                holding(TEAM),
                annotations={
                    **holding(TEAM).annotations,
                    "argocd.argoproj.io/compare-options": "theirs",
                },
            ),
            TEAM,
            id="annotation-overwritten",
        ),
    ],
)
def test_a_difference_is_written_with_the_token_that_is_there(
    found: SecretState, metadata: SecretMetadata
) -> None:
    apply = planned(metadata, found)
    assert apply
    assert (apply.reason, apply.mint, apply.replace) == (Reason.METADATA_CHANGED, (), False)
    content = content_to_write(apply, {}, NOW, "run-1")
    assert content
    assert logins(content.dockerconfigjson) == {"main.example.com": "token"}
    assert [entry.expires_at for entry in content.entries] == [NOW + HOUR]
    labels: Mapping[str, str] = {**found.labels, **content.labels}
    written = replace(found, annotations=content.annotations, labels=labels)
    assert planned(metadata, written) is None


def test_another_reason_comes_first() -> None:
    apply = planned(TEAM, holding(NO_METADATA, expires_in_minutes=5))
    assert apply
    assert (apply.reason, apply.mint) == (Reason.NEAR_EXPIRY, (MAIN,))
    content = content_to_write(apply, {"main": credential()}, NOW, "run-1")
    assert content
    assert content.labels == {"team": "shop"}


def test_they_stay_when_the_secret_is_replaced() -> None:
    apply = planned(TEAM, replace(holding(TEAM), type="Opaque"))
    assert apply
    assert apply.replace
    content = content_to_write(apply, {"main": credential()}, NOW, "run-1")
    assert content
    assert content.labels == {"team": "shop"}
