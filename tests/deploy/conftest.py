"""The deployment tool, what it deploys, and the packaged code for each runtime."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from deploy import provider
from deploy.packaged import NoInterpreter, Package, build_dependencies, copy_code, interpreter
from deploy.serverless_devs import (
    FC3_SCHEMA,
    REPOSITORY,
    Deployment,
    ServerlessDevs,
    installed,
    with_standin,
)
from deploy.terraform import Terraform, command, copy_infra

NOT_RUN = "NOT RUN"


@pytest.fixture(scope="session")
def serverless_devs() -> Iterator[ServerlessDevs]:
    with TemporaryDirectory(prefix="acr-refresher-") as home:
        yield ServerlessDevs(installed(), Path(home))


@pytest.fixture(scope="session")
def deployment(serverless_devs: ServerlessDevs) -> Iterator[Deployment]:
    """`s deploy` of a copy of what s.yaml needs, up to the component."""
    with TemporaryDirectory(prefix="acr-refresher-") as temporary:
        folder = Path(temporary)
        copy_code(folder / "function")
        (folder / "infra").mkdir()
        for file in ("infra/package", "infra/package.build.txt", "requirements.txt"):
            shutil.copy(REPOSITORY / file, folder / file)
        (folder / "s.yaml").write_text(with_standin(REPOSITORY / "s.yaml"), encoding="utf-8")
        inputs = folder / "inputs.json"
        answer = serverless_devs.run(folder, "deploy", "-y", STANDIN_INPUTS=str(inputs))
        assert answer.ok, answer.output
        yield Deployment(folder, json.loads(inputs.read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def package_312() -> Iterator[Path]:
    """The code root for python3.12, which has other compiled dependencies."""
    with TemporaryDirectory(prefix="acr-refresher-") as temporary:
        root = Path(temporary) / "code"
        copy_code(root)
        build_dependencies(root / "python", "3.12")
        yield root


@pytest.fixture(params=["3.10", "3.12"])
def package(request: pytest.FixtureRequest) -> Package:
    """The packaged code with the Python of each runtime. Without this Python, CI fails."""
    version: str = request.param
    try:
        found = interpreter(version)
    except NoInterpreter as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{NOT_RUN}: {missing}")
    if version == "3.12":
        return Package(request.getfixturevalue("package_312"), found, "312")
    return Package(request.getfixturevalue("deployment").code, found, "310")


@pytest.fixture
def components_schema() -> Path:
    """The schema of the external component fc3. Without it, CI fails."""
    if not FC3_SCHEMA.exists():
        missing = f"the component's schema is not at {FC3_SCHEMA}"
        if os.environ.get("CI"):
            raise FileNotFoundError(missing)
        pytest.skip(f"{NOT_RUN}: {missing}")
    return FC3_SCHEMA


@pytest.fixture(scope="session")
def terraform_command() -> tuple[str, ...]:
    """Terraform of this machine or from a package. Without it, CI fails."""
    try:
        return command()
    except (OSError, subprocess.CalledProcessError) as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{NOT_RUN}: no terraform here ({missing})")


@pytest.fixture
def terraform(terraform_command: tuple[str, ...], tmp_path: Path) -> Iterator[Terraform]:
    """Terraform in a copy of infra/, beside the example company's config.yaml."""
    (tmp_path / "function").mkdir()
    shutil.copy(REPOSITORY / "function" / "config.yaml", tmp_path / "function")
    with provider.serving() as environment:
        yield Terraform(terraform_command, copy_infra(tmp_path / "infra"), environment)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report what was not tested about the deployment."""
    skipped = {str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])}
    if lacking := sorted({reason.split(NOT_RUN)[-1] for reason in skipped if "deploy" in reason}):
        terminalreporter.section("the deployment is not proved", red=True, bold=True)
        for reason in lacking:
            terminalreporter.line(reason.strip(": )'"))
