"""The ACK credential helper's configuration, imported: the document, the remarks, the exit code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from acr_refresher.cli.app import app
from acr_refresher.config.load import read_config
from acr_refresher.core.model import AckAccess

ADD_ON = {
    "AcrInstanceInfo": [{"instanceId": "cri-a", "regionId": "cn-hangzhou"}],
    "watchNamespace": "shop,web",
    "serviceAccount": "*",
    "expiringThreshold": "15m",
}
KNOWN = ("--cluster-name", "prod", "--cluster-id", "c1", "--region", "cn-shanghai")


def imported(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["import", *arguments], input=text)


def test_the_result_is_a_configuration_that_can_be_used() -> None:
    result = imported("-", *KNOWN, text=json.dumps(ADD_ON))
    assert result.exit_code == 0
    config = read_config(result.stdout, "config.yaml")
    (cluster,) = config.clusters
    assert (cluster.name, cluster.access) == ("prod", AckAccess("c1", "cn-shanghai"))
    (secret,) = cluster.pull_secrets
    assert secret.namespaces.patterns == ("shop", "web")
    assert secret.service_accounts.selects("any-account")


def test_editors_are_told_of_the_schema() -> None:
    first = imported("-", text=json.dumps(ADD_ON)).stdout.splitlines()[0]
    assert first == "# yaml-language-server: $schema=config.schema.json"


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "add-on.json"
    file.write_text(json.dumps(ADD_ON))
    assert imported(str(file), *KNOWN).stdout == imported("-", *KNOWN, text=file.read_text()).stdout


def test_what_is_to_be_written_by_hand_is_said() -> None:
    text = "acr-registry-info: |\n  - instanceId: cri-a\nwatch-namespace: a\n"
    result = imported("-", text=text)
    assert result.exit_code == 0
    assert yaml.safe_load(result.stdout)["registries"][0]["regionId"] == "REGION-ID"
    last = result.stderr.splitlines()[-1]
    assert last.startswith('to do: registries[0].regionId: "REGION-ID" is not')


def test_an_access_key_is_nowhere_to_be_seen() -> None:
    entry = {
        "instanceId": "cri-a",
        "customAccessKey": "hunter1",
        "customAccessKeySecret": "hunter2",
    }
    result = imported("-", text=json.dumps({"AcrInstanceInfo": [entry]}))
    assert "access key" in result.stderr
    assert "hunter" not in result.output


@pytest.mark.parametrize(
    ("arguments", "text", "problem"),
    [
        pytest.param(("-",), "a: [", "-: is not valid YAML", id="broken"),
        pytest.param(("-",), "kind: Secret", "-: has none of the keys", id="another thing"),
        pytest.param(("missing.yaml",), None, "missing.yaml: cannot be read", id="no file"),
        pytest.param((), None, "Nothing to import. Name either a file", id="nothing named"),
        pytest.param(("-", "--from-cluster"), "", "Nothing to import.", id="both named"),
        pytest.param(
            ("--from-cluster", "--kubeconfig", "missing"), None, "missing: cannot", id="no cluster"
        ),
    ],
)
def test_what_cannot_be_understood_ends_with_two(
    arguments: tuple[str, ...], text: str | None, problem: str
) -> None:
    result = imported(*arguments, text=text)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(problem)
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("environ", "read"),
    [
        ({"KUBECONFIG": "first:second"}, "first"),
        ({"KUBECONFIG": "", "HOME": "nowhere"}, "nowhere/.kube/config"),
    ],
)
def test_the_kubeconfig_is_found_as_kubectl_finds_it(environ: dict[str, str], read: str) -> None:
    result = CliRunner(env=environ).invoke(app, ["import", "--from-cluster"])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{read}: cannot be read")


def test_every_option_that_the_guide_shows_is_one() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "migrating.md").read_text()
    shown = set(re.findall(r"--[a-z][a-z-]+", guide))
    known = set(re.findall(r"--[a-z-]+", imported("--help").output))
    assert shown
    assert shown <= known
