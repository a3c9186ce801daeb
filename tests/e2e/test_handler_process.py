"""An instance of the function as its own process: what a run leaves behind in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FUNCTION = Path(__file__).parents[2] / "function"
CONFIG = """
registries: [{name: main, instanceId: cri-1a2b3c4d5e6f7g8h, regionId: cn-hangzhou}]
clusters: [{name: idc, kubeconfig: idc.yaml, watchNamespace: team-web}]
"""
PROCESS = """
import gc, json, sys, time
from types import SimpleNamespace
import handler

keys = SimpleNamespace(access_key_id="id", access_key_secret="made-up", security_token="made-up")
context = SimpleNamespace(
    request_id="1", region="cn-hangzhou", account_id="7", credentials=keys,
    function=SimpleNamespace(name="acr-refresher", timeout=4),
)
handler.initialize(context)
report = handler.handle(b'{"action": "refresh"}', context)
collected = {id(each) for each in gc.get_objects()}
late = [name for name, module in sys.modules.items() if id(vars(module)) in collected]
print(json.dumps({"report": report, "late": late, "modules": len(sys.modules)}))
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run reports of a cluster whose kubeconfig is a pipe without a writer.

    The process has ended by itself, although opening the file never ends.
    """
    folder = tmp_path_factory.mktemp("function")
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    os.mkfifo(folder / "idc.yaml")
    process = subprocess.run(  # noqa: S603  # our own script
        [sys.executable, "-c", PROCESS],
        env={"ACR_REFRESHER_CONFIG": str(folder / "config.yaml"), "PYTHONPATH": str(FUNCTION)},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,  # it takes seconds, or never ends
    )
    last: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return last


def test_a_run_ends_although_a_kubeconfig_file_hangs(ended: dict[str, Any]) -> None:
    [cluster] = ended["report"]["clusters"]
    assert cluster["cluster"] == "idc"
    assert cluster["deferred"] is not None


def test_what_the_first_run_loads_is_exempt_from_garbage_collection(ended: dict[str, Any]) -> None:
    assert ended["late"] == []
    assert ended["modules"] > 500
