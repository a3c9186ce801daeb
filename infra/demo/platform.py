"""The company's function on the local Function Compute: the same code, in processes of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from demo.company import HOME, REGION
from demo.stage import Stage
from localcloud.fc.deploy import deployed
from localcloud.fc.deployed import DeployedFunction
from localcloud.fc.description import read_function

REPOSITORY = Path(__file__).resolve().parents[2]
S_YAML, S_FC2_YAML = REPOSITORY / "s.yaml", REPOSITORY / "infra" / "s.fc2.yaml"
_PASSED_ON = ("ACR_REFRESHER_CONFIG", "ACR_REFRESHER_LOCAL_CLOUD", "ACR_REFRESHER_REGISTRY_CA")


@contextmanager
def on_function_compute(
    stage: Stage, file: Path = S_YAML, **changes: Any
) -> Iterator[DeployedFunction]:
    """What `s deploy` deploys, but with a stage's cloud and configuration, and changes to it."""
    environ = {"ACR_REFRESHER_ACCOUNT": HOME, "ACR_REFRESHER_REGION": REGION}
    variables = {name: os.environ.get(name, "") for name in _PASSED_ON}
    function = read_function(file, environ).with_environment(**variables)
    with deployed(stage.cloud, replace(function, **changes)) as there:
        yield there
