"""A company's cloud in three accounts: the function's, a cluster team's and the registry's."""

from collections.abc import Iterable
from datetime import timedelta

from localcloud.ram_files import assume_policy, kubeconfig_policy, load_policy
from localcloud.world import AckCluster, Domain, Endpoint, RegistryInstance, Role, World

REGION = "cn-hangzhou"
FUNCTION_ACCOUNT = "1230047551289034"
CLUSTER_ACCOUNT = "1461190376602381"
REGISTRY_ACCOUNT = "1879224016553720"

_NAME_PREFIX = "acr-refresher-"
FUNCTION_ROLE_ARN = f"acs:ram::{FUNCTION_ACCOUNT}:role/{_NAME_PREFIX}function"
CLUSTER_ROLE_ARN = f"acs:ram::{CLUSTER_ACCOUNT}:role/{_NAME_PREFIX}cluster"
REGISTRY_ROLE_ARN = f"acs:ram::{REGISTRY_ACCOUNT}:role/{_NAME_PREFIX}registry"

REGISTRY = RegistryInstance(
    id="cri-7k2mzq4v0x9hd1ep",
    region=REGION,
    account=REGISTRY_ACCOUNT,
    endpoints=(
        Endpoint(
            "internet",
            (
                Domain(f"acme-registry.{REGION}.cr.aliyuncs.com"),
                Domain("images.acme.example", "USER"),
            ),
        ),
        Endpoint(
            "vpc",
            (Domain(f"acme-registry-vpc.{REGION}.cr.aliyuncs.com"),),
            linked_vpcs=("vpc-bp1k9t0w3f6y2n8s5d4aq",),
        ),
    ),
)


def demo_world(clusters: Iterable[AckCluster] = ()) -> World:
    """The roles of infra/ram, one registry instance, and the given clusters."""
    return World(
        roles=(function_role(), cluster_role(), registry_role()),
        registries=(REGISTRY,),
        clusters=tuple(clusters),
    )


def function_role() -> Role:
    return Role(
        FUNCTION_ACCOUNT,
        FUNCTION_ROLE_ARN.rpartition("/")[2],
        load_policy("function-role.trust"),
        (assume_policy(CLUSTER_ROLE_ARN, REGISTRY_ROLE_ARN),),
    )


def cluster_role() -> Role:
    return Role(
        CLUSTER_ACCOUNT,
        CLUSTER_ROLE_ARN.rpartition("/")[2],
        load_policy("cluster-account-role.trust", function_role_arn=FUNCTION_ROLE_ARN),
        (kubeconfig_policy("*"),),
    )


def registry_role() -> Role:
    return Role(
        REGISTRY_ACCOUNT,
        REGISTRY_ROLE_ARN.rpartition("/")[2],
        load_policy("registry-account-role.trust", function_role_arn=FUNCTION_ROLE_ARN),
        (
            load_policy(
                "registry-account-role.policy",
                region=REGISTRY.region,
                account=REGISTRY.account,
                instance=REGISTRY.id,
            ),
        ),
        max_session_duration=timedelta(hours=12),
    )
