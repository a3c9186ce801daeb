"""The demo's clusters: what is in them before the first run, and what is expected after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from localkube import KubeCluster, control_plane
from localkube.assets import AssetsError
from localkube.double import api_doubles

NAMES = ("prod-hangzhou", "prod-beijing", "idc")

Place = tuple[str, str]
"""A cluster and a namespace in it."""

SERVICE_ACCOUNTS: Mapping[Place, Mapping[str, Sequence[str]]] = {
    ("prod-hangzhou", "default"): {"default": ()},
    ("prod-hangzhou", "shop"): {"builder": (), "default": ("docker-hub",)},
    ("prod-hangzhou", "sandbox-ann"): {"default": ()},
    ("prod-beijing", "default"): {"builder": (), "default": ()},
    ("prod-beijing", "team-web"): {"default": ()},
    ("idc", "default"): {"default": ()},
    ("idc", "payments"): {"default": ("vault", "docker-hub")},
}
"""Service accounts by place, with the pull secrets of others that they refer to already."""

LABELS = {("idc", "payments"): {"acr-refresher/pull": "enabled"}}

SERVED: tuple[Place, ...] = (
    ("prod-hangzhou", "default"),
    ("prod-hangzhou", "shop"),
    ("prod-beijing", "default"),
    ("prod-beijing", "team-web"),
    ("idc", "payments"),
)
"""Where function/config.yaml wants a secret."""

WAITING = ("prod-beijing", "team-web")
"""Where the service account `builder` is asked for and does not exist."""


@contextmanager
def clusters() -> Iterator[tuple[dict[str, KubeCluster], str]]:
    """The clusters with their namespaces: real ones if their binaries can be found."""
    try:
        with control_plane(NAMES) as real:
            yield _peopled(real), "kube-apiserver"
    except AssetsError as missing:
        with api_doubles(NAMES) as doubles:
            yield _peopled(doubles), f"API-server double ({missing})"


def _peopled(started: Sequence[KubeCluster]) -> dict[str, KubeCluster]:
    by_name = {cluster.name: cluster for cluster in started}
    for cluster in started:
        cluster.apply_rbac()
    for (name, namespace), accounts in SERVICE_ACCOUNTS.items():
        cluster = by_name[name]
        if namespace != "default":
            cluster.create_namespace(namespace, LABELS.get((name, namespace)))
        for account, references in accounts.items():
            cluster.create_service_account(namespace, account, references)
    return by_name
