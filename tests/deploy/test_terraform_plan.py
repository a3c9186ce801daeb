"""What Terraform would make is what the local cloud enforces and what s.yaml names."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from demo.company import (
    ACK_CLUSTERS,
    FUNCTION,
    FUNCTION_ROLE,
    HOME,
    LOG_PROJECT,
    MAIN_REGISTRY,
    PARTNER_REGISTRY,
    PREFIX,
    REGION,
)
from deploy.serverless_devs import REPOSITORY, ServerlessDevs, props_of
from deploy.terraform import Plan, Terraform
from localcloud.ram_files import load_policy
from localcloud.world import RegistryInstance
from scenarios import scenario


CLUSTER_TRUST = load_policy("cluster-account-role.trust", function_role_arn=FUNCTION_ROLE)


def pull_policy(registry: RegistryInstance) -> dict[str, Any]:
    return load_policy(
        "registry-account-role.policy",
        region=registry.region,
        account=registry.account,
        instance=registry.id,
    )


def test_files_are_formatted(terraform: Terraform) -> None:
    assert terraform.output("fmt", "-check", "-recursive") == ""


def test_terraform_finds_the_modules_valid(terraform: Terraform) -> None:
    terraform.output("init", "-backend=false")
    assert "The configuration is valid" in terraform.output("validate", "-no-color")


def test_terraform_would_find_an_unknown_argument(terraform: Terraform) -> None:
    file = terraform.root / "modules" / "registry-account" / "main.tf"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("role_name  ", "role_nmae  ", 1), encoding="utf-8")
    terraform.output("init", "-backend=false")
    done = terraform.run("validate", "-no-color")
    assert 'An argument named "role_nmae" is not expected here' in done.stdout + done.stderr


def test_the_functions_account_gets_what_the_local_cloud_enforces(terraform: Terraform) -> None:
    plan = terraform.plan()
    assert trusts(plan) == {
        "function": load_policy("function-role.trust"),
        "cluster": CLUSTER_TRUST,
    }
    granted = policies(plan)
    platform = granted.pop("function-platform")
    assert {part["Action"] for part in platform["Statement"]} == {
        "log:PostLogStoreLogs",
        "mns:SendMessage",
    }
    assert granted == {
        "function-assume-roles": load_policy("function-role.policy", name_prefix=PREFIX),
        "function-outcomes": load_policy(
            "outcomes-log.policy",
            region=LOG_PROJECT.region,
            account=HOME,
            project=LOG_PROJECT.name,
            logstore="outcomes",
        ),
        "function-fan-out": load_policy(
            "fan-out.policy", region=REGION, account=HOME, service=FUNCTION, function=FUNCTION
        ),
        "function-registry-main": pull_policy(MAIN_REGISTRY),
        "cluster-clusters": load_policy("cluster-account-role.policy"),
    }


def test_other_accounts_get_what_the_local_cloud_enforces(terraform: Terraform) -> None:
    """Each by itself, and none the logs or the function's role."""
    beijing, partner = terraform.plan("beijing"), terraform.plan("partner")
    assert trusts(beijing) == {"cluster": CLUSTER_TRUST}
    assert policies(beijing) == {"cluster-clusters": load_policy("cluster-account-role.policy")}
    assert trusts(partner) == {
        "registry": load_policy("registry-account-role.trust", function_role_arn=FUNCTION_ROLE)
    }
    assert policies(partner) == {"registry-partner": pull_policy(PARTNER_REGISTRY)}
    for plan in (beijing, partner):
        assert not plan.resources("alicloud_log_project")


def test_each_role_is_given_the_cluster_role_in_its_ack_clusters(terraform: Terraform) -> None:
    hangzhou, beijing = (cluster_id for cluster_id, *_ in ACK_CLUSTERS.values())
    role = yaml.safe_load((REPOSITORY / "infra" / "rbac" / "clusterrole.yaml").read_text("utf-8"))
    assert grants(terraform.plan()) == {f"id-of-{PREFIX}cluster": {hangzhou}}
    plan = terraform.plan("beijing")
    assert grants(plan) == {f"id-of-{PREFIX}cluster": {beijing}}
    (granted,) = plan.resources("alicloud_cs_kubernetes_permissions").values()
    assert granted["permissions"] == [
        {
            "cluster": beijing,
            "role_type": "cluster",
            "role_name": role["metadata"]["name"],
            "is_custom": True,
            "is_ram_role": True,
            "namespace": None,
        }
    ]
    assert grants(terraform.plan("partner")) == {}


