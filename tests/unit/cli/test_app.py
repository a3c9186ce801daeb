"""How the commands that use clusters start: what they refuse, and what their help says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import stamina
from typer.testing import CliRunner, Result

from acr_refresher import __version__
from acr_refresher.cli.app import app
from operators import write_config

KEYS = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAIhunter2", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "hunter2"}
REGION = {"FC_REGION": "cn-hangzhou"}
UNSET: dict[str, str | None] = dict.fromkeys(
    (
        "ACR_REFRESHER_CONFIG",
        "ACR_REFRESHER_LOCAL_CLOUD",
        "ACR_REFRESHER_REGION",
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        "ALIBABA_CLOUD_REGION_ID",
        "FC_REGION",
    )
)
COMMANDS = (["plan"], ["refresh"], ["status"], ["check"], ["unregister", "idc"])


def command(*arguments: str, **environ: str) -> Result:
    return CliRunner(env={**UNSET, **environ}).invoke(app, list(arguments))


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Of one cluster, whose kubeconfig is not there."""
    return str(write_config(tmp_path, "{name: idc, kubeconfig: idc.yaml}"))


@pytest.fixture(params=COMMANDS, ids=lambda each: str(each[0]))
def arguments(request: pytest.FixtureRequest, config: str) -> list[str]:
    return [*request.param, "--config", config]


def test_without_credentials_and_region_nothing_begins(arguments: list[str]) -> None:
    result = command(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    credentials, region = result.stderr.splitlines()
    assert credentials.startswith("No credentials found. Set ALIBABA_CLOUD_ACCESS_KEY_ID and ")
    assert region.startswith("No region found. Use --region, or set FC_REGION or ")


def test_what_is_wrong_with_all_of_it_is_told_together(tmp_path: Path) -> None:
    file = write_config(tmp_path, "{name: idc, kubeconfig: idc.yaml, watchNamspace: all}")
    named = [[*each, "--config", str(file)] for each in COMMANDS]
    for command_line in [*named, ["validate", str(file), "--online"]]:
        there = {"ACR_REFRESHER_LOCAL_CLOUD": "http://cloud.example.com:80"}
        result = command(*command_line, "--region", "cn hangzhou", **there)
        assert (result.exit_code, result.stdout) == (2, "")
        found = [re.split("[:.] ", line)[0] for line in result.stderr.splitlines()]
        place = "clusters[0].watchNamspace"
        assert found == [place, "--region", "No credentials found", "environment"]


@pytest.mark.parametrize("region", ["cn hangzhou", "evil.example/", "CN-HANGZHOU", "cn"])
def test_what_cannot_be_a_region_is_refused_by_every_command(config: str, region: str) -> None:
    named = [[*each, "--config", config] for each in COMMANDS]
    rotation = ["rotate", "--function", "f", "--account", "1", "--yes"]
    for command_line in [*named, rotation, ["validate", config], ["import", config]]:
        result = command(*command_line, "--region", region, **KEYS)
        assert (result.exit_code, result.stdout) == (2, "")
        (message,) = result.stderr.splitlines()
        assert message.startswith("--region: ")
        assert "use one such as cn-hangzhou" in message


def test_a_cluster_that_cannot_be_reached_ends_with_one(arguments: list[str]) -> None:
    no_cloud = {"ACR_REFRESHER_LOCAL_CLOUD": "http://127.0.0.1:9"}  # the discard port: refused
    with stamina.set_testing(True, attempts=2, cap=True):  # no waiting between attempts
        result = command(*arguments, **KEYS, **REGION, **no_cloud)
    assert result.exit_code == 1
    assert "idc.yaml does not exist" in result.output
    assert "hunter2" not in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", ["missing.yaml", ".", "binary.yaml"])
def test_a_configuration_that_cannot_be_read_is_told_in_a_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for command_line in COMMANDS:
        result = command(*command_line, "--config", str(tmp_path / name), **KEYS, **REGION)
        assert (result.exit_code, result.stdout) == (2, "")
        (message,) = result.stderr.splitlines()
        assert message.startswith(f"{tmp_path / name}: ")


def test_a_faulty_configuration_is_refused(tmp_path: Path) -> None:
    file = write_config(tmp_path, "{name: idc, kubeconfig: idc.yaml, watchNamspace: all}")
    for name in COMMANDS:
        result = command(*name, "--config", str(file), **KEYS, **REGION)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "did you mean watchNamespace?" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            ("plan", "--cluster", "prod"),
            "--cluster prod: no such cluster; use one of: idc",
            id="unknown cluster",
        ),
        pytest.param(
            ("refresh", "--registry", "b"),
            "--registry b: no such registry; use one of: a",
            id="unknown registry",
        ),
        pytest.param(
            ("refresh", "--namespace", "A B"), '--namespace: "A B" is not a name', id="no glob"
        ),
        pytest.param(
            ("refresh", "--reason", "x" * 201), "--reason: is longer", id="too long a reason"
        ),
        pytest.param(
            ("status", "--cluster", "prod"), "--cluster prod: no such cluster", id="status"
        ),
        pytest.param(("check", "--cluster", "prod"), "--cluster prod: no such cluster", id="check"),
        pytest.param(("unregister", "prod"), "prod: no such cluster", id="unregister"),
        pytest.param(("plan", "-o", "yaml"), "'yaml' is not one of", id="unknown form"),
        pytest.param(("plan", "--what"), "No such option", id="unknown option"),
        pytest.param(("unregister",), "Missing argument", id="no cluster named"),
    ],
)
def test_bad_usage_ends_with_two(config: str, options: tuple[str, ...], message: str) -> None:
    result = command(*options, "--config", config, **KEYS, **REGION)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_stand_in_for_the_cloud_is_on_this_machine_or_refused(config: str) -> None:
    there = {"ACR_REFRESHER_LOCAL_CLOUD": "http://cloud.example.com:80"}
    result = command("plan", "--config", config, **KEYS, **REGION, **there)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "must be http://127.0.0.1:PORT" in result.stderr


def test_the_region_of_env_is_taken_and_named(config: str) -> None:
    """`.env` has the region for `s`; a user who sources it need not name it again."""
    message = command("plan", "--config", config, **KEYS)
    assert "ACR_REFRESHER_REGION" in message.stderr
    assert command("plan", "--config", config, **KEYS, ACR_REFRESHER_REGION="cn-x").exit_code == 1


def test_every_command_says_what_it_does() -> None:
    message = command("-h").stdout
    for name, *_ in COMMANDS:
        assert name in message
        assert command(name, "--help").stdout == command(name, "-h").stdout != ""


def test_the_version_is_printed() -> None:
    result = command("--version")
    assert (result.exit_code, result.stdout) == (0, f"{__version__}\n")
