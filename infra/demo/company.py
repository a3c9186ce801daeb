"""The cloud that function/config.yaml speaks of: four accounts, two registries, two ACK clusters.

Roles have exactly the policies of infra/ram, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from localcloud.ram_files import assume_policy, kubeconfig_policy, load_policy
from localcloud.world import (
    AckCluster,
    Domain,
    Endpoint,
    LogProject,
    Queue,
    RegistryInstance,
    Role,
    World,
)
from localkube.cluster import KubeCluster

HOME, PARTNER, BEIJING = "1000000000000001", "2000000000000002", "3000000000000003"
PREFIX = "acr-refresher-"
FUNCTION_ROLE = f"acs:ram::{HOME}:role/{PREFIX}function"
REGION = "cn-hangzhou"
FUNCTION = "acr-refresher"

MAIN_REGISTRY = RegistryInstance(
    "cri-acmehz0000000001",
    REGION,
    HOME,
    (
        Endpoint("internet", (Domain("acme-registry.cn-hangzhou.cr.aliyuncs.com"),)),
        Endpoint("vpc", (Domain("acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com"),)),
    ),
)
PARTNER_REGISTRY = RegistryInstance(
    "cri-partnerbj00000001",
    "cn-beijing",
    PARTNER,
    (Endpoint("internet", (Domain("partner-registry.cn-beijing.cr.aliyuncs.com"),)),),
)

LOG_PROJECT = LogProject(HOME, REGION, f"{PREFIX}{HOME}", ("function", "outcomes"))
FAILED_RUNS = Queue(HOME, REGION, f"{PREFIX}failed")

ACK_CLUSTERS = {
    "prod-hangzhou": ("c1d00000000000000000000000000001", REGION, HOME),
    "prod-beijing": ("c1d00000000000000000000000000002", "cn-beijing", BEIJING),
}

ASSUMED_ROLES = (
    f"acs:ram::{HOME}:role/{PREFIX}cluster",
    f"acs:ram::{PARTNER}:role/{PREFIX}registry",
    f"acs:ram::{BEIJING}:role/{PREFIX}cluster",
)
"""The roles in config.yaml."""


def company(clusters: Mapping[str, KubeCluster]) -> World:
    """The world in which the named clusters are the ACK clusters of the same names."""
    return World(
        roles=(
            _function_role(MAIN_REGISTRY),
            *(_cluster_role(account) for account in (HOME, BEIJING)),
            _registry_role(PARTNER_REGISTRY),
        ),
        registries=(MAIN_REGISTRY, PARTNER_REGISTRY),
        clusters=tuple(
            _ack_cluster(name, clusters[name]) for name in ACK_CLUSTERS if name in clusters
        ),
        log_projects=(LOG_PROJECT,),
        queues=(FAILED_RUNS,),
    )


def _function_role(registry: RegistryInstance) -> Role:
    return Role(
        HOME,
        f"{PREFIX}function",
        load_policy("function-role.trust"),
        (
            assume_policy(*ASSUMED_ROLES),
            _pull_policy(registry),
            _fan_out_policy(),
            _platform_policy(LOG_PROJECT, FAILED_RUNS),
            _log_policy(LOG_PROJECT),
        ),
    )


def _cluster_role(account: str) -> Role:
    trust = load_policy("cluster-account-role.trust", function_role_arn=FUNCTION_ROLE)
    clusters = [cluster for cluster, _, owner in ACK_CLUSTERS.values() if owner == account]
    return Role(account, f"{PREFIX}cluster", trust, (kubeconfig_policy(*clusters),))


def _registry_role(registry: RegistryInstance) -> Role:
    trust = load_policy("registry-account-role.trust", function_role_arn=FUNCTION_ROLE)
    return Role(registry.account, f"{PREFIX}registry", trust, (_pull_policy(registry),))


def _pull_policy(registry: RegistryInstance) -> dict[str, object]:
    return load_policy(
        "registry-account-role.policy",
        region=registry.region,
        account=registry.account,
        instance=registry.id,
    )


def _fan_out_policy() -> dict[str, object]:
    return load_policy(
        "fan-out.policy", region=REGION, account=HOME, service=FUNCTION, function=FUNCTION
    )


def _platform_policy(project: LogProject, queue: Queue) -> dict[str, object]:
    return load_policy(
        "function-platform.policy",
        region=REGION,
        account=HOME,
        project=project.name,
        logstore="function",
        queue=queue.name,
    )


def _log_policy(project: LogProject) -> dict[str, object]:
    return load_policy(
        "outcomes-log.policy",
        region=project.region,
        account=project.account,
        project=project.name,
        logstore="outcomes",
    )


def _ack_cluster(name: str, cluster: KubeCluster) -> AckCluster:
    cluster_id, region, account = ACK_CLUSTERS[name]

    def issue_kubeconfig(
        _caller_arn: str,
        validity: timedelta,
        *,
        private: bool,  # noqa: ARG001  # on one machine every network is the same
    ) -> tuple[str, datetime]:
        expires_at = datetime.now(timezone.utc) + validity
        return cluster.kubeconfig(validity=validity), expires_at

    return AckCluster(cluster_id, name, region, account, issue_kubeconfig)
