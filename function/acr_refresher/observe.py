"""Reading a cluster: three lists, whatever its size; one more for each further pull secret."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from acr_refresher.core.model import ClusterState, SecretState
from acr_refresher.ports import KubeApi
from acr_refresher.retry import retrying


async def observe(kube: KubeApi, secret_names: Iterable[str]) -> ClusterState:
    """What stands in the cluster, the Secrets of these names among it. Raises PortError.

    One list after another, over one connection: a second one costs more CPU and memory than the
    wait is worth, which other clusters make use of.
    """
    namespaces = await retrying(kube.list_namespaces)
    secrets: list[SecretState] = []
    for name in secret_names:
        secrets += await retrying(partial(kube.list_secrets, name))
    return ClusterState(namespaces, tuple(secrets), await retrying(kube.list_service_accounts))
