"""DescribeClusterUserKubeconfig with the SDK's generic client."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from alibabacloud_tea_openapi.exceptions import ClientException

from localcloud.cloud import Cloud
from localcloud.demo import (
    CLUSTER_ROLE_ARN,
    FUNCTION_ROLE_ARN,
    REGISTRY_ROLE_ARN,
    cluster_role,
    function_role,
)
from localcloud.sdk import assume_role, user_kubeconfig
from localcloud.server import serving
from localcloud.sessions import Session

CLUSTER_ID = "c8f1d3b5a79e24680bdf13579ace02468"


@pytest.fixture
def operator(url: str, function: Session) -> Any:
    """Credentials of the cluster account's role."""
    return assume_role(url, function, CLUSTER_ROLE_ARN)


def test_a_temporary_kubeconfig_is_issued_for_the_role(
    cloud: Cloud, url: str, operator: Any
) -> None:
    query = {"PrivateIpAddress": "false", "TemporaryDurationMinutes": "60"}
    body = user_kubeconfig(url, operator, CLUSTER_ID, query)
    assert body["config"] == f"# public, of {CLUSTER_ROLE_ARN} for 1:00:00"
    expiration = datetime.strptime(body["expiration"], "%Y-%m-%dT%H:%M:%S%z")
    assert expiration <= cloud.clock() + timedelta(hours=1)
    [call] = cloud.calls("DescribeClusterUserKubeconfig")
    assert call.parameters == {"ClusterId": CLUSTER_ID, **query}


def test_a_private_kubeconfig_names_the_address_in_the_vpc(url: str, operator: Any) -> None:
    body = user_kubeconfig(url, operator, CLUSTER_ID, {"PrivateIpAddress": "true"})
    assert body["config"].startswith("# private, ")


STATES = [
    ("initial", False),
    ("waiting", False),
    ("failed", False),
    ("deleting", False),
    ("deleted", False),
    ("updating", True),
    ("upgrading", True),
    ("removing", True),
    ("unavailable", True),
    ("disconnected", True),
]


@pytest.mark.parametrize(("state", "issued"), STATES)
def test_a_cluster_without_an_api_server_has_no_kubeconfig(
    cloud: Cloud, state: str, issued: bool
) -> None:
    [cluster] = cloud.world.clusters
    world = replace(cloud.world, clusters=(replace(cluster, state=state),))
    with serving(replace(cloud, world=world)) as url:
        operator = assume_role(url, cloud.function_credentials(FUNCTION_ROLE_ARN), CLUSTER_ROLE_ARN)
        if issued:
            assert user_kubeconfig(url, operator, CLUSTER_ID)["config"]
        else:
            error = refusal(url, operator, CLUSTER_ID)
            assert (error.status_code, error.code) == (400, "ErrorClusterState")


def test_a_kubeconfig_is_valid_for_years_by_default(url: str, operator: Any) -> None:
    assert "1095 days" in user_kubeconfig(url, operator, CLUSTER_ID)["config"]


@pytest.mark.parametrize("minutes", ["14", "4321", "soon"])
def test_validity_has_limits(url: str, operator: Any, minutes: str) -> None:
    error = refusal(url, operator, CLUSTER_ID, {"TemporaryDurationMinutes": minutes})
    assert (error.status_code, error.code) == (
        400,
        "InvalidParameter.TemporaryDurationMinutes",
    )


def refusal(url: str, caller: Any, cluster_id: str, *more: Any) -> ClientException:
    with pytest.raises(ClientException) as caught:
        user_kubeconfig(url, caller, cluster_id, *more)
    return caught.value


def test_an_unknown_cluster_is_refused(url: str, operator: Any) -> None:
    error = refusal(url, operator, "c" + "0" * 32)
    assert (error.status_code, error.code) == (404, "ErrorClusterNotFound")
    assert error.request_id


def test_a_cluster_is_looked_for_in_the_hosts_region(url: str, operator: Any) -> None:
    error = refusal(url, operator, CLUSTER_ID, {}, "cs.cn-beijing.aliyuncs.com")
    assert error.code == "ErrorClusterNotFound"


def test_another_accounts_role_has_no_permission(url: str, function: Session) -> None:
    stranger = assume_role(url, function, REGISTRY_ROLE_ARN)
    error = refusal(url, stranger, CLUSTER_ID)
    assert (error.status_code, error.code) == (403, "StatusForbidden")
    assert error.access_denied_detail["AuthAction"] == "cs:DescribeClusterUserKubeconfig"


@pytest.mark.parametrize("missing", ["cs:DescribeClusterUserKubeconfig", "cs:GetUserConfig"])
def test_both_spellings_of_the_action_are_needed(cloud: Cloud, missing: str) -> None:
    role = cluster_role()
    [policy] = role.policies
    [statement] = policy["Statement"]
    actions = [action for action in statement["Action"] if action != missing]
    narrowed = {**policy, "Statement": [{**statement, "Action": actions}]}
    roles = (function_role(), replace(role, policies=(narrowed,)))
    with serving(replace(cloud, world=replace(cloud.world, roles=roles))) as url:
        operator = assume_role(url, cloud.function_credentials(FUNCTION_ROLE_ARN), CLUSTER_ROLE_ARN)
        assert refusal(url, operator, CLUSTER_ID).code == "StatusForbidden"
