"""DescribeClustersV1 with the SDK's generic client."""

import json
from dataclasses import replace
from typing import Any

import pytest
from alibabacloud_tea_openapi.exceptions import ClientException

from localcloud.cloud import Cloud
from localcloud.demo import (
    CLUSTER_ACCOUNT,
    CLUSTER_ROLE_ARN,
    FUNCTION_ACCOUNT,
    FUNCTION_ROLE_ARN,
    REGION,
    cluster_role,
    function_role,
)
from localcloud.ram_files import load_policy
from localcloud.sdk import assume_role, clusters
from localcloud.server import serving
from localcloud.sessions import Session
from localcloud.world import Role, World


def discovering_role(policy: dict[str, Any]) -> Role:
    role = cluster_role()
    return replace(role, policies=(*role.policies, policy))


@pytest.fixture
def cloud(cloud: Cloud) -> Cloud:
    """A cloud with five clusters. A role can discover three of them in one region."""
    [shop] = cloud.world.clusters
    shop = replace(
        shop,
        tags={"team": "shop", "acr-refresher": "enabled"},
        api_server_endpoint="https://47.0.0.1:6443",
        intranet_api_server_endpoint="https://192.168.0.1:6443",
    )
    edge = replace(shop, id="c2", name="shop-edge", profile="Edge", state="updating", tags={})
    idc = replace(
        shop,
        id="c3",
        name="idc",
        cluster_type="ExternalKubernetes",
        state="waiting",
        api_server_endpoint="",
        intranet_api_server_endpoint="",
    )
    beijing = replace(shop, id="c4", region="cn-beijing")
    strange = replace(shop, id="c5", account=FUNCTION_ACCOUNT)
    roles = (function_role(), discovering_role(load_policy("cluster-discovery.policy")))
    return Cloud(World(roles=roles, clusters=(shop, edge, idc, beijing, strange)))


@pytest.fixture
def finder(url: str, function: Session) -> Any:
    """Credentials of the cluster account's role."""
    return assume_role(url, function, CLUSTER_ROLE_ARN)


def test_a_cluster_is_listed_with_its_tags_and_endpoints(
    cloud: Cloud, url: str, finder: Any
) -> None:
    body = clusters(url, finder, {"name": "shop-prod"})
    assert body["page_info"] == {"page_number": 1, "page_size": 10, "total_count": 1}
    [cluster] = body["clusters"]
    assert json.loads(cluster.pop("master_url")) == {
        "api_server_endpoint": "https://47.0.0.1:6443",
        "intranet_api_server_endpoint": "https://192.168.0.1:6443",
    }
    assert cluster == {
        "cluster_id": cloud.world.clusters[0].id,
        "name": "shop-prod",
        "cluster_type": "ManagedKubernetes",
        "profile": "Default",
        "region_id": REGION,
        "state": "running",
        "tags": [{"key": "team", "value": "shop"}, {"key": "acr-refresher", "value": "enabled"}],
    }


def test_missing_properties_of_a_cluster_are_null_or_empty(url: str, finder: Any) -> None:
    [edge, idc] = clusters(url, finder)["clusters"][1:]
    assert edge["tags"] is None
    assert (idc["master_url"], idc["state"]) == ("", "waiting")


FILTERS: list[tuple[str, dict[str, str], list[str]]] = [
    ("none", {}, ["shop-prod", "shop-edge", "idc"]),
    ("part of the name", {"name": "shop"}, ["shop-prod", "shop-edge"]),
    ("cluster type", {"cluster_type": "ExternalKubernetes"}, ["idc"]),
    ("profile", {"profile": "Edge"}, ["shop-edge"]),
    ("cluster ID", {"cluster_id": "c3"}, ["idc"]),
    ("this region", {"region_id": REGION}, ["shop-prod", "shop-edge", "idc"]),
    ("another region", {"region_id": "cn-beijing"}, []),
    ("two at once", {"name": "shop", "profile": "Default"}, ["shop-prod"]),
    ("an empty one", {"profile": ""}, ["shop-prod", "shop-edge", "idc"]),
]


@pytest.mark.parametrize(
    ("query", "names"), [row[1:] for row in FILTERS], ids=[row[0] for row in FILTERS]
)
def test_filters(url: str, finder: Any, query: dict[str, str], names: list[str]) -> None:
    body = clusters(url, finder, query)
    assert [cluster["name"] for cluster in body["clusters"]] == names
    assert body["page_info"]["total_count"] == len(names)


def test_page_by_page(url: str, finder: Any) -> None:
    pages = [clusters(url, finder, {"page_size": "2", "page_number": number}) for number in "123"]
    assert [[cluster["name"] for cluster in page["clusters"]] for page in pages] == [
        ["shop-prod", "shop-edge"],
        ["idc"],
        [],
    ]
    assert pages[1]["page_info"] == {"page_number": 2, "page_size": 2, "total_count": 3}


def test_the_host_of_another_region_lists_its_own_clusters(url: str, finder: Any) -> None:
    body = clusters(url, finder, host="cs.cn-beijing.aliyuncs.com")
    assert [cluster["cluster_id"] for cluster in body["clusters"]] == ["c4"]


def refusal(url: str, caller: Any, query: dict[str, str] | None = None) -> ClientException:
    with pytest.raises(ClientException) as caught:
        clusters(url, caller, query)
    return caught.value


@pytest.mark.parametrize("query", [{"page_size": "0"}, {"page_number": "0"}, {"page_size": "x"}])
def test_pages_begin_with_one(url: str, finder: Any, query: dict[str, str]) -> None:
    error = refusal(url, finder, query)
    assert error.status_code == 400
    assert error.code.startswith("InvalidParameter")


@pytest.mark.parametrize("missing", ["cs:GetClusters", "cs:DescribeClustersV1", "cs:ListClusters"])
def test_both_spellings_of_the_action_are_needed(cloud: Cloud, missing: str) -> None:
    policy = load_policy("cluster-discovery.policy")
    [statement] = policy["Statement"]
    statement["Action"].remove(missing)
    world = replace(cloud.world, roles=(function_role(), discovering_role(policy)))
    with serving(replace(cloud, world=world)) as url:
        finder = assume_role(url, cloud.function_credentials(FUNCTION_ROLE_ARN), CLUSTER_ROLE_ARN)
        error = refusal(url, finder)
    assert (error.status_code, error.code) == (403, "StatusForbidden")
    assert error.access_denied_detail["AuthAction"] == missing
    assert error.access_denied_detail["AuthPrincipalOwnerId"] == CLUSTER_ACCOUNT


def test_the_permission_to_serve_clusters_does_not_allow_discovery(cloud: Cloud) -> None:
    world = replace(cloud.world, roles=(function_role(), cluster_role()))
    with serving(replace(cloud, world=world)) as url:
        function = cloud.function_credentials(FUNCTION_ROLE_ARN)
        error = refusal(url, assume_role(url, function, CLUSTER_ROLE_ARN))
    assert error.code == "StatusForbidden"
