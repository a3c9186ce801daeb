"""Reading a cluster: namespaces and service accounts once, and a list for each pull secret."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from itertools import chain

from acr_refresher.core.model import ClusterState
from acr_refresher.ports import KubeApi
from acr_refresher.retry import retrying


async def observe(kube: KubeApi, secret_names: Iterable[str]) -> ClusterState:
    """What stands in the cluster, the Secrets of these names among it. Raises PortError."""
    namespaces = asyncio.ensure_future(retrying(kube.list_namespaces))
    accounts = asyncio.ensure_future(retrying(kube.list_service_accounts))
    secrets = [
        asyncio.ensure_future(retrying(partial(kube.list_secrets, name))) for name in secret_names
    ]
    lists = (namespaces, accounts, *secrets)
    try:
        await asyncio.gather(*lists)
    finally:
        for task in lists:  # where one list fails the others have nothing more to tell
            task.cancel()
    found = tuple(chain.from_iterable(task.result() for task in secrets))
    return ClusterState(namespaces.result(), found, accounts.result())
