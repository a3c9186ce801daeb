"""Outcomes are written as records to SLS. If that fails, the rest of the run is not affected."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import stamina

from acr_refresher.run import publish
from acr_refresher.settings import SETTINGS
from demo.company import LOG_PROJECT, company
from demo.stage import Stage, deployed
from localcloud.cloud import Cloud
from localcloud.faults import ApiError, BadGateway, ConnectionReset, Fault, Stall, throttled
from localcloud.server import serving
from operators import command
from sites import BrokenSite, Site, config_of, only, passwords, results

Log = Callable[[], list[dict[str, Any]]]
DENIED = ApiError(403, "NoPermission", "You are not authorized to do this action.")


@contextmanager
def recording(site: Site, **defaults: Any) -> Iterator[Stage]:
    """The function, configured to write its outcomes to the company's log project."""
    text = config_of({"watchNamespace": f"{site.prefix}-*", **defaults})
    with site.function(f"{text}sls: {{project: {LOG_PROJECT.name}}}\n") as function:
        yield function


def recorded(function: Stage, kind: str, **fields: str) -> list[dict[str, Any]]:
    """The records of a kind that have these fields, as SLS received them."""
    every = function.cloud.logs.records(LOG_PROJECT.name, "outcomes")
    wanted = {"kind": kind, **fields}.items()
    return [dict(record) for record in every if wanted <= record.items()]


def put_conflicting_secret(site: Site, namespace: str) -> None:
    site.hangzhou.expect(
        "POST",
        f"/api/v1/namespaces/{namespace}/secrets",
        {"metadata": {"name": "acr-pull"}, "type": "Opaque"},
    )


def test_every_outcome_of_a_run_arrives(site: Site) -> None:
    shop, taken = site.namespace("shop"), site.namespace("taken")
    put_conflicting_secret(site, taken)
    web = site.namespace("web", site.beijing)
    with recording(site) as function:
        report = function.invoke(reason="a drill")
        [run] = recorded(function, "run")
        clusters = recorded(function, "cluster")
        secrets = recorded(function, "secret")
        [created] = recorded(function, "secret", namespace=shop)
        [conflict] = recorded(function, "secret", namespace=taken)
    assert report["outcomesUnsent"] == 0
    assert {record["namespace"]: record["result"] for record in secrets} == results(report)
    assert results(report) == {shop: "created", taken: "conflict", web: "created"}
    assert {record["run"] for record in (run, *clusters, *secrets)} == {report["run"]}
    assert (run["result"], run["secrets_created"], run["run_reason"]) == (
        "attention",
        "2",
        "a drill",
    )
    assert {
        record["cluster"]: (record["result"], record["account"], record["region"])
        for record in clusters
    } == {
        "prod-hangzhou": ("attention", "1000000000000001", "cn-hangzhou"),
        "prod-beijing": ("served", "3000000000000003", "cn-beijing"),
    }
    assert created["expires_at"] == only(report, shop)["expiresAt"]
    assert 3500 < int(created["seconds_left"]) <= 3600
    assert created["registries"] == "main, partner"
    assert created["registry_hosts"] == ", ".join(only(report, shop)["registryHosts"])
    assert (conflict["reason"], conflict["failing"]) == ("foreign-secret", "true")


def test_a_failure_is_recorded_with_its_cause_and_request_id(broken: BrokenSite) -> None:
    shop = broken.namespace("shop")
    with recording(broken, registries=["main"]) as function:
        function.cloud.faults.inject("GetAuthorizationToken", DENIED)
        report = function.invoke()
        [failed] = recorded(function, "secret", namespace=shop)
    [failure] = only(report, shop)["failures"]
    assert (failed["result"], failed["failing"]) == ("failed", "true")
    assert {name: failed[name] for name in ("error", "error_code", "error_service")} == {
        "error": "denied",
        "error_code": "NoPermission",
        "error_service": "cr",
    }
    assert (failed["request_id"], failed["message"]) == (failure["requestId"], failure["message"])


def test_a_run_with_nothing_to_do_is_recorded_in_one_call(site: Site) -> None:
    shop = site.namespace("shop")
    with recording(site) as function:
        function.timer()
        function.timer()
        assert [record["result"] for record in recorded(function, "secret", namespace=shop)] == [
            "created",
            "unchanged",
        ]
        assert len(function.cloud.calls("PutLogs")) == 2


def test_a_dry_run_has_no_outcomes(site: Site) -> None:
    site.namespace("shop")
    with recording(site) as function:
        report = function.invoke(dryRun=True)
        assert function.cloud.calls("PutLogs") == []
    assert report["outcomesUnsent"] == 0


