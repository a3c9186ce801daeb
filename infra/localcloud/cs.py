"""Container Service for Kubernetes, API version 2015-12-15."""

import json
import re
from datetime import timedelta

from localcloud.api import ApiRequest, Json, Operation, Product
from localcloud.authorization import GET_KUBECONFIG, LIST_CLUSTERS, Permission
from localcloud.cloud import Cloud
from localcloud.errors import CloudError
from localcloud.world import AckCluster

_LONGEST_TEMPORARY_MINUTES = 4320
_SHORTEST_TEMPORARY_MINUTES = 15
_DEFAULT_VALIDITY = timedelta(days=3 * 365)
_STATES_WITHOUT_API_SERVER = {"initial", "waiting", "failed", "deleting", "deleted"}


def describe_cluster_user_kubeconfig(cloud: Cloud, request: ApiRequest) -> Json:
    """DescribeClusterUserKubeconfig: a kubeconfig that acts as the calling role.

    A cluster that has no API server yet or any more is refused, in words of this cloud's own;
    others get one in any state, whether or not they can be reached with it.
    """
    cluster_id = request.required("ClusterId")
    account = request.caller.role.account
    _authorize(request, GET_KUBECONFIG, cluster=cluster_id)
    cluster = cloud.world.find_cluster(cluster_id, account=account, region=request.region)
    if cluster is None:
        raise CloudError(404, "ErrorClusterNotFound", f"cluster {cluster_id} not found")
    if cluster.state in _STATES_WITHOUT_API_SERVER:
        message = f"cluster {cluster_id} is in state {cluster.state}"
        raise CloudError(400, "ErrorClusterState", message)
    config, expires_at = cluster.issue_kubeconfig(
        request.caller.role.arn,
        _validity(request),
        private=request.parameters.get("PrivateIpAddress") == "true",
    )
    return {"config": config, "expiration": expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")}


def describe_clusters(cloud: Cloud, request: ApiRequest) -> Json:
    """DescribeClustersV1: the clusters of the caller's account in the host's region, by pages."""
    _authorize(request, LIST_CLUSTERS)
    number = request.whole_number("page_number", default=1)
    size = request.whole_number("page_size", default=10)
    if number < 1 or size < 1:
        raise CloudError(400, "InvalidParameter", "page_number and page_size begin with 1.")
    account = request.caller.role.account
    existing = cloud.world.clusters_of(account, request.region)
    found = [cluster for cluster in existing if _is_asked_for(cluster, request)]
    return {
        "clusters": [_summary(cluster) for cluster in found[(number - 1) * size : number * size]],
        "page_info": {"page_number": number, "page_size": size, "total_count": len(found)},
    }


def _authorize(request: ApiRequest, permission: Permission, **place: str) -> None:
    there = {"region": request.region, "account": request.caller.role.account, **place}
    if denial := request.caller.find_access_denial(permission, **there):
        message = f"STSToken policy Forbidden for action {denial.action}"
        raise CloudError(403, "StatusForbidden", message, denial)


def _validity(request: ApiRequest) -> timedelta:
    if "TemporaryDurationMinutes" not in request.parameters:
        return _DEFAULT_VALIDITY
    minutes = request.whole_number("TemporaryDurationMinutes", default=0)
    if not _SHORTEST_TEMPORARY_MINUTES <= minutes <= _LONGEST_TEMPORARY_MINUTES:
        message = "TemporaryDurationMinutes is not between 15 and 4320."
        raise CloudError(400, "InvalidParameter.TemporaryDurationMinutes", message)
    return timedelta(minutes=minutes)


def _is_asked_for(cluster: AckCluster, request: ApiRequest) -> bool:
    """Whether it fits each filter that is given; part of the name will do, as documented."""
    exact = {
        "cluster_id": cluster.id,
        "cluster_type": cluster.cluster_type,
        "profile": cluster.profile,
        "region_id": cluster.region,
    }
    asked = request.parameters
    return asked.get("name", "") in cluster.name and all(
        asked.get(name) in (None, "", value) for name, value in exact.items()
    )


def _summary(cluster: AckCluster) -> Json:
    return {
        "cluster_id": cluster.id,
        "name": cluster.name,
        "cluster_type": cluster.cluster_type,
        "profile": cluster.profile,
        "region_id": cluster.region,
        "state": cluster.state,
        "tags": [{"key": key, "value": value} for key, value in cluster.tags.items()] or None,
        "master_url": _master_url(cluster),
    }


def _master_url(cluster: AckCluster) -> str:
    """JSON within a string, and an empty string for a cluster without any endpoint."""
    endpoints = {
        "api_server_endpoint": cluster.api_server_endpoint,
        "intranet_api_server_endpoint": cluster.intranet_api_server_endpoint,
    }
    return json.dumps(endpoints) if any(endpoints.values()) else ""


PRODUCT = Product(
    hosts=re.compile(r"cs\.(?P<region>[a-z0-9-]+)\.aliyuncs\.com"),
    version="2015-12-15",
    style="ROA",
    operations=(
        Operation(
            "DescribeClusterUserKubeconfig",
            describe_cluster_user_kubeconfig,
            method="GET",
            path="/k8s/{ClusterId}/user_config",
        ),
        Operation("DescribeClustersV1", describe_clusters, method="GET", path="/api/v1/clusters"),
    ),
)
