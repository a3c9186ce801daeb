"""What tests do where the binaries of real API servers are missing."""

import os
from typing import NoReturn

import pytest

NOT_RUN = "NOT RUN against a real kube-apiserver"


def without_real_servers(error: Exception) -> NoReturn:
    """Fail in CI. Elsewhere skip with a reason, which the summary of the tests repeats."""
    if os.environ.get("CI"):
        raise error
    pytest.skip(f"{NOT_RUN}: {error}")
