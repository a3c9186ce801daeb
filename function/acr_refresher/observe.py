"""Reading a cluster: three lists, whatever its size."""

from __future__ import annotations

import asyncio

from acr_refresher.core.model import ClusterState
from acr_refresher.ports import KubeApi
from acr_refresher.retry import retrying


async def observe(kube: KubeApi, secret_name: str) -> ClusterState:
    """The cluster's namespaces, Secrets of our name and service accounts. Raises PortError."""
    lists = (
        asyncio.ensure_future(retrying(kube.list_namespaces)),
        asyncio.ensure_future(retrying(lambda: kube.list_secrets(secret_name))),
        asyncio.ensure_future(retrying(kube.list_service_accounts)),
    )
    try:
        namespaces, secrets, accounts = await asyncio.gather(*lists)
    finally:
        for task in lists:  # where one list fails the others have nothing more to tell
            task.cancel()
    return ClusterState(namespaces, secrets, accounts)
