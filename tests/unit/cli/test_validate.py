"""What the commands say and how they end: in a terminal, in a script, in CI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from acr_refresher.cli.app import app
from acr_refresher.config.document import json_schema

ROOT = Path(__file__).parents[3]


def test_a_configuration_that_can_be_used() -> None:
    result = CliRunner().invoke(app, ["validate", str(ROOT / "function" / "config.yaml")])
    assert result.exit_code == 0
    printed = "ok: 3 clusters, 2 registries; timer: @every 5m (s.yaml: vars.every)\n"
    assert result.stdout == printed


def test_one_of_each_is_said_so(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "registries: [{name: a, instanceId: cri-a, regionId: cn-hangzhou}]\n"
        "clusters: [{name: idc, kubeconfig: idc.yaml}]\n"
    )
    result = CliRunner().invoke(app, ["validate", str(file)])
    assert result.stdout == "ok: 1 cluster, 1 registry\n"


def test_a_kubeconfig_that_is_yet_to_be_put_there_is_a_warning(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("k")  # a message cuts what is longer than a line
    file = folder / "config.yaml"
    file.write_text(
        "registries: [{name: a, instanceId: cri-a, regionId: cn-hangzhou}]\n"
        "clusters: [{name: idc, kubeconfig: kube/idc.yaml}]\n"
    )
    result = CliRunner().invoke(app, ["validate", str(file)])
    kubeconfig = folder / "kube" / "idc.yaml"
    printed = f'file "{kubeconfig}" does not exist; create it before you deploy\n'
    assert (result.exit_code, result.stderr) == (0, f"warning: clusters[0].kubeconfig: {printed}")
    kubeconfig.parent.mkdir()
    kubeconfig.touch()
    result = CliRunner().invoke(app, ["validate", str(file)])
    assert (result.exit_code, result.stderr) == (0, "")


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
        'registries[0].regionId: "Hangzhou" is not a region ID; use an ID such as cn-hangzhou',
        "clusters[0].watchNamspace: is not a known key; did you mean watchNamespace?",
    ]


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    result = CliRunner().invoke(app, ["validate", str(tmp_path / name)])
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr
    assert len(result.stderr.splitlines()) == 1


# ---- the timer -----------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """In a folder of its own, as in a checkout."""
    file = tmp_path / "function" / "config.yaml"
    file.parent.mkdir()
    file.write_text(
        "registries: [{name: a, instanceId: cri-a, regionId: cn-hangzhou}]\n"
        "clusters: [{name: idc, kubeconfig: idc.yaml}]\n"
    )
    return file


def validate(config: Path, *options: str, **environ: str) -> Result:
    runner = CliRunner(env={"ACR_REFRESHER_TIMER": None, **environ})
    return runner.invoke(app, ["validate", str(config), *options])


def test_secrets_that_can_expire_between_runs_are_refused(config: Path) -> None:
    result = validate(config, "--timer", "@every 20m")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "can expire between two runs" in result.stderr


def test_a_warning_does_not_fail(config: Path) -> None:
    result = validate(config, "--timer", "@every 10m")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: defaults.expiringThreshold: is 15m by default")
    assert result.stdout == "ok: 1 cluster, 1 registry; timer: @every 10m (--timer)\n"


def test_the_nearest_word_on_the_timer_counts(config: Path) -> None:
    """The option, then the variable that the function has, then s.yaml."""
    (config.parents[1] / "s.yaml").write_text('vars: {every: "@every 3m"}\n')
    variable = {"ACR_REFRESHER_TIMER": "@every 2m"}
    assert "@every 1m (--timer)" in validate(config, "--timer", "@every 1m", **variable).stdout
    assert "@every 2m (ACR_REFRESHER_TIMER)" in validate(config, **variable).stdout
    assert "@every 3m (s.yaml: vars.every)" in validate(config).stdout


@pytest.mark.parametrize(
    "text", ["vars: {every: \"${env('EVERY')}\"}", "vars: [every]", "every: 5m", "{", "é\0"]
)
def test_where_no_timer_is_known_none_is_checked(config: Path, text: str) -> None:
    (config.parents[1] / "s.yaml").write_text(text, encoding="latin-1")
    assert validate(config).stdout == "ok: 1 cluster, 1 registry\n"


def test_what_is_no_schedule_is_refused(config: Path) -> None:
    (config.parents[1] / "s.yaml").write_text("vars: {every: 10m}\n")
    result = validate(config)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith('s.yaml: vars.every: "10m" is not the schedule of a timer')


def test_the_schema_is_that_of_the_loader() -> None:
    result = CliRunner().invoke(app, ["schema"])
    assert json.loads(result.stdout) == json_schema()
