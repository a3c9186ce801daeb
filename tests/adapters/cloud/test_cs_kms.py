"""CS and KMS: clusters and their kubeconfigs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import SecretStr

from acr_refresher.cloud import cs
from acr_refresher.cloud.client import CloudClient, CloudTransport
from acr_refresher.cloud.cs import CsClient
from acr_refresher.cloud.kms import KmsClient
from acr_refresher.core.fleet import FoundCluster
from acr_refresher.core.model import AckAccess, KmsAccess
from acr_refresher.errors import Denied, Gone, Invalid, NotRunning
from acr_refresher.run.ports import CloudCredentials, ClusterPage
from acr_refresher.run.rate_limit import RateLimiter
from acr_refresher.settings import SETTINGS
from adapters.cloudapi import HOUR, THE_CLUSTER, assume
from adapters.conftest import issue_kubeconfig
from localcloud.cloud import Cloud
from localcloud.demo import CLUSTER_ACCOUNT, CLUSTER_ROLE_ARN, FUNCTION_ROLE_ARN, REGION, demo_world
from localcloud.ram_files import load_policy
from localcloud.server import serving
from localcloud.world import AckCluster, Secret, World


@pytest.mark.parametrize("private", [False, True])
def test_a_cluster_role_gets_a_temporary_kubeconfig(
    cloud_client: CloudClient, cloud: Cloud, function: CloudCredentials, private: bool
) -> None:
    session = assume(cloud_client, function, CLUSTER_ROLE_ARN)
    before = datetime.now(timezone.utc).replace(microsecond=0)

    access = replace(THE_CLUSTER, private=private, validity=timedelta(hours=72))
    kubeconfig = asyncio.run(CsClient(cloud_client).kubeconfig(session, access))

    assert kubeconfig.document.get_secret_value() == f"# of {CLUSTER_ROLE_ARN} for 3 days, 0:00:00"
    assert kubeconfig.expires_at is not None
    assert before + 72 * HOUR <= kubeconfig.expires_at
    assert kubeconfig.expires_at <= datetime.now(timezone.utc) + 72 * HOUR
    [call] = cloud.calls("DescribeClusterUserKubeconfig")
    assert call.parameters["PrivateIpAddress"] == str(private).lower()


def ack_cluster(cluster_id: str, name: str, **fields: Any) -> AckCluster:
    return AckCluster(cluster_id, name, REGION, CLUSTER_ACCOUNT, issue_kubeconfig, **fields)


def asked(world: World, use: Any) -> Any:
    """What `use` gets from a cloud of this world, as a role that may find clusters."""
    may = load_policy("cluster-discovery.policy")
    roles = tuple(
        replace(role, policies=(*role.policies, may)) if role.arn == CLUSTER_ROLE_ARN else role
        for role in world.roles
    )
    cloud = Cloud(replace(world, roles=roles))
    with serving(cloud) as url:
        cloud_client = CloudClient(CloudTransport(url), threads=2)
        session = cloud.function_credentials(FUNCTION_ROLE_ARN)
        caller = assume(cloud_client, _credentials(session), CLUSTER_ROLE_ARN)
        try:
            return asyncio.run(use(cloud_client, caller))
        finally:
            cloud_client.close()


def _credentials(session: Any) -> CloudCredentials:
    return CloudCredentials(
        session.access_key_id,
        SecretStr(session.access_key_secret),
        SecretStr(session.security_token),
    )


def test_all_clusters_of_a_region_are_found_with_what_they_can_be_chosen_by() -> None:
    registered = ack_cluster(
        "c2", "idc", cluster_type="ExternalKubernetes", state="waiting", tags={"team": "shop"}
    )
    world = demo_world([ack_cluster("c1", "shop-edge", profile="Edge"), registered])

    page = asked(
        world, lambda cloud_client, caller: CsClient(cloud_client).clusters(caller, REGION, 1)
    )

    assert page.pages == 1
    assert page.found == (
        FoundCluster("c1", "shop-edge", REGION, "ManagedKubernetes", "Edge", "running", {}),
        FoundCluster(
            "c2", "idc", REGION, "ExternalKubernetes", "Default", "waiting", {"team": "shop"}
        ),
    )


def test_a_region_without_clusters_has_none() -> None:
    page = asked(
        demo_world(),
        lambda cloud_client, caller: CsClient(cloud_client).clusters(caller, REGION, 1),
    )
    assert page == ClusterPage(())


def test_many_clusters_come_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cs, "SETTINGS", replace(SETTINGS, list_page_size=2))
    world = demo_world([ack_cluster(f"c{n}", f"shop-{n}") for n in range(5)])

    first = asked(
        world, lambda cloud_client, caller: CsClient(cloud_client).clusters(caller, REGION, 1)
    )
    last = asked(
        world, lambda cloud_client, caller: CsClient(cloud_client).clusters(caller, REGION, 3)
    )

    assert first.pages == 3
    assert [cluster.cluster_id for cluster in first.found] == ["c0", "c1"]
    assert [cluster.cluster_id for cluster in last.found] == ["c4"]


def test_each_page_is_counted_against_the_callers_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cs, "SETTINGS", replace(SETTINGS, list_page_size=2))
    world = demo_world([ack_cluster(f"c{n}", f"shop-{n}") for n in range(5)])
    rate_limiter = RateLimiter({"cs": 20.0}, clock=lambda: 0.0)

    asked(
        world,
        lambda cloud_client, caller: CsClient(
            cloud_client.with_rate_limiter(rate_limiter)
        ).clusters(caller, REGION, 1),
    )

    [(key, bucket)] = rate_limiter.buckets.items()
    assert (key, bucket.tokens) == ((CLUSTER_ACCOUNT, "cs"), 10 - 1)


@pytest.mark.parametrize("state", ["initial", "deleting"])
def test_a_cluster_that_is_not_up_is_told_from_a_failure(state: str) -> None:
    world = demo_world([ack_cluster("c1", "shop", state=state)])

    with pytest.raises(
        NotRunning, match=f"the cluster is not running: cluster c1 is in state {state}"
    ):
        asked(
            world,
            lambda cloud_client, caller: CsClient(cloud_client).kubeconfig(
                caller, AckAccess("c1", REGION)
            ),
        )


# ---- KMS -----------------------------------------------------------------------------------------

READ = {
    "Version": "1",
    "Statement": [
        {"Effect": "Allow", "Action": ["kms:GetSecretValue", "kms:Decrypt"], "Resource": "*"}
    ],
}
SECRET = Secret(CLUSTER_ACCOUNT, REGION, "kubeconfig/idc", "# of the data centre")


def read(name: str, secret: Secret = SECRET, *policies: Any) -> str:
    world = demo_world()
    roles = tuple(
        replace(role, policies=policies or (READ,)) if role.arn == CLUSTER_ROLE_ARN else role
        for role in world.roles
    )
    kubeconfig = asked(
        replace(world, roles=roles, secrets=(secret,)),
        lambda cloud_client, caller: KmsClient(cloud_client).kubeconfig(
            caller, KmsAccess(name, REGION)
        ),
    )
    assert kubeconfig.expires_at is None
    assert SECRET.data not in repr(kubeconfig)
    return str(kubeconfig.document.get_secret_value())


@pytest.mark.parametrize(
    "name", ["kubeconfig/idc", f"acs:kms:{REGION}:{CLUSTER_ACCOUNT}:secret/kubeconfig/idc"]
)
def test_a_secret_is_read_by_name_or_arn(name: str) -> None:
    assert read(name) == "# of the data centre"


def test_a_secret_that_is_not_there_is_gone() -> None:
    with pytest.raises(Gone, match=f"secret kubeconfig/none in {REGION} does not exist"):
        read("kubeconfig/none")


def test_a_secret_that_is_no_text_is_invalid() -> None:
    with pytest.raises(Invalid, match=r"is binary\. Store the kubeconfig as text"):
        read("kubeconfig/idc", replace(SECRET, data_type="binary"))


def test_both_permissions_are_needed_and_named() -> None:
    get = {**READ, "Statement": [{**READ["Statement"][0], "Action": "kms:GetSecretValue"}]}  # type: ignore[dict-item]  # a policy is JSON
    with pytest.raises(Denied, match="and kms:Decrypt on the key"):
        read("kubeconfig/idc", SECRET, get)
