"""A picture of the status page: `python -m demo.picture` writes docs/status.png.

It needs Chromium. The page shows the demo's clusters, as `acr-refresher status --html` writes it.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import time_machine

from acr_refresher.cli.app import app
from demo import cast
from demo.company import FUNCTION_ROLE, REGION
from demo.stage import Stage, stage
from localkube import KubeCluster

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "status.png"
ROTATED_AFTER = timedelta(minutes=20)
SHOWN_AFTER = timedelta(minutes=47)
WIDTH, HEIGHT = 1280, 900  # pixels
CHROMIUM = (
    "chromium",
    "--headless",
    "--no-sandbox",  # a container has no user namespace for it
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--virtual-time-budget=2000",  # milliseconds of the page's own time, for its script
    "--run-all-compositor-stages-before-draw",  # otherwise a busy machine may draw a part
)


def main() -> int:
    """Write the picture, and say how large it is."""
    with tempfile.TemporaryDirectory(prefix="picture-") as folder:
        page = Path(folder) / "status.html"
        with cast.clusters() as (clusters, kind), stage(clusters) as function:
            _play(function)
            _write_page(function, page)
        _photograph(page, Path(folder))
    sys.stdout.write(f"{PICTURE}: {PICTURE.stat().st_size // 1024} kB, of {kind}\n")
    return 0


def _play(function: Stage) -> None:
    """Two runs, then a namespace that no run has served and a Secret that is not managed."""
    with contextlib.redirect_stdout(io.StringIO()):
        function.timer()
        with _later(ROTATED_AFTER):
            function.invoke(clusters=["prod-hangzhou"], force=True)
    beijing = function.clusters["prod-beijing"]
    for namespace in ("team-api", "team-ops"):
        _namespace(beijing, namespace)
    document = '{"auths": {}}'
    kind = "kubernetes.io/dockerconfigjson"
    beijing.create_secret(
        "team-ops", "acr-pull", type=kind, stringData={".dockerconfigjson": document}
    )


def _namespace(cluster: KubeCluster, name: str) -> None:
    cluster.create_namespace(name)
    cluster.create_service_account(name, "default")


def _write_page(function: Stage, page: Path) -> None:
    session = function.cloud.function_credentials(FUNCTION_ROLE)
    os.environ |= {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": session.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": session.access_key_secret,
        "ALIBABA_CLOUD_SECURITY_TOKEN": session.security_token,
        "ALIBABA_CLOUD_REGION_ID": REGION,
    }
    with _later(SHOWN_AFTER), contextlib.redirect_stdout(io.StringIO()):
        app(["status", "--html", str(page)], standalone_mode=False)


def _photograph(page: Path, folder: Path) -> None:
    command = [
        *CHROMIUM,
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={WIDTH},{HEIGHT}",
        f"--screenshot={PICTURE}",
        page.as_uri(),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603  # our own


def _later(by: timedelta) -> time_machine.travel:
    return time_machine.travel(datetime.now(timezone.utc) + by, tick=True)


if __name__ == "__main__":
    sys.exit(main())