def test_one_account_needs_one_role(terraform: Terraform) -> None:
    """The least configuration of README, with other ids: the function's role does all."""
    terraform.configure(
        {
            "registries": [{"name": "ours", "instanceId": "eu-west-1:cri-ours"}],
            "clusters": [{"name": "only", "clusterId": "c4", "regionId": "eu-central-1"}],
        }
    )
    account = "4000000000000004"
    plan = terraform.plan(accounts=f'{{default={{number="{account}"}}}}', region="eu-central-1")
    assert set(trusts(plan)) == {"function"}
    assert grants(plan) == {f"id-of-{PREFIX}function": {"c4"}}
    granted = policies(plan)
    assert granted["function-clusters"] == load_policy("cluster-account-role.policy")
    assert granted["function-registry-ours"] == load_policy(
        "registry-account-role.policy", region="eu-west-1", account=account, instance="cri-ours"
    )
    assert f"acr-refresher-{account}" in json.dumps(granted["function-outcomes"])
    assert HOME not in json.dumps([granted, trusts(plan)])


BY_THE_FUNCTION: dict[str, dict[str, Any]] = {
    "registry-own-account": {"function-registry-main": pull_policy(MAIN_REGISTRY)},
    "registry-personal-edition": {"function-personal": load_policy("personal-edition.policy")},
    "registry-rrsa": {},
    "clusters-discovered": {
        "function-registry-main": pull_policy(MAIN_REGISTRY),
        "cluster-discovery": load_policy("cluster-discovery.policy"),
    },
}
"""Scenarios of the documentation, and what they need besides what every function has."""


@pytest.mark.parametrize("name", BY_THE_FUNCTION)
def test_a_scenario_gets_the_rights_that_stand_beside_it(terraform: Terraform, name: str) -> None:
    terraform.configure(scenario(name))
    needed = {"cluster-clusters": load_policy("cluster-account-role.policy")}
    assert {
        policy: document
        for policy, document in policies(terraform.plan()).items()
        if policy not in EVERY_FUNCTION
    } == {**needed, **BY_THE_FUNCTION[name]}


EVERY_FUNCTION = {
    f"function-{name}" for name in ("assume-roles", "outcomes", "fan-out", "platform")
}


def test_another_company_may_insist_on_an_external_id(terraform: Terraform) -> None:
    """What config.yaml says to the role is what its trust policy insists on."""
    terraform.configure(scenario("registry-other-account"))
    plan = terraform.plan("partner")
    assert trusts(plan) == {
        "registry": load_policy(
            "registry-account-role.trust-external-id",
            function_role_arn=FUNCTION_ROLE,
            external_id="acme-tenant-7",
        )
    }
    (role,) = plan.resources("alicloud_ram_role").values()
    assert int(role["max_session_duration"]) == 43200


def test_a_chain_of_several_roles_is_made_elsewhere(terraform: Terraform) -> None:
    """Its last role trusts the one before and not the function."""
    terraform.configure(scenario("registry-role-chain"))
    assert trusts(terraform.plan("partner")) == {}


def test_clusters_that_are_found_are_granted_by_their_ids(terraform: Terraform) -> None:
    terraform.configure(scenario("clusters-discovered"))
    found = f'{{default={{number="{HOME}", discovered=["c5", "c6"]}}}}'
    assert grants(terraform.plan(accounts=found)) == {f"id-of-{PREFIX}cluster": {"c5", "c6"}}
    assert grants(terraform.plan()) == {}


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
    assert policies(terraform.plan(accounts=keys))["function-kubeconfig-idc"] == expected
    secret["assumeRoleARN"] = f"acs:ram::{HOME}:role/{PREFIX}cluster"
    terraform.configure(document)
    assert policies(terraform.plan(accounts=keys))["cluster-kubeconfig-idc"] == expected


def test_an_account_that_is_not_named_is_refused(terraform: Terraform) -> None:
    assert "var.accounts" in terraform.refusal("nowhere")
    assert "as `default`" in terraform.refusal(accounts='{ours={number="1"}}')


def test_outcomes_that_would_go_elsewhere_are_refused(terraform: Terraform) -> None:
    """As when the account in config.yaml is still the example's."""
    other = '{default={number="4000000000000004"}}'
    assert "sls.project in config.yaml has to be acr-refresher-4000000000000004" in (
        terraform.refusal(accounts=other)
    )


def test_whom_alerts_reach_has_to_be_said(terraform: Terraform) -> None:
    example = terraform.root / "terraform.tfvars.example"
    lines = example.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("action_policy")]
    assert len(kept) == len(lines) - 1
    example.write_text("".join(kept), "utf-8")
    assert 'input variable "action_policy" is not set' in terraform.refusal()


