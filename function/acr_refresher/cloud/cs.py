"""Container Service for Kubernetes 2015-12-15: clusters and their temporary kubeconfigs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from acr_refresher.cloud.client import CloudClient, Operation, call_operation
from acr_refresher.cloud.errors import CloudCall, reading_answer
from acr_refresher.core.fleet import FoundCluster
from acr_refresher.core.model import AckAccess
from acr_refresher.run.ports import CloudCredentials, ClusterPage, ContainerService, Kubeconfig
from acr_refresher.settings import SETTINGS

VERSION = "2015-12-15"


class CsClient(ContainerService):
    """CS at the endpoint of each cluster's own region."""

    def __init__(self, sdk: CloudClient) -> None:
        self._cloud = sdk

    async def kubeconfig(self, caller: CloudCredentials, access: AckAccess) -> Kubeconfig:
        """DescribeClusterUserKubeconfig, valid for 15 to 4320 minutes.

        Raises NotRunning, Denied, Invalid, Gone, Throttled, Unreachable.
        """
        operation = Operation(
            "cs",
            VERSION,
            "DescribeClusterUserKubeconfig",
            f"/k8s/{quote(access.cluster_id, safe='')}/user_config",
        )
        query = {
            "PrivateIpAddress": str(access.private).lower(),
            "TemporaryDurationMinutes": str(access.validity // timedelta(minutes=1)),
        }
        call = _kubeconfig_call(caller, access)
        answer = await call_operation(self._cloud, call, operation, access.region_id, query)
        with reading_answer(call):
            return Kubeconfig(SecretStr(answer["config"]), _time(answer.get("expiration")))

    async def clusters(self, caller: CloudCredentials, region_id: str, page: int) -> ClusterPage:
        """DescribeClustersV1, one page. Raises Denied, Invalid, Throttled, Unreachable.

        How many pages there are goes by how many clusters the first one has, whatever was asked.
        """
        operation = Operation("cs", VERSION, "DescribeClustersV1", "/api/v1/clusters")
        call = _clusters_call(caller, region_id)
        query = {"page_number": str(page), "page_size": str(SETTINGS.list_page_size)}
        answer = await call_operation(self._cloud, call, operation, region_id, query)
        with reading_answer(call):
            found = tuple(_found(cluster, region_id) for cluster in answer["clusters"] or ())
            total = int(answer["page_info"]["total_count"])
        return ClusterPage(found, math.ceil(total / len(found)) if found else 1)


def _found(cluster: Mapping[str, Any], region_id: str) -> FoundCluster:
    tags: Iterable[Mapping[str, str]] = cluster.get("tags") or ()
    return FoundCluster(
        cluster_id=cluster["cluster_id"],
        name=cluster["name"],
        region_id=cluster.get("region_id") or region_id,
        type=cluster.get("cluster_type") or "",
        profile=cluster.get("profile") or "",
        state=cluster.get("state") or "",
        tags={tag["key"]: tag.get("value", "") for tag in tags},
    )


def _time(expiration: str | None) -> datetime | None:
    """RFC 3339, whose Z `fromisoformat` takes only from Python 3.11 on."""
    return datetime.fromisoformat(expiration.replace("Z", "+00:00")) if expiration else None


def _kubeconfig_call(caller: CloudCredentials, access: AckAccess) -> CloudCall:
    return CloudCall(
        "cs",
        "cs:DescribeClusterUserKubeconfig",
        f"cluster {access.cluster_id} in {access.region_id}",
        "allow cs:DescribeClusterUserKubeconfig and cs:GetUserConfig on it in the policy of the "
        "last role of the cluster's chain, and grant that role a ClusterRole in the cluster",
        caller,
    )


def _clusters_call(caller: CloudCredentials, region_id: str) -> CloudCall:
    return CloudCall(
        "cs",
        "cs:DescribeClustersV1",
        f"the clusters in {region_id}",
        "allow cs:DescribeClustersV1 and cs:ListClusters on * in the policy of the last role of "
        "the discovery's chain",
        caller,
    )
