"""Kubeconfigs from files: data by default, and only where it is trusted more than that."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from acr_refresher.core.model import InClusterAccess, KubeconfigAccess
from acr_refresher.errors import Denied, Gone, Invalid, PortError, Unreachable
from acr_refresher.kube import files as files_module
from acr_refresher.kube import plugin as plugin_module
from acr_refresher.kube.files import LocalKubeconfigs, Pod
from acr_refresher.kube.kubeconfig import read_kubeconfig
from acr_refresher.run.ports import Kubeconfig
from acr_refresher.settings import SETTINGS

NO_POD = Pod(Path("/nowhere"), {})


def read(folder: Path, path: str, *, trusted: bool = False, pod: Pod = NO_POD) -> Kubeconfig:
    return asyncio.run(LocalKubeconfigs(folder, pod).kubeconfig(KubeconfigAccess(path, trusted)))


def test_a_path_is_relative_to_the_folder(tmp_path: Path) -> None:
    (tmp_path / "clusters").mkdir()
    (tmp_path / "clusters" / "edge.yaml").write_text("kind: Config")

    kubeconfig = read(tmp_path, "clusters/edge.yaml")

    assert kubeconfig.document.get_secret_value() == "kind: Config"
    assert kubeconfig.expires_at is None
    assert "Config" not in repr(kubeconfig.document)


def test_an_absolute_path_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mounted.yaml").write_text("kind: Config")

    assert read(Path("/elsewhere"), str(tmp_path / "mounted.yaml")).document


@pytest.mark.parametrize("path", ["none.yaml", ".", "file/below.yaml"])
def test_no_file_there_is_gone(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(Gone, match=r"kubeconfig \S+ does not exist"):
        read(tmp_path, path)


def test_a_file_that_is_no_text_is_invalid(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")

    with pytest.raises(Invalid, match="is not UTF-8"):
        read(tmp_path, "binary")


def test_a_file_without_end_is_read_up_to_a_limit() -> None:
    """A mounted file is of any size, or a device. The instance's memory is for all clusters."""
    with pytest.raises(Invalid, match=r"kubeconfig /dev/zero has more than 500000 characters"):
        read(Path("/dev"), "zero")


def test_a_file_that_a_kubeconfig_names_is_read_up_to_a_limit(tmp_path: Path) -> None:
    user = {"tokenFile": "/dev/zero"}
    document = {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "clusters": [{"name": "a", "cluster": {"server": "https://a.example"}}],
        "users": [{"name": "a", "user": user}],
    }
    (tmp_path / "edge.yaml").write_text(yaml.safe_dump(document))

    with pytest.raises(Invalid, match=r"token /dev/zero has more than 500000 characters"):
        read(tmp_path, "edge.yaml", trusted=True)


