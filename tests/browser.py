"""A page in a real browser: Chromium without a screen."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

CHROMIUM = "chromium"
OPTIONS = (
    "--headless",
    "--no-sandbox",  # in a container there is no user namespace for it
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=2000",  # the page's own milliseconds: scripts have run by then
)


def rendered(page: Path, fragment: str = "") -> str:
    """The document as it is when its scripts have run. With `fragment`, at that address."""
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
