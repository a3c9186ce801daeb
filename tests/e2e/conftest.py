"""Each test runs on the double and on a real kube-apiserver, in namespaces of its own."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from localkube import KubeCluster
from sites import SECRET, Site

_numbers = itertools.count(1)


@pytest.fixture(params=["double", "real"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    clusters: list[KubeCluster] = request.getfixturevalue(f"{request.param}_clusters")
    yield from _site(clusters)


@pytest.fixture
def broken_site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """Two doubles, whose faults the test orders."""
    yield from _site(request.getfixturevalue("double_clusters"))


def _site(clusters: Sequence[KubeCluster]) -> Iterator[Site]:
    for cluster in clusters:
        cluster.apply_rbac()
    yield Site(clusters[0], clusters[1], f"e2e{next(_numbers)}")
    for cluster in clusters:
        for secret in cluster.list_items("secrets"):
            if secret["metadata"]["name"] == SECRET:
                namespace = secret["metadata"]["namespace"]
                cluster.request("DELETE", f"/api/v1/namespaces/{namespace}/secrets/{SECRET}")


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """The lines logged since it was last asked."""

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return lines