@pytest.mark.parametrize(
    ("error", "meaning"),
    [(PermissionError(), Denied), (OSError(5, "Input/output error"), Unreachable)],
)
def test_a_file_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, meaning: type[PortError]
) -> None:
    """By a patched call: the tests may run as root, which no permission stops."""

    def fail(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(Path, "open", fail)

    with pytest.raises(meaning, match="cannot be read"):
        read(tmp_path, "edge.yaml")


# ---- a pod's own service account -----------------------------------------------------------------


def own(pod: Pod) -> Kubeconfig:
    return asyncio.run(LocalKubeconfigs(Path(), pod).kubeconfig(InClusterAccess()))


def pod(folder: Path, **environ: str) -> Pod:
    (folder / "token").write_text("the-token\n")
    (folder / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n")
    return Pod(folder, {"KUBERNETES_SERVICE_HOST": "10.0.0.1", **environ})


@pytest.mark.parametrize(
    ("host", "server"), [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")]
)
def test_a_pod_speaks_to_its_own_cluster(tmp_path: Path, host: str, server: str) -> None:
    here = pod(tmp_path, KUBERNETES_SERVICE_HOST=host, KUBERNETES_SERVICE_PORT="443")

    access = read_kubeconfig(own(here))

    assert access.server == server
    assert access.ca_pem == "-----BEGIN CERTIFICATE-----\nAAAA\n"
    assert access.token is not None
    assert access.token.get_secret_value() == "the-token"


def test_a_pods_token_is_read_anew_each_time(tmp_path: Path) -> None:
    here = pod(tmp_path, KUBERNETES_SERVICE_PORT="443")
    own(here)
    (tmp_path / "token").write_text("the-next-token")
    token = read_kubeconfig(own(here)).token
    assert token is not None
    assert token.get_secret_value() == "the-next-token"


def test_what_is_no_pod_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="inCluster works only in a pod"):
        own(pod(tmp_path))
    (tmp_path / "token").unlink()
    with pytest.raises(Gone, match=r"service account token \S+ does not exist"):
        own(pod_without_token(tmp_path))


def pod_without_token(folder: Path) -> Pod:
    return Pod(folder, {"KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_SERVICE_PORT": "443"})


# ---- a trusted kubeconfig ------------------------------------------------------------------------

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
API_VERSION = "client.authentication.k8s.io/v1"


def write(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> None:
    document = {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "clusters": [{"name": "a", "cluster": {"server": "https://10.0.0.1", **cluster}}],
        "users": [{"name": "a", "user": user}],
    }
    (folder / "idc.yaml").write_text(yaml.safe_dump(document))


def plugin(folder: Path, script: str, **fields: Any) -> None:
    """A kubeconfig with a plugin: a shell script beside it."""
    program = folder / "plugin.sh"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    spec = {"apiVersion": API_VERSION, "command": "./plugin.sh", **fields}
    write(folder, {}, {"exec": spec})


def printing(**status: str) -> str:
    answer = {"apiVersion": API_VERSION, "kind": "ExecCredential", "status": status}
    return f"cat <<'END'\n{json.dumps(answer)}\nEND"


def token_of(folder: Path, pod: Pod = NO_POD) -> str:
    token = read_kubeconfig(read(folder, "idc.yaml", trusted=True, pod=pod)).token
    assert token is not None
    return token.get_secret_value()


def test_a_trusted_kubeconfigs_files_are_put_in(tmp_path: Path) -> None:
    for name, content in {"ca.pem": PEM, "crt.pem": PEM, "key.pem": KEY}.items():
        (tmp_path / name).write_text(content)
    user = {"client-certificate": "crt.pem", "client-key": str(tmp_path / "key.pem")}
    write(tmp_path, {"certificate-authority": "ca.pem"}, user)

    access = read_kubeconfig(read(tmp_path, "idc.yaml", trusted=True))

    assert access.ca_pem == PEM
    assert access.client_pem is not None
    assert access.client_pem.get_secret_value() == f"{PEM}\n{KEY}"


def test_data_goes_before_a_file_and_a_token_file_before_a_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of-the-file\n")
    embedded = base64.b64encode(PEM.encode()).decode()
    cluster = {"certificate-authority": "none.pem", "certificate-authority-data": embedded}
    write(tmp_path, cluster, {"token": "of-the-kubeconfig", "tokenFile": "token"})
    assert token_of(tmp_path) == "of-the-file"


def test_a_file_that_a_trusted_kubeconfig_lacks_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"certificate-authority": "none.pem"}, {"token": "t"})
    with pytest.raises(Gone, match=r"certificate-authority \S+none\.pem does not exist"):
        read(tmp_path, "idc.yaml", trusted=True)


def test_a_plugins_token_is_used(tmp_path: Path) -> None:
    plugin(tmp_path, printing(token="of-the-plugin"))
    assert token_of(tmp_path) == "of-the-plugin"


def test_a_plugins_certificate_is_used(tmp_path: Path) -> None:
    plugin(tmp_path, printing(clientCertificateData=PEM, clientKeyData=KEY))
    access = read_kubeconfig(read(tmp_path, "idc.yaml", trusted=True))
    assert access.client_pem is not None
    assert access.client_pem.get_secret_value() == f"{PEM}\n{KEY}"


def test_a_plugin_gets_its_own_variables_and_arguments_but_not_our_credentials(
    tmp_path: Path,
) -> None:
    ids = "$ALIBABA_CLOUD_ACCESS_KEY_ID$ALIBABA_CLOUD_SECURITY_TOKEN$securityToken"
    script = printing(token=f"$1|$COLOUR|$SHAPE|{ids}").replace("'END'", "END")
    plugin(tmp_path, script, args=["one"], env=[{"name": "SHAPE", "value": "round"}])
    ours = {
        "PATH": "/usr/bin:/bin",
        "COLOUR": "red",
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAI",
        "ALIBABA_CLOUD_SECURITY_TOKEN": "sts",
        "securityToken": "sts",
    }
    assert token_of(tmp_path, Pod(Path(), ours)) == "one|red|round|"


def test_a_plugin_is_told_of_the_cluster_where_it_asks(tmp_path: Path) -> None:
    check = 'case "$KUBERNETES_EXEC_INFO" in *https://10.0.0.1*) ;; *) exit 3;; esac\n'
    plugin(tmp_path, check + printing(token="t"), provideClusterInfo=True)
    assert token_of(tmp_path) == "t"
    plugin(tmp_path, check + printing(token="t"))
    with pytest.raises(Invalid, match="it ended with 3"):
        token_of(tmp_path)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("exit 4", "it ended with 4. Run it manually to see its messages."),
        ("cat /dev/zero", "it prints more than 500000 bytes"),
        ("echo the-token is not JSON", "its output is not valid: Invalid JSON"),
        ("echo '{}'", "its output is not valid: apiVersion: Field required"),
        ("echo '[]'", "its output is not valid"),
    ],
)
def test_a_plugin_that_fails_is_told_and_not_what_it_says(
    tmp_path: Path, script: str, problem: str
) -> None:
    plugin(tmp_path, f"echo the-token >&2\n{script}")
    with pytest.raises(Invalid) as raised:
        token_of(tmp_path)
    assert problem in str(raised.value)
    assert "the-token" not in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"command": "./none"}, "it cannot be started: No such file or directory"),
        ({"command": "\0"}, "it cannot be started: not a command"),
        ({"command": 7}, "exec is not valid: command: Input should be a valid string"),
        ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "exec is not valid"),
    ],
)
def test_a_plugin_that_cannot_be_run_is_told(
    tmp_path: Path, fields: dict[str, Any], problem: str
) -> None:
    plugin(tmp_path, printing(token="t"), **fields)
    with pytest.raises(Invalid) as raised:
        token_of(tmp_path)
    assert problem in str(raised.value)


def runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_plugin_that_hangs_is_ended_with_all_that_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = tmp_path / "pid"
    plugin(tmp_path, f"sleep 600 & echo $! > {begun}.new; mv {begun}.new {begun}\nwait")
    for seconds in (0.2, 2, 20):  # until it had the time to begin anything
        monkeypatch.setattr(
            plugin_module, "SETTINGS", replace(SETTINGS, plugin_timeout=timedelta(seconds=seconds))
        )
        with pytest.raises(Unreachable, match="gave no answer"):
            token_of(tmp_path)
        if begun.exists():
            break
    deadline = time.monotonic() + 60
    while runs(begun.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.01)  # it is killed, but may not be dead yet


def test_a_plugin_on_a_file_system_that_hangs_does_not_hold_up_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(program := tmp_path / "plugin", 0o755)  # nothing ever writes to it
    monkeypatch.setattr(
        plugin_module, "SETTINGS", replace(SETTINGS, plugin_timeout=timedelta(seconds=0.2))
    )
    spec = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program)}
    with pytest.raises(Unreachable, match=r"gave no answer in 0\.2 seconds"):
        asyncio.run(plugin_module.run_plugin(spec, {}, tmp_path, {}))


@pytest.mark.parametrize(
    "hangs", ["kubeconfig", "certificate-authority", "client-key", "tokenFile"]
)
def test_a_file_that_hangs_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hangs: str
) -> None:
    os.mkfifo(tmp_path / "pipe")  # nothing ever writes to it
    fields = {hangs: "pipe"}
    write(tmp_path, fields if "authority" in hangs else {}, fields)
    path = "pipe" if hangs == "kubeconfig" else "idc.yaml"
    monkeypatch.setattr(
        files_module, "SETTINGS", replace(SETTINGS, file_timeout=timedelta(seconds=0.2))
    )
    with pytest.raises(Unreachable, match=r"kubeconfig.* within 0.2 s: does the file system hang"):
        read(tmp_path, path, trusted=True)


@pytest.mark.parametrize(
    ("cluster", "user", "problem"),
    [
        ({"insecure-skip-tls-verify": True}, {"token": "t"}, "TLS is always verified"),
        ({}, {"auth-provider": {"name": "oidc"}}, "user.auth-provider is refused"),
        ({"server": "http://10.0.0.1"}, {"token": "t"}, "must be https://"),
    ],
)
def test_trust_ends_where_tls_is_not_verified(
    tmp_path: Path, cluster: dict[str, Any], user: dict[str, Any], problem: str
) -> None:
    write(tmp_path, cluster, user)
    with pytest.raises(Invalid) as raised:
        read_kubeconfig(read(tmp_path, "idc.yaml", trusted=True))
    assert problem in str(raised.value)


def test_what_is_not_trusted_runs_nothing(tmp_path: Path) -> None:
    plugin(tmp_path, f"touch {tmp_path}/ran")
    with pytest.raises(Invalid, match=r"user\.exec is refused: programs are not run"):
        read_kubeconfig(read(tmp_path, "idc.yaml"))
    assert not (tmp_path / "ran").exists()
