"""What is really in the clusters, read as an administrator, and whether it is right."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from demo.cast import SERVED, SERVICE_ACCOUNTS, WAITING, Place
from localkube import KubeCluster

SECRET = "acr-pull"
Tokens = Mapping[Place, Mapping[str, str]]
"""By place: what each registry host is logged in to with."""


def tokens(clusters: Mapping[str, KubeCluster]) -> Tokens:
    """The pull secrets of all clusters, as a kubelet would read them."""
    return {
        (name, secret["metadata"]["namespace"]): _auths(secret)
        for name, cluster in clusters.items()
        for secret in cluster.list_items("secrets")
        if secret["metadata"]["name"] == SECRET
    }


def mistakes(
    clusters: Mapping[str, KubeCluster], report: dict[str, Any], result: str, waiting: str
) -> Iterator[str]:
    """What is not as it should be after a run whose every secret should have come to `result`."""
    found = {
        (cluster["cluster"], secret["namespace"]): secret["result"]
        for cluster in report["clusters"]
        for secret in cluster["secrets"]
    }
    expected = {place: waiting if place == WAITING else result for place in SERVED}
    if found != expected:
        yield f"expected {expected}, found {found}"
    if set(tokens(clusters)) != set(SERVED):
        yield f"secrets stand in {sorted(tokens(clusters))}, not in {sorted(SERVED)}"
    yield from _wrong_references(clusters)


def _wrong_references(clusters: Mapping[str, KubeCluster]) -> Iterator[str]:
    for (name, namespace), accounts in SERVICE_ACCOUNTS.items():
        for account, theirs in accounts.items():
            wanted = [*theirs, SECRET] if (name, namespace) in SERVED else [*theirs]
            found = _references(clusters[name], namespace, account)
            if found != wanted:
                yield f"{name}/{namespace}/{account} refers to {found}, not to {wanted}"


def _references(cluster: KubeCluster, namespace: str, account: str) -> list[str]:
    found = cluster.get_service_account(namespace, account) or {}
    return [reference["name"] for reference in found.get("imagePullSecrets", [])]


def _auths(secret: dict[str, Any]) -> dict[str, str]:
    document = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))
    return {host: auth["auth"] for host, auth in document["auths"].items()}
