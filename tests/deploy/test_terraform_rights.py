"""The roles and permissions of each account follow from config.yaml, as in the local cloud."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from demo.company import (
    ACK_CLUSTERS,
    ASSUMED_ROLES,
    FAILED_RUNS,
    FUNCTION,
    FUNCTION_ROLE,
    HOME,
    LOG_PROJECT,
    MAIN_REGISTRY,
    PARTNER_REGISTRY,
    PREFIX,
    REGION,
)
from deploy.serverless_devs import REPOSITORY
from deploy.terraform import Terraform
from localcloud.ram_files import any_region, assume_policy, kubeconfig_policy, load_policy
from localcloud.world import RegistryInstance
from scenarios import scenario

HANGZHOU, BEIJING = (cluster_id for cluster_id, *_ in ACK_CLUSTERS.values())
CLUSTER_TRUST = load_policy("cluster-account-role.trust", function_role_arn=FUNCTION_ROLE)


def pull_policy(registry: RegistryInstance) -> dict[str, Any]:
    return load_policy(
        "registry-account-role.policy",
        region=registry.region,
        account=registry.account,
        instance=registry.id,
    )


def test_the_functions_account_gets_what_the_local_cloud_enforces(terraform: Terraform) -> None:
    plan = terraform.plan()
    assert plan.trusts() == {
        "function": load_policy("function-role.trust"),
        "cluster": CLUSTER_TRUST,
    }
    assert plan.policies() == {
        "function-assume-roles": assume_policy(*ASSUMED_ROLES),
        "function-outcomes": load_policy(
            "outcomes-log.policy",
            region=LOG_PROJECT.region,
            account=HOME,
            project=LOG_PROJECT.name,
            logstore="outcomes",
        ),
        "function-platform": load_policy(
            "function-platform.policy",
            region=REGION,
            account=HOME,
            project=LOG_PROJECT.name,
            logstore="function",
            queue=FAILED_RUNS.name,
        ),
        "function-fan-out": load_policy(
            "fan-out.policy", region=REGION, account=HOME, service=FUNCTION, function=FUNCTION
        ),
        "function-registry-main": pull_policy(MAIN_REGISTRY),
        "cluster-clusters": kubeconfig_policy(HANGZHOU),
    }


def test_other_accounts_get_what_the_local_cloud_enforces(terraform: Terraform) -> None:
    """Each account is planned separately, without the logs and the function's role."""
    beijing, partner = terraform.plan("beijing"), terraform.plan("partner")
    assert beijing.trusts() == {"cluster": CLUSTER_TRUST}
    assert beijing.policies() == {"cluster-clusters": kubeconfig_policy(BEIJING)}
    assert partner.trusts() == {
        "registry": load_policy("registry-account-role.trust", function_role_arn=FUNCTION_ROLE)
    }
    assert partner.policies() == {"registry-partner": pull_policy(PARTNER_REGISTRY)}
    for plan in (beijing, partner):
        assert not plan.resources("alicloud_log_project")


def test_each_role_is_given_the_cluster_role_in_its_ack_clusters(terraform: Terraform) -> None:
    role = yaml.safe_load((REPOSITORY / "infra" / "rbac" / "clusterrole.yaml").read_text("utf-8"))
    assert terraform.plan().grants() == {f"id-of-{PREFIX}cluster": {HANGZHOU}}
    plan = terraform.plan("beijing")
    assert plan.grants() == {f"id-of-{PREFIX}cluster": {BEIJING}}
    (granted,) = plan.resources("alicloud_cs_kubernetes_permissions").values()
    assert granted["permissions"] == [
        {
            "cluster": BEIJING,
            "role_type": "cluster",
            "role_name": role["metadata"]["name"],
            "is_custom": True,
            "is_ram_role": True,
            "namespace": None,
        }
    ]
    assert terraform.plan("partner").grants() == {}


