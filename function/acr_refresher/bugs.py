"""Exceptions that nobody foresaw, as failures: met in one place, they must not stop the rest."""

from __future__ import annotations

import traceback
from pathlib import Path

from acr_refresher.core.outcome import Failure


def bug(error: Exception) -> Failure:
    """Its type and place, not its text, which may hold anything."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return Failure("bug", f"unexpected {type(error).__name__} at {place}; please report it")
