"""The packaged code works on the Python of each runtime, with nothing else installed."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import pytest

from demo.company import FUNCTION_ROLE, company
from deploy.packaged import (
    NoInterpreter,
    Package,
    build_dependencies,
    interpreter,
    megabytes,
)
from deploy.serverless_devs import REPOSITORY, Deployment
from localcloud.cloud import Cloud
from localcloud.server import serving
from localcloud.sessions import Session
from localkube.double import DoubleCluster
from sites import SECRET, Site, clear_secrets, config_of, references, results

LIMIT = 100  # MB; the platform's is 500, but every cold start fetches the code
NO_ROLE: dict[str, Any] = {
    "request_id": "1-2-3",
    "function": {"timeout": 600},
    "region": "cn-hangzhou",
}


def test_the_package_starts_and_reports_an_invalid_event(package: Package) -> None:
    started, refused = package.invoke(NO_ROLE, '{"action": "refersh"}')
    assert started is None
    assert refused["error"].startswith("InvalidEvent: ")
    assert "use 'refresh'" in refused["error"]


def test_the_package_reports_a_missing_role(package: Package) -> None:
    _, refused = package.invoke(NO_ROLE, '{"action": "refresh"}')
    assert "RAM role (`role` in s.yaml)" in refused["error"]


def test_the_package_refuses_a_timer_that_lets_secrets_expire(package: Package) -> None:
    """The dependencies parse cron expressions and time zones."""
    accepted, refused = (
        package.invoke(NO_ROLE, ACR_REFRESHER_TIMER=f"CRON_TZ=Asia/Shanghai 0 {minutes} * * * *")[0]
        for minutes in ("*/5", "0,20")
    )
    assert accepted is None
    assert "less than the 40m between runs of the timer" in refused["error"]


def test_the_package_does_the_complete_job(
    package: Package, double_clusters: list[DoubleCluster], tmp_path: Path
) -> None:
    """Nothing that was pruned is needed for clouds, clusters and TLS."""
    site = Site(double_clusters[0], double_clusters[1], f"pkg{package.tag}")
    for cluster in double_clusters:
        cluster.apply_rbac()
        clear_secrets(cluster)
    shop, web = site.namespace("shop"), site.namespace("web", site.beijing)
    config = tmp_path / "config.yaml"
    config.write_text(config_of({"watchNamespace": f"{site.prefix}-*"}), encoding="utf-8")
    cloud = Cloud(company({"prod-hangzhou": site.hangzhou, "prod-beijing": site.beijing}))
    with serving(cloud) as proxy:
        context, variables = runtime_input(cloud.function_credentials(FUNCTION_ROLE), package.tag)
        variables |= {
            "ACR_REFRESHER_CONFIG": str(config),
            "ACR_REFRESHER_LOCAL_CLOUD": proxy,
        }
        _, report = package.invoke(context, '{"action": "refresh"}', **variables)
    assert results(report) == {shop: "created", web: "created"}
    assert references(site.hangzhou, shop) == [SECRET]


def runtime_input(session: Session, tag: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The context and the environment in which a runtime provides the role's credentials."""
    credentials = {
        "access_key_id": session.access_key_id,
        "access_key_secret": session.access_key_secret,
        "security_token": session.security_token,
    }
    if tag == "310":
        return {**NO_ROLE, "credentials": credentials}, {}
    return NO_ROLE, {f"ALIBABA_CLOUD_{name.upper()}": value for name, value in credentials.items()}


def test_the_package_is_small(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    size = megabytes(deployment.code)
    with capsys.disabled():
        print(f"\nthe code is {size:.0f} MB unpacked")  # noqa: T201  # of interest in CI
    assert size < LIMIT


def test_dependencies_are_compiled_ahead_and_licences_kept(package: Package) -> None:
    built = package.root / "python"
    sources = list(built.glob("kubernetes/aio/client/*.py"))
    compiled = {path.name for path in built.glob("kubernetes/aio/client/__pycache__/*.pyc")}
    assert compiled == {f"{path.stem}.cpython-{package.tag}.pyc" for path in sources}
    assert list(built.glob("kubernetes-*.dist-info/**/LICENSE*"))


def test_the_package_has_every_locked_dependency_of_the_runtime(deployment: Deployment) -> None:
    """It has the locked version. The lock also has packages for other Pythons and systems."""
    lock = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9-]+==\S+)", lock, flags=re.MULTILINE))
    built = {
        "{}=={}".format(*path.name.removesuffix(".dist-info").replace("_", "-").rsplit("-", 1))
        for path in (deployment.code / "python").glob("*.dist-info")
    }
    assert built <= locked
    assert {name.partition("==")[0] for name in built} >= {"kubernetes", "pydantic", "structlog"}


def test_two_builds_are_identical(deployment: Deployment, tmp_path: Path) -> None:
    """In other folders, with other names; so the digest of the code says whether it changed."""
    try:
        interpreter("3.10")
    except NoInterpreter as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NOT RUN: without it nothing is compiled: {missing}")
    again = tmp_path / "elsewhere" / "again"
    build_dependencies(again, "3.10")
    first, second = files_of(deployment.code / "python"), files_of(again)
    assert first == second
    assert sum(name.endswith(".pyc") for name in first) > 1000


def files_of(folder: Path) -> dict[str, tuple[int, float, str]]:
    """The name of each file and folder, with what an archive would hold of it."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            path.stat().st_mtime,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in folder.rglob("*")
    }


def test_a_failed_build_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    built = tmp_path / "python"
    built.mkdir()
    (built / "kept").touch()
    without_network = {"UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "cache")}
    with pytest.raises(AssertionError, match="network was disabled"):
        build_dependencies(built, "3.10", **without_network)
    assert {path.name for path in tmp_path.iterdir()} <= {"python", "cache"}
    assert (built / "kept").exists()