def test_every_policy_is_attached_to_its_role(terraform: Terraform) -> None:
    for workspace in ("", "beijing", "partner"):
        plan = terraform.plan(workspace)
        attached = plan.resources("alicloud_ram_role_policy_attachment")
        assert {
            (module_of(address), values["policy_name"]) for address, values in attached.items()
        } == {
            (module_of(address), values["policy_name"])
            for address, values in plan.resources("alicloud_ram_policy").items()
        }


def test_it_makes_what_s_yaml_names(terraform: Terraform, serverless_devs: ServerlessDevs) -> None:
    props = props_of(serverless_devs.read(REPOSITORY / "s.yaml", HOME))
    on_failure = props["asyncInvokeConfig"]["destinationConfig"]["onFailure"]
    plan = terraform.plan()
    assert plan.outputs()["s_yaml"] == {
        "role": props["role"],
        "project": props["logConfig"]["project"],
        "logstore": props["logConfig"]["logstore"],
        "destination": on_failure["destination"],
    }
    stores = plan.resources("alicloud_log_store").values()
    assert {store["logstore_name"] for store in stores} == {"function", "outcomes"}


def test_lines_can_be_queried_by_key(terraform: Terraform) -> None:
    indexes = terraform.plan().resources("alicloud_log_store_index")
    fields = indexes['module.sls[0].alicloud_log_store_index.this["function"]']["field_search"]
    (message,) = (field for field in fields if field["name"] == "message")
    assert message["type"] == "json"
    assert {"event", "run", "cluster", "error"} <= {key["name"] for key in message["json_keys"]}


def test_whatever_lies_in_infra_sls_is_taken_up(terraform: Terraform) -> None:
    folder = terraform.infra / "sls"
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    for name, document in SLS.items():
        (folder / name).write_text(json.dumps(document), encoding="utf-8")
    plan = terraform.plan(action_policy="on-call")
    (dashboard,) = plan.resources("alicloud_log_dashboard").values()
    assert json.loads(dashboard["char_list"]) == SLS["dashboard-runs.json"]["charts"]
    (alert,) = plan.resources("alicloud_sls_alert").values()
    (configuration,) = alert["configuration"]
    (query,) = configuration["query_list"]
    assert (query["project"], query["store"]) == (f"acr-refresher-{HOME}", "function")
    assert configuration["policy_configuration"][0]["action_policy_id"] == "on-call"
    indexes = plan.resources("alicloud_log_store_index")
    outcomes = indexes['module.sls[0].alicloud_log_store_index.this["outcomes"]']
    assert [field["name"] for field in outcomes["field_search"]] == ["verdict"]


SLS: dict[str, dict[str, Any]] = {
    "index.outcomes.json": {"keys": {"verdict": {"type": "text"}}},
    "dashboard-runs.json": {
        "dashboardName": "runs",
        "displayName": "Runs",
        "charts": [{"title": "Runs", "type": "line", "search": {"logstore": "function"}}],
    },
    "alert-failing.json": {
        "name": "failing",
        "displayName": "A run needs attention",
        "schedule": {"type": "FixedRate", "interval": "5m"},
        "configuration": {
            "queryList": [
                {
                    "store": "function",
                    "query": "message.event: run.finished and message.ok: false",
                    "start": "-15m",
                    "end": "now",
                }
            ],
            "severityConfigurations": [{"severity": 8, "evalCondition": {"condition": ""}}],
        },
    },
}


def trusts(plan: Plan) -> dict[str, Any]:
    """By a role's name, without the prefix of all."""
    return {
        values["role_name"].removeprefix(PREFIX): json.loads(values["assume_role_policy_document"])
        for values in plan.resources("alicloud_ram_role").values()
    }


def policies(plan: Plan) -> dict[str, Any]:
    """By a policy's name, without the prefix of all."""
    return {
        values["policy_name"].removeprefix(PREFIX): json.loads(values["policy_document"])
        for values in plan.resources("alicloud_ram_policy").values()
    }


def grants(plan: Plan) -> dict[str, set[str]]:
    """By the ID of a role, the clusters in which it is given the ClusterRole."""
    return {
        values["uid"]: {each["cluster"] for each in values["permissions"]}
        for values in plan.resources("alicloud_cs_kubernetes_permissions").values()
    }


def module_of(address: str) -> str:
    return ".".join(address.split(".")[:2])
