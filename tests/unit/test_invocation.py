from __future__ import annotations

import time
from datetime import timedelta

import pytest

from acr_refresher.invocation import _budget


@pytest.mark.parametrize(
    ("timeout", "spent", "least", "most"),
    [
        pytest.param(600, 0, 575, 595, id="five seconds are kept back"),
        pytest.param(600, 10, 565, 585, id="what starting took is gone"),
        pytest.param(4, 0, 1, 1, id="a short timeout leaves a quarter to try in"),
        pytest.param(600, 900, 150, 150, id="never nothing"),
    ],
)
def test_a_run_has_what_is_left_of_the_functions_timeout(
    timeout: int, spent: int, least: float, most: float
) -> None:
    budget = _budget(timedelta(seconds=timeout), time.monotonic() - spent)
    assert least <= budget.total_seconds() <= most
