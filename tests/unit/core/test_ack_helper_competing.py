from __future__ import annotations

import pytest

from acr_refresher.core.ack_helper import competing_controller_warnings
from factories import account

AGGREGATION = "acr-credential-secret-aggregation"


@pytest.mark.parametrize("theirs", [AGGREGATION, "acr-credential-0f2d3c4b5a69788796a5b4c3d2e1f001"])
def test_a_service_account_with_the_helpers_secret_causes_a_warning(theirs: str) -> None:
    (warning,) = competing_controller_warnings(
        [account("builder", theirs), account(), account("a", "own", theirs)]
    )
    assert "also bound to a, builder:" in warning
    assert "docs/migrating.md" in warning


def test_other_references_cause_no_warning() -> None:
    assert (
        competing_controller_warnings(
            [account("default", "acr-pull", "docker-hub", "my-acr-credential-x")]
        )
        == ()
    )
