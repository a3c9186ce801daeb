"""What Terraform would make is what the local cloud enforces and what s.yaml names."""

from __future__ import annotations

import json
from typing import Any

from demo.company import (
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
from deploy.serverless_devs import REPOSITORY, ServerlessDevs, props_of
from deploy.terraform import Plan, Terraform
from localcloud.ram_files import load_policy
from localcloud.world import RegistryInstance


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


def test_roles_trust_and_may_do_what_the_local_cloud_enforces(terraform: Terraform) -> None:
    plan = terraform.plan()
    trusted = load_policy("cluster-account-role.trust", function_role_arn=FUNCTION_ROLE)
    assert trusts(plan) == {
        "module.function": load_policy("function-role.trust"),
        "module.clusters": trusted,
        "module.clusters_beijing": trusted,
        "module.partner_registry": load_policy(
            "registry-account-role.trust", function_role_arn=FUNCTION_ROLE
        ),
    }
    granted = policies(plan)
    assert granted == {
        f"module.function {PREFIX}function-assume-roles": load_policy(
            "function-role.policy", name_prefix=PREFIX
        ),
        f"module.function {PREFIX}function-outcomes": load_policy(
            "outcomes-log.policy",
            region=LOG_PROJECT.region,
            account=HOME,
            project=LOG_PROJECT.name,
            logstore="outcomes",
        ),
        f"module.function {PREFIX}function-platform": load_policy(
            "function-platform.policy",
            region=REGION,
            account=HOME,
            project=LOG_PROJECT.name,
            logstore="function",
            queue=FAILED_RUNS.name,
        ),
        f"module.function {PREFIX}function-fan-out": load_policy(
            "fan-out.policy", region=REGION, account=HOME, service=FUNCTION, function=FUNCTION
        ),
        f"module.function {PREFIX}function-registry-main": pull_policy(MAIN_REGISTRY),
        f"module.clusters {PREFIX}cluster-clusters": load_policy("cluster-account-role.policy"),
        f"module.clusters_beijing {PREFIX}cluster-clusters": load_policy(
            "cluster-account-role.policy"
        ),
        f"module.clusters_beijing {PREFIX}cluster-discovery": load_policy(
            "cluster-discovery.policy"
        ),
        f"module.partner_registry {PREFIX}registry-partner": pull_policy(PARTNER_REGISTRY),
    }


def test_every_policy_is_attached_to_its_role(terraform: Terraform) -> None:
    plan = terraform.plan()
    attached = plan.resources("alicloud_ram_role_policy_attachment")
    assert {
        (module_of(address), values["policy_name"]) for address, values in attached.items()
    } == {
        (module_of(address), values["policy_name"])
        for address, values in plan.resources("alicloud_ram_policy").items()
    }


def test_another_company_may_insist_on_an_external_id(terraform: Terraform) -> None:
    plan = terraform.plan(partner_external_id="acme-7f3a")
    assert trusts(plan)["module.partner_registry"] == load_policy(
        "registry-account-role.trust-external-id",
        function_role_arn=FUNCTION_ROLE,
        external_id="acme-7f3a",
    )


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
    fields = indexes['module.sls.alicloud_log_store_index.this["function"]']["field_search"]
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
    outcomes = indexes['module.sls.alicloud_log_store_index.this["outcomes"]']
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
    return {
        module_of(address): json.loads(values["assume_role_policy_document"])
        for address, values in plan.resources("alicloud_ram_role").items()
    }


def policies(plan: Plan) -> dict[str, Any]:
    return {
        f"{module_of(address)} {values['policy_name']}": json.loads(values["policy_document"])
        for address, values in plan.resources("alicloud_ram_policy").items()
    }


def module_of(address: str) -> str:
    return ".".join(address.split(".")[:2])


def pull_policy(registry: RegistryInstance) -> dict[str, Any]:
    return load_policy(
        "registry-account-role.policy",
        region=registry.region,
        account=registry.account,
        instance=registry.id,
    )
