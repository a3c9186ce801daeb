"""Serverless Devs reads s.yaml, builds the dependencies and calls the component."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.serverless_devs import (
    FC3_SCHEMA,
    REPOSITORY,
    Deployment,
    ServerlessDevs,
    props_of,
    with_standin,
)

OWN_SCHEMA = {"STANDIN_SCHEMA": str(FC3_SCHEMA)} if FC3_SCHEMA.exists() else {}
"""Without the component's own schema, `s verify` checks only the form of the file."""


def test_the_tool_finds_nothing_wrong(serverless_devs: ServerlessDevs, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(with_standin(REPOSITORY / "s.yaml"), encoding="utf-8")
    answer = serverless_devs.run(tmp_path, "verify", **OWN_SCHEMA)
    assert answer.ok, answer.output
    assert "passed" in answer.output


FAULTS: Mapping[str, tuple[str, str, str]] = {
    "memory": ("memorySize: 512", "memorySize: 500", "memorySize must be multiple of 64"),
    "runtime": ("python${vars.python}\n      code", "python3.11\n      code", "runtime must be"),
    "region": ("'cn-hangzhou'", "'cn-nowhere'", "region must be equal to one of"),
}


@pytest.mark.parametrize(("old", "new", "words"), FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.usefixtures("components_schema")
def test_the_components_schema_finds_a_fault(
    serverless_devs: ServerlessDevs, tmp_path: Path, old: str, new: str, words: str
) -> None:
    text = with_standin(REPOSITORY / "s.yaml", {old: new})
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    answer = serverless_devs.run(tmp_path, "verify", **OWN_SCHEMA)
    assert not answer.ok
    assert words in answer.output


def test_a_missing_account_is_reported(serverless_devs: ServerlessDevs, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(with_standin(REPOSITORY / "s.yaml"), encoding="utf-8")
    answer = serverless_devs.run(tmp_path, "preview", account=None)
    assert not answer.ok
    assert "env('ACR_REFRESHER_ACCOUNT') not found" in answer.output


def test_the_example_env_file_is_sufficient(
    serverless_devs: ServerlessDevs, tmp_path: Path
) -> None:
    (tmp_path / "s.yaml").write_text(with_standin(REPOSITORY / "s.yaml"), encoding="utf-8")
    (tmp_path / ".env").write_bytes((REPOSITORY / ".env.example").read_bytes())
    props = props_of(serverless_devs.read(tmp_path / "s.yaml", account=None))
    assert props["role"] == "acs:ram::1000000000000001:role/acr-refresher-function"


def test_the_dependencies_are_built_before_the_code_is_uploaded(deployment: Deployment) -> None:
    built = deployment.code / "python"
    assert (built / "kubernetes" / "aio" / "client" / "api_client.py").exists()
    assert list(built.glob("pydantic_core/*.cpython-310-x86_64-linux-gnu.so"))


def test_the_component_gets_the_properties_of_s_yaml(
    deployment: Deployment, serverless_devs: ServerlessDevs
) -> None:
    assert deployment.inputs["command"] == "deploy"
    assert deployment.inputs["props"] == props_of(serverless_devs.read(REPOSITORY / "s.yaml"))


def test_the_2_0_file_builds_into_the_same_folder(
    serverless_devs: ServerlessDevs, tmp_path: Path
) -> None:
    """Its actions run in the repository's folder, although the file is in infra/."""
    (tmp_path / "infra").mkdir()
    file = tmp_path / "infra" / "s.fc2.yaml"
    noted = {"infra/package function/python ${vars.python}": "pwd >ran-here"}
    file.write_text(with_standin(REPOSITORY / "infra" / file.name, noted), encoding="utf-8")
    inputs = str(tmp_path / "inputs.json")
    command = ("deploy", "-y", "-t", file.name)
    answer = serverless_devs.run(file.parent, *command, STANDIN_INPUTS=inputs)
    assert answer.ok, answer.output
    assert (tmp_path / "ran-here").read_text(encoding="utf-8").strip() == str(tmp_path)
