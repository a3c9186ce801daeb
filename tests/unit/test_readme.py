"""The documents show what the program accepts and prints, and their links and paths exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from acr_refresher.config.events import parse_event
from acr_refresher.config.load import load_config
from acr_refresher.core.reasons import Result
from demo.__main__ import SCENES

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))
README = (ROOT / "README.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
MIGRATING = (ROOT / "docs" / "migrating.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
COLUMNS = 100
PACKAGE = ROOT / "function" / "acr_refresher"
PACKAGES = "cli|cloud|config|core|kube|run"


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language; of none for ""."""
    fenced = re.findall(r"^```([^\n]*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    return [block for tag, block in fenced if tag == language]


def test_the_minimal_configuration_loads(tmp_path: Path) -> None:
    (text,) = blocks(README, "yaml")
    file = tmp_path / "config.yaml"
    file.write_text(text)
    (cluster,) = load_config(file).clusters
    assert cluster.pull_secrets[0].service_accounts.selects("any-account")


@pytest.mark.parametrize(
    "event",
    [
        *blocks(README, "json"),
        *blocks(MIGRATING, "json"),
        *(line for block in blocks(OPERATIONS, "json") for line in block.splitlines()),
        *re.findall(r"^s invoke -e '(.*)'$", OPERATIONS, flags=re.MULTILINE),
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


def test_the_excerpt_of_the_demo_begins_with_what_the_demo_prints() -> None:
    (excerpt,) = blocks(README, "")
    assert excerpt.splitlines()[0] == SCENES[0].title


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_table_is_wider_than_a_terminal(document: Path) -> None:
    text = document.read_text()
    tables = [line for line in text.splitlines() if line.startswith("|")]
    drawn = [line for block in blocks(text, "") for line in block.splitlines()]
    assert not [line for line in (*tables, *drawn) if len(line) > COLUMNS]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    assert not list(broken_links(document))


def broken_links(document: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


def anchors(document: Path) -> set[str]:
    """The anchors that a code host gives to a document's headings."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_module_that_the_documents_name_exists() -> None:
    named = {
        name
        for document in DOCUMENTS
        for name in re.findall(rf"`((?:{PACKAGES})/\w+)(?:\.py)?`", document.read_text())
    }
    assert named
    assert not [name for name in sorted(named) if not (PACKAGE / f"{name}.py").exists()]


def test_ten_questions_are_each_answered_by_a_path_that_exists() -> None:
    table = ARCHITECTURE.partition("## Where is X?")[2].partition("\n## ")[0]
    rows = [row for row in table.splitlines() if row.startswith("| ") and "`" in row]
    assert len(rows) == 10
    paths = [re.findall(r"`([\w/]+\.py)`", row) for row in rows]
    assert all(paths)
    missing = [
        path
        for path in {path for answer in paths for path in answer}
        if not any((folder / path).exists() for folder in (ROOT, PACKAGE))
    ]
    assert missing == []


def test_every_test_that_the_threat_model_names_exists() -> None:
    model = (ROOT / "docs" / "security.md").read_text()
    named = re.findall(
        r"^- ([a-z]): `([a-z0-9_/]+\.py)`: `(test_[a-z0-9_]+)`$", model, re.MULTILINE
    )
    rows = re.findall(r"^\|.*\| ([a-z]) \|$", model, re.MULTILINE)
    assert sorted({row for row, _, _ in named}) == sorted(rows)
    for _, file, test in named:
        assert f"def {test}(" in (ROOT / "tests" / file).read_text(), f"{file}: {test}"