def test_a_single_account_needs_a_single_role(terraform: Terraform) -> None:
    """The minimal example of the README with other IDs: the function's role does everything."""
    terraform.configure(
        {
            "registries": [{"name": "ours", "instanceId": "eu-west-1:cri-ours"}],
            "clusters": [{"name": "only", "clusterId": "c4", "regionId": "eu-central-1"}],
        }
    )
    account = "4000000000000004"
    plan = terraform.plan(accounts=f'{{default={{number="{account}"}}}}', region="eu-central-1")
    assert set(plan.trusts()) == {"function"}
    assert plan.grants() == {f"id-of-{PREFIX}function": {"c4"}}
    granted = plan.policies()
    assert granted["function-clusters"] == kubeconfig_policy("c4")
    assert granted["function-registry-ours"] == load_policy(
        "registry-account-role.policy", region="eu-west-1", account=account, instance="cri-ours"
    )
    assert f"acr-refresher-{account}" in json.dumps(granted["function-outcomes"])
    assert HOME not in json.dumps([granted, plan.trusts()])


ONE_CLUSTER = {"cluster-clusters": kubeconfig_policy(HANGZHOU)}
BY_THE_FUNCTION: dict[str, dict[str, Any]] = {
    "registry-own-account": {**ONE_CLUSTER, "function-registry-main": pull_policy(MAIN_REGISTRY)},
    "registry-personal-edition": {
        **ONE_CLUSTER,
        "function-personal": load_policy("personal-edition.policy"),
    },
    "registry-rrsa": ONE_CLUSTER,
    "clusters-discovered": {
        "function-registry-main": pull_policy(MAIN_REGISTRY),
        "cluster-clusters": kubeconfig_policy("*"),  # which clusters it finds is not known here
        "cluster-discovery": load_policy("cluster-discovery.policy"),
    },
}
"""Scenarios of the documentation, with the policies that they need in addition to the usual."""


@pytest.mark.parametrize("name", BY_THE_FUNCTION)
def test_a_scenario_gets_its_permissions(terraform: Terraform, name: str) -> None:
    terraform.configure(scenario(name))
    assert {
        policy: document
        for policy, document in terraform.plan().policies().items()
        if policy not in EVERY_FUNCTION
    } == BY_THE_FUNCTION[name]


EVERY_FUNCTION = {
    f"function-{name}" for name in ("assume-roles", "outcomes", "fan-out", "platform")
}


def test_another_company_may_require_an_external_id(terraform: Terraform) -> None:
    """The trust policy requires the external ID in config.yaml."""
    terraform.configure(scenario("registry-other-account"))
    plan = terraform.plan("partner")
    assert plan.trusts() == {
        "registry": load_policy(
            "registry-account-role.trust-external-id",
            function_role_arn=FUNCTION_ROLE,
            external_id="acme-tenant-7",
        )
    }
    (role,) = plan.resources("alicloud_ram_role").values()
    assert int(role["max_session_duration"]) == 43200


def test_terraform_creates_no_roles_of_a_chain(terraform: Terraform) -> None:
    """Its last role trusts the role before it, not the function."""
    terraform.configure(scenario("registry-role-chain"))
    assert terraform.plan("partner").trusts() == {}


def test_discovered_clusters_are_granted_by_their_ids(terraform: Terraform) -> None:
    terraform.configure(scenario("clusters-discovered"))
    found = f'{{default={{number="{HOME}", discovered=["c5", "c6"]}}}}'
    assert terraform.plan(accounts=found).grants() == {f"id-of-{PREFIX}cluster": {"c5", "c6"}}
    assert terraform.plan().grants() == {}


def test_a_kubeconfig_in_kms_needs_its_key(terraform: Terraform) -> None:
    document = scenario("cluster-kms-secret")
    secret = document["clusters"][0]["kubeconfigSecret"]
    del secret["assumeRoleARN"]
    terraform.configure(document)
    assert "kubeconfig_keys" in terraform.refusal()
    keys = f'{{default={{number="{HOME}", kubeconfig_keys={{idc="key-1"}}}}}}'
    expected = load_policy(
        "kubeconfig-secret.policy", region=REGION, account=HOME, secret=secret["name"], key="key-1"
    )
    assert terraform.plan(accounts=keys).policies()["function-kubeconfig-idc"] == expected
    secret["assumeRoleARN"] = f"acs:ram::{HOME}:role/{PREFIX}cluster"
    terraform.configure(document)
    assert terraform.plan(accounts=keys).policies()["cluster-kubeconfig-idc"] == expected


def test_an_account_that_is_not_named_is_refused(terraform: Terraform) -> None:
    assert "var.accounts" in terraform.refusal("nowhere")
    assert "as `default`" in terraform.refusal(accounts='{ours={number="1"}}')


