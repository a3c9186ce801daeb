"""Each test runs on the API double and on a real kube-apiserver, in its own namespaces."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from localkube import KubeCluster
from localkube.double import DoubleCluster
from sites import BrokenSite, Site, clear_requests, clear_secrets

_numbers = itertools.count(1)


@pytest.fixture(params=["double", "real"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    clusters: list[KubeCluster] = request.getfixturevalue(f"{request.param}_clusters")
    yield from _site(clusters)


@pytest.fixture
def broken(double_clusters: list[DoubleCluster]) -> Iterator[BrokenSite]:
    """Two API doubles in which the test injects faults."""
    hangzhou, beijing = double_clusters
    for cluster in double_clusters:
        _prepare(cluster)
    yield BrokenSite(hangzhou, beijing, f"e2e{next(_numbers)}")
    for cluster in double_clusters:
        cluster.faults.clear()


def _site(clusters: Sequence[KubeCluster]) -> Iterator[Site]:
    for cluster in clusters:
        _prepare(cluster)
    yield Site(clusters[0], clusters[1], f"e2e{next(_numbers)}")


def _prepare(cluster: KubeCluster) -> None:
    """Restore the rights, and remove what earlier tests left on the shared cluster."""
    cluster.apply_rbac()
    clear_secrets(cluster)
    clear_requests(cluster)


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """The log lines since the last call."""

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return lines
