"""Reads the RAM policies of infra/ram, the same files that Terraform's templatefile reads."""

import json
from pathlib import Path
from string import Template
from typing import Any

POLICY_DIRECTORY = Path(__file__).resolve().parents[1] / "ram"


def load_policy(name: str, **variables: str) -> dict[str, Any]:
    """The policy document in infra/ram/<name>.json, its `${placeholders}` filled in.

    Raises:
        ValueError: a placeholder has no variable, or a variable has no placeholder.
        FileNotFoundError: there is no such policy.
    """
    text = (POLICY_DIRECTORY / f"{name}.json").read_text(encoding="utf-8")
    placeholders = {match["braced"] for match in Template.pattern.finditer(text)}
    if placeholders != set(variables):
        raise ValueError(f"{name} takes {sorted(placeholders)}, not {sorted(variables)}")
    document: dict[str, Any] = json.loads(Template(text).substitute(variables))
    return document
