"""Terraform plans what the local cloud enforces and what s.yaml names."""

from __future__ import annotations

import json
import shutil
from typing import Any

from demo.company import HOME
from deploy.serverless_devs import REPOSITORY, ServerlessDevs, props_of
from deploy.terraform import Terraform
from sls.logstore import definition, definitions


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


def test_the_action_policy_of_the_alerts_is_required(terraform: Terraform) -> None:
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


def test_terraform_creates_everything_that_s_yaml_names(
    terraform: Terraform, serverless_devs: ServerlessDevs
) -> None:
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


def test_log_lines_can_be_queried_by_key(terraform: Terraform) -> None:
    indexes = terraform.plan().resources("alicloud_log_store_index")
    fields = indexes['module.sls[0].alicloud_log_store_index.this["function"]']["field_search"]
    (message,) = (field for field in fields if field["name"] == "message")
    assert message["type"] == "json"
    assert {"event", "run", "cluster", "error"} <= {key["name"] for key in message["json_keys"]}


def test_terraform_sends_the_queries_that_the_tests_run(terraform: Terraform) -> None:
    """tests/sls runs the queries of `definition` in DuckDB."""
    plan = terraform.plan()
    (dashboard,) = plan.resources("alicloud_log_dashboard").values()
    assert json.loads(dashboard["char_list"]) == definition("dashboard")["charts"]
    assert {
        alert["alert_name"]: [each["query"] for each in alert["configuration"][0]["query_list"]]
        for alert in plan.resources("alicloud_sls_alert").values()
    } == {
        alert["name"]: [each["query"] for each in alert["configuration"]["queryList"]]
        for alert in definitions("alert").values()
    }


def test_alerts_are_sent(terraform: Terraform) -> None:
    """The SDK (alibabacloud-sls20201230) says what both fields are for.

    SinkAlerthubConfiguration: `enabled` says whether an alert is sent. AlertQuery: `region` is
    required.
    """
    alerts = terraform.plan(region="eu-central-1").resources("alicloud_sls_alert")
    assert len(alerts) == len(definitions("alert"))
    for alert in alerts.values():
        (configuration,) = alert["configuration"]
        assert configuration["sink_alerthub"] == [{"enabled": True}]
        assert {query["region"] for query in configuration["query_list"]} == {"eu-central-1"}


def test_every_file_in_infra_sls_is_used(terraform: Terraform) -> None:
    folder = terraform.infra / "sls"
    shutil.rmtree(folder)
    (folder / "queries" / "parts").mkdir(parents=True)
    for name, document in SLS.items():
        (folder / name).write_text(json.dumps(document), encoding="utf-8")
    for name, text in QUERIES.items():
        (folder / "queries" / name).write_text(text, encoding="utf-8")
    plan = terraform.plan(action_policy="on-call")
    (dashboard,) = plan.resources("alicloud_log_dashboard").values()
    (chart,) = json.loads(dashboard["char_list"])
    sent = "* | WITH runs AS ( SELECT 1 ) SELECT * FROM runs"
    assert chart == {
        "title": "Runs",
        "type": "line",
        "search": {"logstore": "function", "query": sent},
    }
    (alert,) = plan.resources("alicloud_sls_alert").values()
    (configuration,) = alert["configuration"]
    (query,) = configuration["query_list"]
    assert (query["project"], query["store"]) == (f"acr-refresher-{HOME}", "function")
    assert query["query"] == "message.event: run.finished and message.ok: false"
    assert configuration["policy_configuration"][0]["action_policy_id"] == "on-call"
    indexes = plan.resources("alicloud_log_store_index")
    outcomes = indexes['module.sls[0].alicloud_log_store_index.this["outcomes"]']
    assert [field["name"] for field in outcomes["field_search"]] == ["verdict"]


QUERIES = {
    "runs.sql": "-- Finds nothing.\n* |\nWITH\n\n${runs}\n  -- A comment.\nSELECT *\nFROM runs\n",
    "parts/runs.sql": "-- A part.\nruns AS (\n  SELECT 1\n)\n",
    "failing.sql": "message.event: run.finished and message.ok: false",
}
SLS: dict[str, dict[str, Any]] = {
    "index.function.json": {"keys": {"event": {"type": "text"}}},
    "index.outcomes.json": {"keys": {"verdict": {"type": "text"}}},
    "dashboard-runs.json": {
        "dashboardName": "runs",
        "displayName": "Runs",
        "charts": [
            {
                "title": "Runs",
                "type": "line",
                "search": {"logstore": "function", "query": "queries/runs.sql"},
            }
        ],
    },
    "alert-failing.json": {
        "name": "failing",
        "displayName": "A run needs attention",
        "schedule": {"type": "FixedRate", "interval": "5m"},
        "configuration": {
            "queryList": [
                {
                    "store": "function",
                    "query": "queries/failing.sql",
                    "start": "-15m",
                    "end": "now",
                }
            ],
            "severityConfigurations": [{"severity": 8, "evalCondition": {"condition": ""}}],
        },
    },
}


def module_of(address: str) -> str:
    return ".".join(address.split(".")[:2])
