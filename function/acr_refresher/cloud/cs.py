"""Container Service for Kubernetes 2015-12-15: clusters and their temporary kubeconfigs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from acr_refresher.cloud.client import CloudClient, Operation
from acr_refresher.cloud.errors import CloudCall, reading_answer, text
from acr_refresher.core.fleet import FoundCluster
from acr_refresher.core.model import AckAccess
from acr_refresher.core.ram_actions import GET_KUBECONFIG, LIST_CLUSTERS
from acr_refresher.core.secret import parse_rfc3339
from acr_refresher.errors import Invalid
from acr_refresher.run.ports import CloudCredentials, ClusterPage, ContainerService, Kubeconfig
from acr_refresher.settings import SETTINGS

VERSION = "2015-12-15"
LIST = Operation("cs", VERSION, "DescribeClustersV1", "/api/v1/clusters")


class CsClient(ContainerService):
    """CS at the endpoint of each cluster's own region."""

    def __init__(self, cloud: CloudClient) -> None:
        self._cloud = cloud

    async def kubeconfig(self, caller: CloudCredentials, access: AckAccess) -> Kubeconfig:
        """DescribeClusterUserKubeconfig, valid for 15 to 4320 minutes.

        Raises NotRunning, Denied, Invalid, Gone, Throttled, Unreachable.
        """
        path = f"/k8s/{quote(access.cluster_id, safe='')}/user_config"
        operation = Operation("cs", VERSION, "DescribeClusterUserKubeconfig", path)
        query = {
            "PrivateIpAddress": str(access.private).lower(),
            "TemporaryDurationMinutes": str(access.validity // timedelta(minutes=1)),
        }
        call = CloudCall(
            "cs",
            "cs:DescribeClusterUserKubeconfig",
            f"cluster {access.cluster_id} in {access.region_id}",
            f"Allow {' and '.join(GET_KUBECONFIG)} on it in the policy of the last role of the "
            "cluster's chain, and grant that role a ClusterRole in the cluster.",
            caller,
        )
        answer = await self._cloud.call_operation(call, operation, access.region_id, query)
        with reading_answer(call):
            ends = answer.get("expiration")
            return Kubeconfig(
                SecretStr(text(answer["config"])), parse_rfc3339(ends) if ends else None
            )

    async def clusters(self, caller: CloudCredentials, region_id: str, page: int) -> ClusterPage:
        """DescribeClustersV1, one page. Raises Denied, Invalid, Throttled, Unreachable.

        The number of pages follows from the length of this page: CS may return fewer clusters per
        page than requested.
        """
        call = CloudCall(
            "cs",
            "cs:DescribeClustersV1",
            f"the clusters in {region_id}",
            f"Allow {' and '.join(LIST_CLUSTERS)} on * in the policy of the last role of the "
            "discovery's chain.",
            caller,
        )
        query = {"page_number": str(page), "page_size": str(SETTINGS.list_page_size)}
        answer = await self._cloud.call_operation(call, LIST, region_id, query)
        with reading_answer(call):
            found = tuple(_found(cluster, region_id) for cluster in answer["clusters"] or ())
            pages = _pages(int(answer["page_info"]["total_count"]), len(found))
        if pages > SETTINGS.list_pages:
            raise Invalid(
                f"{call.action} for {call.target}: the list is too large: {pages} pages, and at"
                f" most {SETTINGS.list_pages} are read",
                service="cs",
            )
        return ClusterPage(found, pages)


def _pages(total: int, on_a_page: int) -> int:
    return max(1, -(-total // on_a_page)) if on_a_page else 1


def _found(cluster: Mapping[str, Any], region_id: str) -> FoundCluster:
    def optional(field: str, default: str = "") -> str:
        return text(cluster.get(field) or default or " ").strip()

    tags = {text(tag["key"]): str(tag.get("value", "")) for tag in cluster.get("tags") or ()}
    return FoundCluster(
        cluster_id=text(cluster["cluster_id"]),
        name=text(cluster["name"]),
        region_id=optional("region_id", region_id),
        type=optional("cluster_type"),
        profile=optional("profile"),
        state=optional("state"),
        tags=tags,
    )
