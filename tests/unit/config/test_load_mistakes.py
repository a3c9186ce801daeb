"""Mistakes in the sections of config.yaml: each has its path and its remedy."""

from __future__ import annotations

import pytest

from config_documents import (
    CLUSTER,
    IDC,
    REGISTRY,
    SOUND,
    problems,
    with_cluster,
    with_registry,
    with_selector,
    with_sls,
)


@pytest.mark.parametrize(
    ("document", "place", "problem", "remedy"),
    [
        # ---- the logstore
        (with_sls(logstore="outcomes"), "sls.project", "is missing", "add it"),
        (
            with_sls(project="Logs"),
            "sls.project",
            '"Logs" is not the name of a log project',
            "use 3 to 63 lower-case letters, digits and '-'",
        ),
        (
            with_sls(project="logs", logstore="a b"),
            "sls.logstore",
            '"a b" is not the name of a logstore',
            "use 2 to 63 lower-case letters, digits, '-' and '_'",
        ),
        (
            with_sls(project="logs", endpoint="https://log.example.com"),
            "sls.endpoint",
            '"https://log.example.com" is not an endpoint of SLS',
            (
                "use an endpoint such as cn-hangzhou-intranet.log.aliyuncs.com, without scheme and"
                " project"
            ),
        ),
        # ---- a registry
        (
            with_registry(instanceId="crI-x"),
            "registries[0].instanceId",
            '"crI-x" is not the ID of an Enterprise Edition instance',
            (
                "use the ID that the Container Registry console shows, cri-… or <region>:cri-…;"
                " leave the key out for Personal Edition"
            ),
        ),
        (
            with_registry(regionId="hangzhou"),
            "registries[0].regionId",
            '"hangzhou" is not a region ID',
            "use an ID such as cn-hangzhou",
        ),
        (
            with_registry(assumeRoleARN="acs:ram::1:user/x"),
            "registries[0].assumeRoleARN",
            '"acs:ram::1:user/x" is not the ARN of a RAM role',
            "use acs:ram::<account ID>:role/<role name>",
        ),
        (
            with_registry(domains=["ok.example.com", "https://a.example.com/x"]),
            "registries[0].domains[1]",
            '"https://a.example.com/x" is not a host name',
            "use a lower-case host or host:port, without scheme and path",
        ),
        (
            with_registry(domains=[]),
            "registries[0].domains",
            "is empty",
            "name at least one, or leave the key out",
        ),
        (
            with_registry(expireDuration=3599),
            "registries[0].expireDuration",
            "is 3599, less than 3600",
            "use 3600 or more",
        ),
        (
            with_registry(expireDuration=43201),
            "registries[0].expireDuration",
            "is 43201, more than 43200",
            "use 43200 or less",
        ),
        (
            with_registry(expireDuration="3600"),
            "registries[0].expireDuration",
            "is text, not an integer",
            "write a number without quotes",
        ),
        (
            with_registry(regionId=None),
            "registries[0].regionId",
            "is empty",
            "give it a value or leave the key out",
        ),
        (
            {"registries": [{"name": "main", "instanceId": "cri-main"}], "clusters": [CLUSTER]},
            "registries[0].regionId",
            "is missing",
            "add it",
        ),
        (
            {"registries": [REGISTRY, REGISTRY], "clusters": [CLUSTER]},
            "registries[1].name",
            '"main" is also the name of registries[0]',
            "give each its own",
        ),
        # ---- the way to a cluster
        (
            {"registries": [REGISTRY], "clusters": [{"name": "prod"}]},
            "clusters[0]",
            "does not say how to reach the cluster",
            (
                "add clusterId and regionId of an ACK cluster, the path of a kubeconfig, a"
                " kubeconfigSecret, or inCluster: true"
            ),
        ),
        (
            {"registries": [REGISTRY], "clusters": [{"name": "prod", "clusterId": "c1"}]},
            "clusters[0].regionId",
            "is missing",
            "add it",
        ),
        (
            with_cluster(kubeconfig="prod.yaml"),
            "clusters[0]",
            "has kubeconfig and clusterId, regionId",
            "keep one way to reach the cluster",
        ),
        (
            {"registries": [REGISTRY], "clusters": [{"name": "idc", "kubeconfig": ""}]},
            "clusters[0].kubeconfig",
            "is not the path of a file",
            "write the kubeconfig to a file and give its path, relative to config.yaml",
        ),
        (
            with_cluster(clusterId="prod"),
            "clusters[0].clusterId",
            '"prod" is not an ACK cluster ID',
            "use the ID that the ACK console shows, c…",
        ),
        (
            {"registries": [REGISTRY], "clusters": [CLUSTER, {**CLUSTER, "name": "other"}]},
            "clusters[1].clusterId",
            '"c1" is also the clusterId of clusters[0]',
            "give each its own",
        ),
        (
            {
                "registries": [REGISTRY],
                "clusters": [IDC, {"name": "other", "kubeconfig": "./idc.yaml"}],
            },
            "clusters[1].kubeconfig",
            '"idc.yaml" is also the kubeconfig of clusters[0]',
            "give each its own",
        ),
        # ---- the settings of a cluster
        (
            with_cluster(registries=["mian"]),
            "clusters[0].registries[0]",
            '"mian" is not the name of a registry',
            "did you mean main?",
        ),
        (
            {
                "registries": [REGISTRY, {**REGISTRY, "instanceId": "cri-main2"}],
                "clusters": [{**CLUSTER, "registries": ["other"]}],
            },
            "clusters[0].registries[0]",
            '"other" is not the name of a registry',
            "use one of: main",
        ),
        (
            {**SOUND, "defaults": {"registries": "main,other"}},
            "defaults.registries[1]",
            '"other" is not the name of a registry',
            "use one of: main",
        ),
        (
            with_cluster(watchNamespace="!kube-*,!x"),
            "clusters[0].watchNamespace",
            "only excludes namespaces",
            'add the namespaces to serve, such as "all"',
        ),
        (
            with_cluster(watchNamespace="default,!all"),
            "clusters[0].watchNamespace",
            "excludes every namespace",
            "exclude namespaces by name or glob",
        ),
        (
            with_cluster(watchNamespace=["Team", "team-["]),
            "clusters[0].watchNamespace[0]",
            '"Team" is not a namespace or a pattern of namespaces',
            (
                'use exact names, globs such as "team-*", or "all"; "!" before a name or glob'
                " excludes it"
            ),
        ),
        (
            with_cluster(watchNamespace="a,b,a"),
            "clusters[0].watchNamespace",
            'names "a" more than once',
            "name it once",
        ),
        (
            with_cluster(serviceAccount=["*", "builder"]),
            "clusters[0].serviceAccount",
            'names service accounts beside "*", which is every service account',
            'keep "*" or the names',
        ),
        (
            with_cluster(serviceAccount="build-*"),
            "clusters[0].serviceAccount[0]",
            '"build-*" is not the name of a service account',
            'use exact names, or only "*" for every service account',
        ),
        (
            with_cluster(secretName="acr-credential-secret-aggregation"),
            "clusters[0].secretName",
            '"acr-credential-secret-aggregation" belongs to the ACK credential helper',
            "use a name that does not begin with acr-credential-",
        ),
        (
            with_cluster(secretName="Pull"),
            "clusters[0].secretName",
            '"Pull" is not the name of a secret',
            "use at most 253 lower-case letters, digits, '-' and '.'",
        ),
        *(
            (
                with_cluster(expiringThreshold=threshold),
                "clusters[0].expiringThreshold",
                "is not a duration",
                'write it with units, such as "15m" or "1h30m"',
            )
            for threshold in (900, "", "soon")
        ),
        *(
            (
                with_cluster(expiringThreshold=threshold),
                "clusters[0].expiringThreshold",
                f"{threshold} is out of range",
                "use 1s to 11h59m59s",
            )
            for threshold in ("0s", "12h")
        ),
        (
            with_selector({}),
            "clusters[0].namespaceSelector",
            "requires nothing",
            "add matchLabels or matchExpressions",
        ),
        (
            with_selector({"matchLabels": {"pull": True}}),
            "clusters[0].namespaceSelector.matchLabels.pull",
            "is true or false, not text",
            "write text, in quotes where it looks like another type",
        ),
        (
            with_selector({"matchLabels": {"pull": "a b"}}),
            "clusters[0].namespaceSelector.matchLabels.pull",
            '"a b" is not the value of a label',
            "use at most 63 letters, digits, '-', '_' and '.'",
        ),
        (
            with_selector({"matchExpressions": [{"key": "a", "operator": "in", "values": ["b"]}]}),
            "clusters[0].namespaceSelector.matchExpressions[0].operator",
            '"in" is unknown',
            "use 'In', 'NotIn', 'Exists' or 'DoesNotExist'",
        ),
        (
            with_selector({"matchExpressions": [{"key": "a", "operator": "NotIn"}]}),
            "clusters[0].namespaceSelector.matchExpressions[0]",
            "has no values, but NotIn requires them",
            "add values: […]",
        ),
        (
            with_selector(
                {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}
            ),
            "clusters[0].namespaceSelector.matchExpressions[0]",
            "has values, but Exists takes none",
            "leave them out",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_named_with_its_place_and_remedy(
    document: object, place: str, problem: str, remedy: str
) -> None:
    assert f"{place}: {problem}; {remedy}" in problems(document)
