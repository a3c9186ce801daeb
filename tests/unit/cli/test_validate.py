"""What the commands say and how they end: in a terminal, in a script, in CI."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from acr_refresher.cli.app import app
from acr_refresher.config.document import json_schema

ROOT = Path(__file__).parents[3]


def test_a_configuration_that_can_be_used() -> None:
    result = CliRunner().invoke(app, ["validate", str(ROOT / "function" / "config.yaml")])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "ok: 3 clusters, 2 registries\n"


def test_one_of_each_is_said_so(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "registries: [{name: a, instanceId: cri-a, regionId: cn-hangzhou}]\n"
        "clusters: [{name: idc, kubeconfig: idc.yaml}]\n"
    )
    result = CliRunner().invoke(app, ["validate", str(file)])
    assert result.stdout == "ok: 1 cluster, 1 registry\n"


def test_clusters_that_are_yet_to_be_found(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "registries: [{name: a, instanceId: cri-a, regionId: cn-hangzhou}]\n"
        "discover: [{regions: [cn-hangzhou]}]\n"
    )
    result = CliRunner().invoke(app, ["validate", str(file)])
    assert result.stdout == "ok: 0 clusters, 1 registry, 1 discovery\n"


def test_every_problem_has_its_line_and_remedy(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "registries: [{name: a, instanceId: cri-a, regionId: Hangzhou}]\n"
        "clusters: [{name: idc, kubeconfig: idc.yaml, watchNamspace: all}]\n"
    )
    result = CliRunner().invoke(app, ["validate", str(file)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        'registries[0].regionId: "Hangzhou" is not a region ID; use one such as cn-hangzhou',
        "clusters[0].watchNamspace: is not a known key; did you mean watchNamespace?",
    ]


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    result = CliRunner().invoke(app, ["validate", str(tmp_path / name)])
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_schema_is_that_of_the_loader() -> None:
    result = CliRunner().invoke(app, ["schema"])
    assert json.loads(result.stdout) == json_schema()


def test_it_runs_from_a_checkout() -> None:
    command = [str(ROOT / "bin" / "acr-refresher"), "validate", "function/config.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603  # our own
    assert done.stdout.startswith("ok: ")


def test_the_function_needs_nothing_of_the_commands() -> None:
    """What they import besides is not deployed."""
    program = (
        "import sys; sys.modules['typer'] = sys.modules['rich'] = None; import handler;"
        " print([name for name in sys.modules if name.startswith('acr_refresher.cli')])"
    )
    done = subprocess.run(  # noqa: S603  # our own
        [sys.executable, "-c", program],
        cwd=ROOT / "function",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
