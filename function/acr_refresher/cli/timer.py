"""Where the operator's commands learn how often the function's timer ticks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from acr_refresher.config.timing import TIMER_VARIABLE
from acr_refresher.core.timing import Timer
from acr_refresher.inputs.problems import InvalidInput
from acr_refresher.inputs.schedule import read_timer
from acr_refresher.inputs.strict_yaml import read_yaml


def timer_of(option: str, environ: Mapping[str, str], config_file: Path) -> Timer | None:
    """That of the option, of the environment, or of the s.yaml above config.yaml's folder, if any.

    Raises InvalidInput where what is said there is no schedule.
    """
    if option:
        return read_timer(option, "--timer")
    if schedule := environ.get(TIMER_VARIABLE):
        return read_timer(schedule, TIMER_VARIABLE)
    deployment = config_file.resolve().parent.parent / "s.yaml"
    schedule = _every(deployment)
    return read_timer(schedule, "s.yaml: vars.every") if schedule else None


def _every(deployment: Path) -> str:
    """The schedule in s.yaml; none where Serverless Devs is to put it in (`${…}`)."""
    try:
        document, _ = read_yaml(deployment.read_text(encoding="utf-8"), deployment.name)
    except (OSError, ValueError, InvalidInput):
        return ""  # there is none, or it is not ours
    found = document.get("vars") if isinstance(document, dict) else None
    every = found.get("every") if isinstance(found, dict) else None
    return every if isinstance(every, str) and "${" not in every else ""