def test_without_a_logstore_nothing_is_called(site: Site) -> None:
    site.namespace("shop")
    with site.function() as function:
        assert function.invoke()["outcomesUnsent"] == 0
        assert function.cloud.calls("PutLogs") == []


def test_records_hold_no_secret(site: Site) -> None:
    site.namespace("shop")
    with recording(site) as function:
        function.timer()
        function.invoke(force=True, reason="password=hunter2")
        cloud = function.cloud
        secrets = [
            *cloud.registry_tokens,
            *(session.access_key_secret for session in cloud.sessions.values()),
            *(session.security_token for session in cloud.sessions.values()),
            "hunter2",
        ]
        written = json.dumps(cloud.logs.records(LOG_PROJECT.name, "outcomes"))
    assert "run_reason" in written
    assert not [secret for secret in secrets if secret in written]


BROKEN: dict[str, tuple[Fault, str]] = {
    "down": (ConnectionReset(), "unreachable"),
    "behind a broken proxy": (BadGateway(), "unreachable"),
    "failing": (ApiError(500, "InternalServerError", "try again"), "unreachable"),
    "throttling": (throttled(), "throttled"),
    "refusing": (ApiError(401, "Unauthorized", "denied by sts or ram"), "denied"),
    "without the logstore": (ApiError(404, "LogStoreNotExist", "does not exist"), "gone"),
    "silent": (Stall(), "unreachable"),
}


@pytest.mark.parametrize(("fault", "error"), BROKEN.values(), ids=BROKEN)
def test_a_refresh_succeeds_although_sls_fails(
    broken: BrokenSite, fault: Fault, error: str, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(fault, Stall):
        short = replace(SETTINGS, publish_time_max=timedelta(seconds=1))
        monkeypatch.setattr(publish, "SETTINGS", short)
    shop = broken.namespace("shop")
    with recording(broken) as function, stamina.set_testing(True, attempts=4, cap=True):
        function.cloud.faults.inject("PutLogs", fault, times=None)
        report = function.timer()
    assert report["ok"]
    assert results(report) == {shop: "created"}
    assert passwords(broken.hangzhou, shop)
    lines = [line for line in log() if line["event"] == "outcomes.unsent"]
    assert {line["error"] for line in lines} == {error}
    assert report["outcomesFailure"]["meaning"] == error
    assert report["outcomesUnsent"] == sum(line["count"] for line in lines) == 4
    assert any(name.startswith(f"prod-hangzhou/{shop}/acr-pull created") for name in named(lines))


def test_a_temporary_failure_of_sls_is_tried_again(broken: BrokenSite) -> None:
    broken.namespace("shop")
    with recording(broken) as function, stamina.set_testing(True, attempts=4, cap=True):
        function.cloud.faults.inject("PutLogs", throttled(), times=2)
        assert function.timer()["outcomesUnsent"] == 0
        assert len(recorded(function, "run")) == 1


def test_without_permission_to_write_the_report_names_the_action(
    broken: BrokenSite, log: Log
) -> None:
    """The function's role lacks infra/ram/outcomes-log.policy.json."""
    shop = broken.namespace("shop")
    clusters = {"prod-hangzhou": broken.hangzhou, "prod-beijing": broken.beijing}
    world = company(clusters)
    roles = tuple(
        dataclasses.replace(role, policies=role.policies[:-1])
        if role.name.endswith("function")
        else role
        for role in world.roles
    )
    cloud = Cloud(dataclasses.replace(world, roles=roles))
    text = config_of({"watchNamespace": f"{broken.prefix}-*"})
    text += f"sls: {{project: {LOG_PROJECT.name}}}\n"
    with serving(cloud) as url, deployed(cloud, url, clusters, text) as function:
        assert results(function.timer()) == {shop: "created"}
    [line] = [line for line in log() if line["event"] == "outcomes.unsent"]
    assert line["error"] == "denied"
    assert f"Allow log:PostLogStoreLogs on project/{LOG_PROJECT.name}" in line["message"]


def test_a_local_refresh_says_why_outcomes_could_not_be_written(broken: BrokenSite) -> None:
    broken.namespace("shop")
    with recording(broken) as function:
        function.cloud.faults.inject("PutLogs", DENIED, times=None)
        shown = command(function, "refresh")
        report = json.loads(command(function, "refresh", "-o", "json").stdout)
    assert (shown.exit_code, report["outcomesUnsent"]) == (0, 4)
    [line] = [line for line in shown.stdout.splitlines() if "could not be written" in line]
    assert line.startswith("4 outcomes could not be written to the logstore: denied: ")
    for words in (line, report["outcomesFailure"]["message"]):
        assert f"Allow log:PostLogStoreLogs on project/{LOG_PROJECT.name}" in words


def named(lines: list[dict[str, Any]]) -> list[str]:
    return [record for line in lines for record in line["records"]]
