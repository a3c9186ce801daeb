"""A kubeconfig that does not work: its cluster fails with the cause, other clusters are served."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import yaml

from localkube.pki import Authority
from sites import CLUSTERS, REGISTRIES, Site, config_of, only

FILES = [{"name": "prod-hangzhou", "kubeconfig": "kubeconfigs/prod-hangzhou.yaml"}, CLUSTERS[1]]


def other_authority(kubeconfig: dict[str, Any]) -> None:
    pem = Authority().pem.encode()
    cluster = kubeconfig["clusters"][0]["cluster"]
    cluster["certificate-authority-data"] = base64.b64encode(pem).decode()


def closed_port(kubeconfig: dict[str, Any]) -> None:
    kubeconfig["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"


def unknown_token(kubeconfig: dict[str, Any]) -> None:
    kubeconfig["users"][0]["user"] = {"token": "hunter2hunter2"}


def runs_a_program(kubeconfig: dict[str, Any]) -> None:
    kubeconfig["users"][0]["user"] = {"exec": {"command": "sh", "args": ["-c", "touch owned"]}}


def reads_a_file(kubeconfig: dict[str, Any]) -> None:
    kubeconfig["users"][0]["user"] = {"tokenFile": "/etc/hostname"}


def trusts_anybody(kubeconfig: dict[str, Any]) -> None:
    kubeconfig["clusters"][0]["cluster"] = {
        "server": kubeconfig["clusters"][0]["cluster"]["server"],
        "insecure-skip-tls-verify": True,
    }


Spoil = Callable[[dict[str, Any]], None]


@pytest.mark.parametrize(
    ("spoil", "meaning", "words"),
    [
        (other_authority, "unreachable", "certificate"),
        (closed_port, "unreachable", ""),
        (unknown_token, "denied", "401"),
        (runs_a_program, "invalid", "exec"),
        (reads_a_file, "invalid", "tokenFile"),
        (trusts_anybody, "invalid", "insecure-skip-tls-verify"),
    ],
)
def test_a_kubeconfig_that_does_not_work_fails_its_cluster_only(
    site: Site, spoil: Spoil, meaning: str, words: str
) -> None:
    web = site.namespace("web", site.beijing)
    text = config_of({"watchNamespace": f"{site.prefix}-*"}, REGISTRIES, FILES)
    with site.function(text) as function:
        file = function.folder / "kubeconfigs" / "prod-hangzhou.yaml"
        kubeconfig = yaml.safe_load(file.read_text())
        spoil(kubeconfig)
        file.write_text(yaml.safe_dump(kubeconfig))
        report = function.invoke()
    failure = report["clusters"][0]["failure"]
    assert failure["meaning"] == meaning
    assert words in failure["message"] + failure["code"]
    assert "hunter2" not in str(report)
    assert only(report, web)["result"] == "created"


def test_an_expired_kubeconfig_is_reported_as_expired(site: Site) -> None:
    web = site.namespace("web", site.beijing)
    text = config_of({"watchNamespace": f"{site.prefix}-*"}, REGISTRIES, FILES)
    with site.function(text) as function:
        file = function.folder / "kubeconfigs" / "prod-hangzhou.yaml"
        file.write_text(site.hangzhou.kubeconfig(validity=timedelta(hours=-1)))
        report = function.invoke()
    failure = report["clusters"][0]["failure"]
    assert failure["meaning"] == "denied"
    assert "expired" in failure["message"]
    assert only(report, web)["result"] == "created"


def test_a_missing_kubeconfig_is_named(site: Site) -> None:
    web = site.namespace("web", site.beijing)
    text = config_of({"watchNamespace": f"{site.prefix}-*"}, REGISTRIES, FILES)
    with site.function(text) as function:
        (function.folder / "kubeconfigs" / "prod-hangzhou.yaml").unlink()
        report = function.invoke()
    assert "kubeconfigs/prod-hangzhou.yaml" in report["clusters"][0]["failure"]["message"]
    assert only(report, web)["result"] == "created"
