"""The function, deployed with a local cloud and two clusters, and what the clusters contain."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import time_machine
import yaml

from acr_refresher.core.secret import MANAGED_BY_LABEL, MANAGER
from demo.stage import Stage, stage
from localkube import KubeCluster
from localkube.double import DoubleCluster

SECRET = "acr-pull"
REQUESTED_INSTANCES = "k8s.aliyun.com/acr-instance-ids"
"""The annotation with which a namespace requests registries."""
OUR_BINDING = "/serviceaccounts/default?fieldManager=acr-refresher"
"""Part of the URL with which only the function binds service accounts."""
REGISTRIES = [
    {"name": "main", "instanceId": "cri-acmehz0000000001", "regionId": "cn-hangzhou"},
    {
        "name": "partner",
        "instanceId": "cri-partnerbj00000001",
        "regionId": "cn-beijing",
        "assumeRoleARN": "acs:ram::2000000000000002:role/acr-refresher-registry",
    },
]
CLUSTERS = [
    {
        "name": "prod-hangzhou",
        "clusterId": "c1d00000000000000000000000000001",
        "regionId": "cn-hangzhou",
        "assumeRoleARN": "acs:ram::1000000000000001:role/acr-refresher-cluster",
    },
    {
        "name": "prod-beijing",
        "clusterId": "c1d00000000000000000000000000002",
        "regionId": "cn-beijing",
        "assumeRoleARN": "acs:ram::3000000000000003:role/acr-refresher-cluster",
    },
]
MAIN_HOSTS = [
    "acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com",
    "acme-registry.cn-hangzhou.cr.aliyuncs.com",
]
PARTNER_HOSTS = ["partner-registry.cn-beijing.cr.aliyuncs.com"]


def config_of(
    defaults: Mapping[str, Any],
    registries: Sequence[Mapping[str, Any]] = REGISTRIES,
    clusters: Sequence[Mapping[str, Any]] = CLUSTERS,
) -> str:
    """A config.yaml for both clusters, or for other clusters."""
    return yaml.safe_dump(
        {"registries": [*registries], "defaults": dict(defaults), "clusters": [*clusters]}
    )


@dataclass(frozen=True)
class Site:
    """Two clusters in which the namespaces of this test begin with `prefix`."""

    hangzhou: KubeCluster
    beijing: KubeCluster
    prefix: str

    @contextmanager
    def function(self, config: str | None = None, **defaults: Any) -> Iterator[Stage]:
        """The function, deployed for the namespaces of this test by default."""
        text = config or config_of({"watchNamespace": f"{self.prefix}-*", **defaults})
        clusters = {"prod-hangzhou": self.hangzhou, "prod-beijing": self.beijing}
        with stage(clusters, text) as function:
            yield function

    def namespace(
        self,
        name: str,
        cluster: KubeCluster | None = None,
        labels: Mapping[str, str] | None = None,
        **accounts: Sequence[str],
    ) -> str:
        """Create a namespace with service accounts and their references to pull secrets.

        It is in the Hangzhou cluster by default, and has the account `default` by default.
        """
        cluster = cluster or self.hangzhou
        full = f"{self.prefix}-{name}"
        cluster.create_namespace(full, labels)
        for account, references in (accounts or {"default": ()}).items():
            _ensure_account(cluster, full, account, references)
        return full


@dataclass(frozen=True)
class BrokenSite(Site):
    """A site of two API doubles in which tests inject faults."""

    hangzhou: DoubleCluster
    beijing: DoubleCluster


def _ensure_account(
    cluster: KubeCluster, namespace: str, name: str, references: Sequence[str]
) -> None:
    """Create the account, or change it if a controller of the cluster created it first."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    body = {
        "metadata": {"name": name},
        "imagePullSecrets": [{"name": reference} for reference in references],
    }
    if cluster.request("POST", path, body).status == 409:
        merge = "application/merge-patch+json"
        cluster.expect("PATCH", f"{path}/{name}", body, content_type=merge)


def later(minutes: int) -> time_machine.travel:
    """The same world after so many minutes."""
    return time_machine.travel(datetime.now(timezone.utc) + timedelta(minutes=minutes), tick=True)


def results(report: Mapping[str, Any]) -> dict[str, str]:
    """Namespace to result, for all clusters."""
    return {
        secret["namespace"]: secret["result"]
        for cluster in report["clusters"]
        for secret in cluster["secrets"]
    }


def only(report: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """The outcome of one namespace."""
    (found,) = (
        secret
        for cluster in report["clusters"]
        for secret in cluster["secrets"]
        if secret["namespace"] == namespace
    )
    return dict(found)


def passwords(cluster: KubeCluster, namespace: str, name: str = SECRET) -> dict[str, str]:
    """Registry host to token, as a container runtime reads the secret. Empty without a secret."""
    secret = cluster.get_secret(namespace, name)
    if secret is None:
        return {}
    document = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))
    return {
        host: base64.b64decode(auth["auth"]).decode().partition(":")[2]
        for host, auth in document["auths"].items()
    }


def references(cluster: KubeCluster, namespace: str, account: str = "default") -> list[str]:
    """The pull secrets that a service account refers to, in order."""
    found = cluster.get_service_account(namespace, account)
    assert found is not None
    return [reference["name"] for reference in found.get("imagePullSecrets", [])]


def clear_secrets(cluster: KubeCluster) -> None:
    """Delete the pull secrets that earlier tests left on the shared cluster, under any name."""
    for secret in cluster.list_items("secrets"):
        metadata = secret["metadata"]
        labels = metadata.get("labels", {})
        if metadata["name"] == SECRET or labels.get(MANAGED_BY_LABEL) == MANAGER:
            path = f"/api/v1/namespaces/{metadata['namespace']}/secrets/{metadata['name']}"
            cluster.request("DELETE", path)


def clear_requests(cluster: KubeCluster) -> None:
    """Remove the annotations with which namespaces of earlier tests request registries."""
    for namespace in cluster.list_items("namespaces"):
        metadata = namespace["metadata"]
        if REQUESTED_INSTANCES in metadata.get("annotations", {}):
            cluster.expect(
                "PATCH",
                f"/api/v1/namespaces/{metadata['name']}",
                {"metadata": {"annotations": {REQUESTED_INSTANCES: None}}},
                content_type="application/merge-patch+json",
            )
