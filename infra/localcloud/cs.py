"""Container Service for Kubernetes, API version 2015-12-15."""

import re
from datetime import timedelta

from localcloud.api import ApiRequest, Json, Operation, Product
from localcloud.cloud import Cloud
from localcloud.errors import CloudError

_LONGEST_TEMPORARY_MINUTES = 4320
_SHORTEST_TEMPORARY_MINUTES = 15
_DEFAULT_VALIDITY = timedelta(days=3 * 365)


def describe_cluster_user_kubeconfig(cloud: Cloud, request: ApiRequest) -> Json:
    """DescribeClusterUserKubeconfig: a kubeconfig that acts as the calling role."""
    cluster_id = request.required("ClusterId")
    _authorize(request, cluster_id)
    account = request.caller.role.account
    cluster = cloud.world.find_cluster(cluster_id, account=account, region=request.region)
    if cluster is None:
        raise CloudError(404, "ErrorClusterNotFound", f"cluster {cluster_id} not found")
    config, expires_at = cluster.issue_kubeconfig(request.caller.role.arn, _validity(request))
    return {"config": config, "expiration": expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _authorize(request: ApiRequest, cluster_id: str) -> None:
    """Ask for both names of the action: it is not known which of them the product checks."""
    account = request.caller.role.account
    resource = f"acs:cs:{request.region}:{account}:cluster/{cluster_id}"
    for action in ("cs:DescribeClusterUserKubeconfig", "cs:GetUserConfig"):
        if denial := request.caller.find_access_denial(action, resource):
            message = f"STSToken policy Forbidden for action {action}"
            raise CloudError(403, "StatusForbidden", message, denial)


def _validity(request: ApiRequest) -> timedelta:
    if "TemporaryDurationMinutes" not in request.parameters:
        return _DEFAULT_VALIDITY
    minutes = request.whole_number("TemporaryDurationMinutes", default=0)
    if not _SHORTEST_TEMPORARY_MINUTES <= minutes <= _LONGEST_TEMPORARY_MINUTES:
        message = "TemporaryDurationMinutes is not between 15 and 4320."
        raise CloudError(400, "InvalidParameter.TemporaryDurationMinutes", message)
    return timedelta(minutes=minutes)


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
    ),
)
