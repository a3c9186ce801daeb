"""Fixtures that several suites share: Kubernetes clusters, started once for all tests."""

import base64
import contextlib
import gc
import itertools
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import structlog
import yaml
from xdist.scheduler import LoadScopeScheduling, Scheduling

from localkube import KubeCluster, control_plane
from localkube.assets import AssetsError
from localkube.double import OLD, DoubleCluster, api_doubles
from real_servers import NOT_RUN, without_real_servers

_numbers = itertools.count(1)

# The duration of an example only shows how busy the machine is.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.register_profile("fuzz", deadline=None)  # `make fuzz`
hypothesis.settings.load_profile("untimed")


TLS_OF_PYTHON_3_10 = ("unclosed transport <", "unclosed <socket.socket")
"""Warnings of Python 3.10 about TLS connections that end with their loop or are cut by the peer.

Python 3.10 closes these connections later. From 3.11 on, an open connection is an error.
"""


def pytest_configure(config: pytest.Config) -> None:
    # A shell has its background jobs ignore Ctrl-C, and what they start inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.version_info < (3, 11):
        for message in TLS_OF_PYTHON_3_10:
            config.addinivalue_line("filterwarnings", f"ignore:{message}:ResourceWarning")


def pytest_sessionfinish() -> None:
    """The function's handler freezes what it has loaded, which duckdb then reports as leaks."""
    gc.unfreeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return OneProcessPerFile(config, log)


class OneProcessPerFile(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist is untyped
    """The tests of a file share a process, and so do all tests on the real clusters."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        return "real clusters" if re.search(r"\[.*\breal\b.*\]", test) else file


@pytest.fixture(autouse=True)
def logging_is_reset() -> Iterator[None]:
    """Reset the configuration of logging, because pytest closes its stream after each test."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def real_clusters() -> Iterator[list[KubeCluster]]:
    """Two real clusters; the second also runs controllers (default service accounts...)."""
    with _real(["prod-a", "prod-b"], controllers=["prod-b"]) as clusters:
        yield clusters


@pytest.fixture(scope="session")
def throttled_cluster() -> Iterator[KubeCluster]:
    """A real cluster that serves one request at a time and answers the others 429."""
    flags = [
        "--enable-priority-and-fairness=false",
        "--max-requests-inflight=1",
        "--max-mutating-requests-inflight=1",
    ]
    with _real(["throttled"], flags={"throttled": flags}) as [cluster]:
        yield cluster


@pytest.fixture(scope="session")
def keyed_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[KubeCluster]]:
    """Two real API servers of one cluster, `old` and `new`, with different encryption keys.

    The new server reads and writes Secrets with its own key. It cannot decrypt what is written
    through the old server: its storage is that of a cluster whose key was changed by mistake.
    """
    folder = tmp_path_factory.mktemp("keys")
    flags = {name: encrypted(folder / f"{name}.yaml") for name in ("old", "new")}
    with _real(["old", "new"], flags=flags) as clusters:
        yield clusters


@pytest.fixture
def unreadable(keyed_servers: list[KubeCluster]) -> Iterator[KubeCluster]:
    """A real cluster that cannot decrypt the Secret `locked/tls` of another team."""
    old, new = keyed_servers
    new.apply_rbac()
    old.request("POST", "/api/v1/namespaces", {"metadata": {"name": "locked"}})
    old.create_secret("locked", "tls")
    yield new
    old.expect("DELETE", "/api/v1/namespaces/locked/secrets/tls")


def encrypted(file: Path) -> Sequence[str]:
    """The flags of an API server that encrypts Secrets with a key of its own, in one storage."""
    key = base64.b64encode(os.urandom(32)).decode()
    resources = {
        "resources": ["secrets"],
        "providers": [{"aescbc": {"keys": [{"name": file.stem, "secret": key}]}}, {"identity": {}}],
    }
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [resources],
    }
    file.write_text(yaml.safe_dump(document))
    return [f"--encryption-provider-config={file}", "--etcd-prefix=/keyed"]


@pytest.fixture(scope="session")
def double_clusters() -> Iterator[list[DoubleCluster]]:
    """Two API doubles with the same names and controllers as the real clusters."""
    with api_doubles(["prod-a", "prod-b"], controllers=["prod-b"]) as clusters:
        yield clusters


@pytest.fixture(scope="session")
def old_double_clusters() -> Iterator[list[DoubleCluster]]:
    """The same as Kubernetes 1.20 answers."""
    with api_doubles(["prod-a", "prod-b"], controllers=["prod-b"], version=OLD) as clusters:
        yield clusters


@pytest.fixture
def new_namespace() -> Callable[[KubeCluster], str]:
    """Makes a namespace that no other test uses."""

    def create(cluster: KubeCluster) -> str:
        name = f"test-{next(_numbers)}"
        cluster.create_namespace(name)
        return name

    return create


@contextlib.contextmanager
def _real(
    names: Sequence[str],
    *,
    controllers: Sequence[str] = (),
    flags: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[list[KubeCluster]]:
    """Real clusters. Without their binaries, tests fail in CI and are skipped elsewhere."""
    try:
        running = control_plane(names, controllers=controllers, flags=flags)
        with running as clusters:
            yield clusters
    except AssetsError as error:
        without_real_servers(error)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report that the double was not compared with a real API server, if so."""
    skipped = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    if any(NOT_RUN in reason for reason in skipped):
        terminalreporter.section("without the real kube-apiserver", red=True, bold=True)
        terminalreporter.line("Set KUBEBUILDER_ASSETS: these results prove the double alone.")
