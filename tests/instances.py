"""Instances of the function as processes of their own, which serve a fleet of the bench."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.fleet import Fleet

REPOSITORY = Path(__file__).parents[1]
MEMORY_MB = 512
"""The memory of the instance in infra/terraform and s.yaml."""
PROCESS = """
import json, sys
from types import SimpleNamespace
import handler
from bench.child import peak_mb

keys = SimpleNamespace(**json.loads(sys.argv[1]))
context = SimpleNamespace(
    request_id="1", region="cn-hangzhou", account_id="1000000000000001", credentials=keys,
    function=SimpleNamespace(name="acr-refresher", timeout=120),
)
handler.initialize(context)
report = handler.handle(b'{"action": "refresh"}', context)
print(json.dumps({"report": report, "peak_mb": peak_mb()}))
"""


@dataclass(frozen=True)
class Told:
    """What a run said, and the most memory that its process had resident."""

    report: dict[str, Any]
    peak_mb: float
    log: list[dict[str, Any]]
    printed: int
    """Characters of the log and the report together."""


def environment(fleet: Fleet) -> dict[str, str]:
    keys = fleet.credentials
    return {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": keys["access_key_id"],
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": keys["access_key_secret"],
        "ALIBABA_CLOUD_SECURITY_TOKEN": keys["security_token"],
        "ACR_REFRESHER_CONFIG": str(fleet.folder / "config.yaml"),
        "ACR_REFRESHER_LOCAL_CLOUD": fleet.proxy,
        "PYTHONPATH": os.pathsep.join(str(REPOSITORY / each) for each in ("function", "infra")),
        "PATH": os.environ["PATH"],
    }


def run_instance(fleet: Fleet) -> Told:
    """A run of a new instance with the fleet's configuration."""
    process = subprocess.run(  # noqa: S603  # our own script
        [sys.executable, "-c", PROCESS, json.dumps(fleet.credentials)],
        env=environment(fleet),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=300,
    )
    *log, last = map(json.loads, process.stdout.splitlines())
    return Told(**last, log=log, printed=len(process.stdout))
