"""How clusters are reached: what the keys mean, and every mistake in them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from acr_refresher.config.load import Config, ConfigError, load_config
from acr_refresher.core.fleet import Discovery
from acr_refresher.core.model import (
    AckAccess,
    Cluster,
    InClusterAccess,
    KmsAccess,
    KubeconfigAccess,
    Role,
)
from localkube.pki import Authority

REGISTRY = {"name": "main", "instanceId": "cri-main", "regionId": "cn-hangzhou"}
ACK = {"name": "prod", "clusterId": "c1", "regionId": "cn-hangzhou"}
IDC = {"name": "idc", "kubeconfig": "idc.yaml"}
ROLE = "acs:ram::1000000000000001:role/refresher"
ARN = "acs:kms:cn-beijing:1000000000000001:secret/kubeconfig/idc"
CA_PEM = Authority().pem


def loaded(folder: Path, **document: object) -> Config:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"registries": [REGISTRY], **document}))
    return load_config(path)


def cluster_of(folder: Path, **section: object) -> Cluster:
    (cluster,) = loaded(folder, clusters=[section]).clusters
    return cluster


def discovery_of(folder: Path, **section: object) -> Discovery:
    (discovery,) = loaded(folder, discover=[section]).discoveries
    return discovery


@pytest.mark.parametrize(
    ("section", "access"),
    [
        pytest.param(ACK, AckAccess("c1", "cn-hangzhou"), id="ack"),
        pytest.param(
            {
                **ACK,
                "assumeRoleARN": [ROLE, {"arn": f"{ROLE}-2", "externalId": "acme"}],
                "privateEndpoint": True,
                "kubeconfigDuration": "72h",
            },
            AckAccess(
                "c1",
                "cn-hangzhou",
                (Role(ROLE), Role(f"{ROLE}-2", "acme")),
                private=True,
                validity=timedelta(hours=72),
            ),
            id="ack with everything",
        ),
        pytest.param(IDC, KubeconfigAccess("idc.yaml"), id="file"),
        pytest.param({**IDC, "trusted": True}, KubeconfigAccess("idc.yaml", trusted=True), id="x"),
        pytest.param(
            {"name": "idc", "kubeconfigSecret": {"name": "idc/kube", "regionId": "cn-hangzhou"}},
            KmsAccess("idc/kube", "cn-hangzhou"),
            id="secret by name",
        ),
        pytest.param(
            {
                "name": "idc",
                "kubeconfigSecret": {"arn": ARN, "assumeRoleARN": ROLE, "externalId": "acme"},
            },
            KmsAccess(ARN, "cn-beijing", (Role(ROLE, "acme"),)),
            id="secret by ARN, with its region",
        ),
        pytest.param({"name": "own", "inCluster": True}, InClusterAccess(), id="from within"),
    ],
)
def test_ways(tmp_path: Path, section: dict[str, Any], access: object) -> None:
    assert cluster_of(tmp_path, **section).access == access


def test_a_proxys_password_does_not_show(tmp_path: Path) -> None:
    url = "http://us:hunter2@proxy.example.com:3128"
    cluster = cluster_of(tmp_path, **IDC, proxyUrl=url)
    assert cluster.proxy_url is not None
    assert cluster.proxy_url.get_secret_value() == url
    assert "hunter2" not in repr(cluster)


@pytest.mark.parametrize("given", ["inline", "file"])
def test_a_certificate_authority_is_given_inline_or_as_a_file(tmp_path: Path, given: str) -> None:
    (tmp_path / "ca.pem").write_text(CA_PEM)
    value = CA_PEM if given == "inline" else "ca.pem"
    assert cluster_of(tmp_path, **IDC, certificateAuthority=value).ca_pem == CA_PEM


def test_discovery(tmp_path: Path) -> None:
    discovery = discovery_of(
        tmp_path,
        regions="cn-hangzhou,cn-beijing",
        assumeRoleARN=ROLE,
        names=["prod-*"],
        types=["ManagedKubernetes"],
        profiles=["Edge"],
        tags={"team": "shop"},
        privateEndpoint=True,
        watchNamespace="all",
        proxyUrl="http://proxy:3128",
    )
    assert discovery.name == "discover[0]"
    assert discovery.regions == ("cn-hangzhou", "cn-beijing")
    assert discovery.access == AckAccess("", "", (Role(ROLE),), private=True)
    assert (discovery.names, discovery.types) == (("prod-*",), ("ManagedKubernetes",))
    assert (discovery.profiles, discovery.tags) == (("Edge",), (("team", "shop"),))
    assert discovery.pull_secrets[0].namespaces.patterns == ("all",)
    assert discovery.proxy_url is not None


def test_discovery_needs_no_cluster_beside_it(tmp_path: Path) -> None:
    config = loaded(tmp_path, discover=[{"regions": ["cn-hangzhou"]}])
    assert (config.clusters, len(config.discoveries)) == ((), 1)


# ---- mistakes ---------------------------------------------------------------------------------


def problems(folder: Path, **document: object) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        loaded(folder, **document)
    return str(refused.value).splitlines()


PROXY_REMEDY = "use http://HOST:PORT"
SECRET = {"name": "idc", "regionId": "cn-hangzhou"}


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        # ---- one way to a cluster
        (
            {**ACK, "inCluster": True},
            "clusters[0]: has inCluster and clusterId, regionId; keep one",
        ),
        (
            {**IDC, "inCluster": True, "kubeconfigSecret": SECRET},
            "clusters[0]: has kubeconfig and kubeconfigSecret and inCluster; keep one way",
        ),
        (
            {**IDC, "privateEndpoint": True},
            "clusters[0]: has kubeconfig and privateEndpoint; keep one way",
        ),
        ({"name": "own", "inCluster": False}, "clusters[0]: does not say how to reach the cluster"),
        (
            {**ACK, "trusted": True},
            "clusters[0].trusted: is given without kubeconfig; leave it out: only kubeconfig files",
        ),
        # ---- a secret
        (
            {"name": "idc", "kubeconfigSecret": {"regionId": "cn-hangzhou"}},
            "clusters[0].kubeconfigSecret: has neither name nor arn; give the secret's name and",
        ),
        (
            {"name": "idc", "kubeconfigSecret": {**SECRET, "arn": ARN}},
            "clusters[0].kubeconfigSecret: has both name and arn; give the secret's name and",
        ),
        (
            {"name": "idc", "kubeconfigSecret": {"name": "idc"}},
            "clusters[0].kubeconfigSecret: has no region for the secret; add regionId",
        ),
        (
            {"name": "idc", "kubeconfigSecret": {"arn": ARN, "regionId": "cn-hangzhou"}},
            'clusters[0].kubeconfigSecret: has regionId "cn-hangzhou", but arn says "cn-beijing"',
        ),
        (
            {"name": "idc", "kubeconfigSecret": {"arn": "acs:kms:idc"}},
            'clusters[0].kubeconfigSecret.arn: "acs:kms:idc" is not the ARN of a KMS secret',
        ),
        (
            {"name": "idc", "kubeconfigSecret": {**SECRET, "name": "a b"}},
            'clusters[0].kubeconfigSecret.name: "a b" is not the name of a KMS secret',
        ),
        (
            {"name": "idc", "kubeconfigSecret": {**SECRET, "externalId": "acme"}},
            "clusters[0].kubeconfigSecret.externalId: is given without assumeRoleARN",
        ),
        (
            {"name": "idc", "kubeconfigSecret": {**SECRET, "secret": "idc"}},
            "clusters[0].kubeconfigSecret.secret: is not a known key",
        ),
        # ---- a proxy
        *(
            (
                {**IDC, "proxyUrl": url},
                f"clusters[0].proxyUrl: is not the address of an HTTP proxy; {PROXY_REMEDY}",
            )
            for url in (
                "https://proxy:3128",
                "socks5://proxy:1080",
                "proxy:3128",
                "http://",
                "http://proxy:port",
                "http://proxy/path",
                "http://pro xy:3128",
                "http://proxy:3128\r\nX: y",
                "http://pr\u00f6xy:3128",
                "http://[::1",
            )
        ),
        # ---- a certificate authority
        (
            {**IDC, "certificateAuthority": "-----BEGIN CERTIFICATE-----\nAAAA\n"},
            "clusters[0].certificateAuthority: contains no certificate; give certificates in PEM",
        ),
        (
            {**IDC, "certificateAuthority": "-----BEGIN PRIVATE KEY-----\nAAAA\n"},
            "clusters[0].certificateAuthority: contains a private key; give only certificates",
        ),
        (
            {**IDC, "certificateAuthority": "none.pem"},
            "clusters[0].certificateAuthority: cannot be read: No such file or directory; give a",
        ),
        (
            {**IDC, "certificateAuthority": "config.yaml"},
            "clusters[0].certificateAuthority: contains no certificate",
        ),
        # ---- how long
        *(
            (
                {**ACK, "kubeconfigDuration": duration},
                f"clusters[0].kubeconfigDuration: {duration} is out of range; use 15m to 72h",
            )
            for duration in ("14m59s", "72h1s")
        ),
        (
            {**ACK, "kubeconfigDuration": 60},
            "clusters[0].kubeconfigDuration: is not a duration",
        ),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else "",
)
def test_a_mistake_about_a_cluster_is_named(
    tmp_path: Path, section: dict[str, Any], problem: str
) -> None:
    assert any(line.startswith(problem) for line in problems(tmp_path, clusters=[section]))


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({}, "discover[0].regions: is missing; add it"),
        ({"regions": []}, "discover[0].regions: is empty"),
        ({"regions": ["hangzhou"]}, 'discover[0].regions[0]: "hangzhou" is not a region ID'),
        ({"regions": "cn-beijing,cn-beijing"}, 'discover[0].regions: names "cn-beijing" more than'),
        ({"types": ["managed"]}, 'discover[0].types[0]: "managed" is unknown; use'),
        ({"names": ["a b"]}, 'discover[0].names[0]: "a b" is not a name or a glob'),
        ({"tags": {"team": 7}}, "discover[0].tags.team: is a number, not text"),
        ({"clusterId": "c1"}, "discover[0].clusterId: is not a known key"),
        ({"registries": ["mian"]}, 'discover[0].registries[0]: "mian" is not the name of a regist'),
        ({"externalId": "acme"}, "discover[0].externalId: is given without assumeRoleARN"),
    ],
)
def test_a_mistake_about_discovery_is_named(
    tmp_path: Path, section: dict[str, Any], problem: str
) -> None:
    section = {"regions": ["cn-hangzhou"], **section} if section else {}
    assert any(line.startswith(problem) for line in problems(tmp_path, discover=[section]))


def test_a_certificate_authority_that_is_not_text_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "ca.der").write_bytes(b"\x30\x82\xff")
    (line,) = problems(tmp_path, clusters=[{**IDC, "certificateAuthority": "ca.der"}])
    assert line.startswith("clusters[0].certificateAuthority: is not PEM; give certificates in PEM")


def test_acr_refresher_runs_in_one_cluster(tmp_path: Path) -> None:
    clusters = [{"name": "own", "inCluster": True}, {"name": "too", "inCluster": True}]
    assert problems(tmp_path, clusters=clusters) == [
        (
            "clusters[1].inCluster: is also given for clusters[0], but acr-refresher runs in one"
            " cluster; reach this cluster in another way"
        )
    ]


def test_clusters_or_discover_is_required(tmp_path: Path) -> None:
    assert problems(tmp_path) == ["clusters: is missing; add it, or discover"]


def test_all_problems_are_reported_at_once_without_secrets(tmp_path: Path) -> None:
    section = {
        **ACK,
        "kubeconfigSecret": {"arn": "token=hunter2"},
        "proxyUrl": "ftp://us:hunter2@proxy",
        "certificateAuthority": "-----BEGIN RSA PRIVATE KEY-----hunter2",
        "kubeconfigDuration": "5m",
    }
    found = problems(tmp_path, clusters=[section], discover=[{}])
    assert [line.partition(": ")[0] for line in found] == [
        "clusters[0].kubeconfigDuration",
        "clusters[0].proxyUrl",
        "clusters[0].certificateAuthority",
        "clusters[0].kubeconfigSecret.arn",
        "discover[0].regions",
        "clusters[0]",
    ]
    assert "hunter2" not in "\n".join(found)
