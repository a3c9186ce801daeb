"""Opens a page in a real browser: headless Chromium."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

CHROMIUM = "chromium"
OPTIONS = (
    "--headless",
    "--no-sandbox",  # a container has no user namespace for the sandbox
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=2000",  # milliseconds of the page: its scripts have run by then
)


def rendered(page: Path, fragment: str = "") -> str:
    """The document after its scripts have run, opened at `fragment` if given."""
    with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
        command = [
            CHROMIUM,
            *OPTIONS,
            f"--user-data-dir={profile}",
            "--dump-dom",
            f"{page.resolve().as_uri()}#{fragment}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603  # our own
    return done.stdout