def test_a_log_project_of_another_account_is_refused(terraform: Terraform) -> None:
    """For example when config.yaml still has the account of the example."""
    other = '{default={number="4000000000000004"}}'
    assert "sls.project in config.yaml must be acr-refresher-4000000000000004" in (
        terraform.refusal(accounts=other)
    )


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("logstore", "elsewhere", "sls.logstore in config.yaml must be outcomes"),
        ("regionId", "cn-beijing", f"sls.regionId in config.yaml must be {REGION}"),
    ],
)
def test_a_logstore_that_terraform_does_not_create_is_refused(
    terraform: Terraform, key: str, value: str, words: str
) -> None:
    document = scenario("registry-other-account")
    terraform.configure({**document, "sls": {"project": LOG_PROJECT.name, key: value}})
    assert words in terraform.refusal()


@pytest.mark.parametrize(("other", "shown"), [({}, "none"), ({"externalId": "seven"}, "seven")])
def test_a_role_with_several_external_ids_is_refused(
    terraform: Terraform, other: dict[str, str], shown: str
) -> None:
    document = scenario("registry-other-account")
    (partner,) = document["registries"]
    role = partner["assumeRoleARN"]
    second = {"name": "second", "instanceId": "cri-second", "regionId": "cn-beijing"}
    document["registries"].append({**second, "assumeRoleARN": role, **other})
    terraform.configure(document)
    assert f"reaches with {role} (partner: acme-tenant-7, second: {shown})." in (
        terraform.refusal("partner")
    )
    document["registries"][1]["externalId"] = partner["externalId"]
    terraform.configure(document)
    assert "acme-tenant-7" in json.dumps(terraform.plan("partner").trusts())


def test_the_function_may_assume_exactly_the_roles_of_config_yaml(terraform: Terraform) -> None:
    """A role's name is free. Of a chain, the function assumes the first role only."""
    document = scenario("registry-other-account")
    (partner,) = document["registries"]
    del partner["externalId"]
    first, last = f"acs:ram::{HOME}:role/team-pull", partner["assumeRoleARN"]
    partner["assumeRoleARN"] = [first, last]
    terraform.configure(document)
    granted = terraform.plan().policies()["function-assume-roles"]["Statement"][0]["Resource"]
    of_clusters = {cluster["assumeRoleARN"] for cluster in document["clusters"]}
    assert granted == sorted(any_region(role) for role in {first, *of_clusters})
    assert any_region(last) not in granted


def test_many_clusters_and_roles_are_divided_among_policies(terraform: Terraform) -> None:
    """RAM accepts 6144 characters in a policy."""
    ids = [f"c{number:032x}" for number in range(200)]
    clusters = [{"name": each, "clusterId": each, "regionId": REGION} for each in ids]
    registries = [
        {
            "name": f"r{number}",
            "instanceId": f"cri-{number}",
            "regionId": REGION,
            "assumeRoleARN": f"acs:ram::{number}:role/{'long-name-' * 6}",
        }
        for number in range(1000000000000001, 1000000000000121)
    ]
    terraform.configure({"registries": registries, "clusters": clusters})
    plan = terraform.plan(accounts=f'{{default={{number="{HOME}"}}}}')
    policies = plan.resources("alicloud_ram_policy").values()
    assert max(len(policy["policy_document"]) for policy in policies) <= 6144
    allowed = [
        resource
        for name, policy in plan.policies().items()
        if name.startswith(("function-assume-roles", "function-clusters"))
        for resource in policy["Statement"][0]["Resource"]
    ]
    roles = [any_region(registry["assumeRoleARN"]) for registry in registries]
    assert sorted(allowed) == sorted([*roles, *(f"acs:cs:*:*:cluster/{each}" for each in ids)])


def test_more_policies_than_ram_attaches_to_a_role_are_refused(terraform: Terraform) -> None:
    registries = [
        {"name": f"r{number}", "instanceId": f"cri-{number}", "regionId": REGION}
        for number in range(8)
    ]
    terraform.configure({"registries": registries})
    account = f'{{default={{number="{HOME}"}}}}'
    assert "config.yaml needs more for the role function (11)." in (
        terraform.refusal(accounts=account)
    )
    terraform.plan(accounts=account, policies_per_role="11")
