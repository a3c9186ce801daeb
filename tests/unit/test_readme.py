"""What the documents show is what the program takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from acr_refresher.config.events import parse_event
from acr_refresher.config.load import load_config
from acr_refresher.core.reasons import Result

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
MIGRATING = (ROOT / "docs" / "migrating.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def test_the_least_configuration_loads(tmp_path: Path) -> None:
    (text,) = blocks(README, "yaml")
    file = tmp_path / "config.yaml"
    file.write_text(text)
    (cluster,) = load_config(file).clusters
    assert cluster.pull_secrets[0].service_accounts.everyone


@pytest.mark.parametrize(
    "event",
    [
        *blocks(README, "json"),
        *blocks(MIGRATING, "json"),
        *(line for block in blocks(OPERATIONS, "json") for line in block.splitlines()),
    ],
)
def test_the_events_shown_are_understood(event: str) -> None:
    assert parse_event(event).trigger == "manual"


def test_every_command_shown_is_a_target_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    commands = [line for block in blocks(README, "sh") for line in block.splitlines()]
    assert commands == ["make demo", "make test"]
    assert all(f"\n{command.removeprefix('make ')}:" in makefile for command in commands)


def test_every_result_is_explained() -> None:
    table = OPERATIONS.partition("## What a failure means")[0]
    assert not [result.value for result in Result if f"`{result.value}`" not in table]


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]
