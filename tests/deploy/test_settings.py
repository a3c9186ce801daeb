"""s.yaml and infra/s.fc2.yaml are valid for Function Compute and fit the function."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from acr_refresher.config.events import parse_event
from acr_refresher.config.load import load_config
from acr_refresher.config.timer import TIMER_VARIABLE, parse_timer, timer_warnings
from deploy.serverless_devs import ACCOUNT, REPOSITORY, ServerlessDevs, props_of
from deploy.strict import Function2, Function3, functions_of

HANDLER = REPOSITORY / "function" / "handler.py"

Props = dict[str, Any]


@pytest.fixture(scope="session")
def props(serverless_devs: ServerlessDevs) -> Props:
    return props_of(serverless_devs.read(REPOSITORY / "s.yaml"))


@pytest.fixture(scope="session")
def props_2(serverless_devs: ServerlessDevs) -> Props:
    return props_of(serverless_devs.read(REPOSITORY / "infra" / "s.fc2.yaml"))


def test_handlers_are_functions_of_handler_py(props: Props) -> None:
    assert Function3.model_validate(props).entry_points <= functions_of(HANDLER)


def test_the_code_root_holds_the_handler(props: Props) -> None:
    assert (REPOSITORY / props["code"]).resolve() == HANDLER.parent


def test_the_timer_is_faster_than_secrets_expire(props: Props) -> None:
    (trigger,) = Function3.model_validate(props).triggers
    timer = parse_timer(trigger.trigger_config.cron_expression, "s.yaml")
    assert timer_warnings(load_config(HANDLER.with_name("config.yaml")).timings, timer) == ()


def test_the_function_knows_its_timer(props: Props) -> None:
    function = Function3.model_validate(props)
    (trigger,) = function.triggers
    assert function.environment_variables[TIMER_VARIABLE] == trigger.trigger_config.cron_expression


@pytest.mark.parametrize("name", ["s.yaml", "infra/s.fc2.yaml"])
def test_the_timers_period_must_agree_with_its_schedule(
    serverless_devs: ServerlessDevs, tmp_path: Path, name: str
) -> None:
    """An event that waits longer than until the next run of the timer is outdated."""
    form = Function2 if "fc2" in name else Function3
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    every, period = '  every: "@every 5m"\n', "  period: 300\n"
    assert (text.count(every), text.count(period)) == (1, 1)
    file = tmp_path / "s.yaml"
    file.write_text(text.replace(every, '  every: "@every 10m"\n'), encoding="utf-8")
    with pytest.raises(ValidationError, match=r"vars\.period is 300, but vars\.every is 600"):
        form.model_validate(props_of(serverless_devs.read(file)))
    file.write_text(file.read_text(encoding="utf-8").replace(period, "  period: 600\n"), "utf-8")
    form.model_validate(props_of(serverless_devs.read(file)))


def test_the_timers_payload_is_an_event_the_function_understands(props: Props) -> None:
    (trigger,) = Function3.model_validate(props).triggers
    payload = trigger.trigger_config.payload
    timer = {"triggerTime": "2026-01-01T00:00:00Z", "triggerName": "timer", "payload": payload}
    request = parse_event(json.dumps(timer))
    assert request.unattended
    assert not request.dry_run


def test_account_and_region_are_set_in_a_single_place(serverless_devs: ServerlessDevs) -> None:
    file, account = REPOSITORY / "s.yaml", "2000000000000002"
    document = serverless_devs.read(file, account, ACR_REFRESHER_REGION="eu-central-1")
    props = props_of(document)
    assert props["region"] == "eu-central-1"
    assert ACCOUNT not in str(props)
    assert "cn-hangzhou" not in str(props)


def test_both_files_deploy_the_same_function(props: Props, props_2: Props) -> None:
    three, two = Function3.model_validate(props), Function2.model_validate(props_2)
    function, service = two.function, two.service
    assert {
        function.handler, function.initializer, function.instance_lifecycle_config.pre_stop.handler
    } == three.entry_points  # fmt: skip
    for name in ("runtime", "cpu", "memory_size", "disk_size", "timeout", "environment_variables"):
        assert getattr(function, name) == getattr(three, name), name
    for name in ("role", "log_config", "internet_access"):
        assert getattr(service, name) == getattr(three, name), name
    assert two.triggers[0].config == three.triggers[0].trigger_config
    on_failure = three.async_invoke_config.destination_config.on_failure
    assert function.async_configuration.destination.on_failure == on_failure.destination


FAULTS: Mapping[str, tuple[tuple[str | int, ...], Any, str]] = {
    "an unknown key": (("memroySize",), 512, "Extra inputs are not permitted"),
    "an unknown key of a trigger": (("triggers", 0, "config"), {}, "Extra inputs"),
    "memory that is no multiple of 64": (("memorySize",), 500, "multiple of 64"),
    "memory as text": (("memorySize",), "512", "valid integer"),
    "more CPU than memory allows": (("cpu",), 0.55, "between 1:1 and 1:4"),
    "less CPU than memory needs": (("memorySize",), 2048, "between 1:1 and 1:4"),
    "CPU in odd steps": (("cpu",), 0.33, "multiple of 0.05"),
    "a timeout above a day": (("timeout",), 86401, "less than or equal to 86400"),
    "a slow initializer": (
        ("instanceLifecycleConfig", "initializer", "timeout"), 301, "less than or equal to 300",
    ),
    "a nested handler": (("handler",), "acr_refresher/handler.handle", "match pattern"),
    "no credentials at all": (("runtime",), "python3.12", "with disableInjectCredentials"),
    "a runtime that is too old": (("runtime",), "python3.9", "python3.10"),
    "no account in the role": (("role",), "acs:ram:::role/acr-refresher-function", "match pattern"),
    "capitals in the role": (("role",), f"acs:ram::{ACCOUNT}:role/Refresher", "match pattern"),
    "5 KB of variables": (("environmentVariables", "BIG"), "x" * 5120, "4 KB in all"),
    "a reserved variable": (("environmentVariables", "FC_REGION"), "x", "reserved"),
    "a wrong timer config": (("triggers", 0, "triggerConfig"), {"cron": "0"}, "cronExpression"),
    "a cron of five fields": (
        ("triggers", 0, "triggerConfig", "cronExpression"), "*/10 * * * *", "6 cron fields",
    ),
    "an interval without unit": (
        ("triggers", 0, "triggerConfig", "cronExpression"), "@every 10", "6 cron fields",
    ),
    "a timer that is off": (("triggers", 0, "triggerConfig", "enable"), False, "Input should be"),
    "a payload that is no text": (
        ("triggers", 0, "triggerConfig", "payload"), {"action": "refresh"}, "valid string",
    ),
    "no task ids": (("asyncInvokeConfig", "asyncTask"), False, "Input should be True"),
    "nine retries": (("asyncInvokeConfig", "maxAsyncRetryAttempts"), 9, "less than or equal to 8"),
    "a destination elsewhere": (
        ("asyncInvokeConfig", "destinationConfig", "onFailure", "destination"),
        "https://example.com",
        "match pattern",
    ),
    "no access to any network": (("internetAccess",), False, "nothing can be reached"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "value", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found(
    props: Props, path: tuple[str | int, ...], value: object, words: str
) -> None:
    faulty = copy.deepcopy(props)
    *parents, key = path
    reduce(lambda part, name: part[name], parents, faulty)[key] = value  # type: ignore[index]  # a path of keys and indices
    with pytest.raises(ValidationError, match=words):
        Function3.model_validate(faulty)


SCHEDULES = {
    "@every 5m": 300,
    "0 */10 * * * *": 600,
    "CRON_TZ=Asia/Shanghai 0 0 4 * * MON-FRI": 3 * 86400,
}
"""Each schedule with the longest time between two runs, in seconds."""


@pytest.mark.parametrize(("schedule", "seconds"), SCHEDULES.items())
def test_schedules_are_intervals_or_cron(props: Props, schedule: str, seconds: int) -> None:
    changed = copy.deepcopy(props)
    changed["triggers"][0]["triggerConfig"]["cronExpression"] = schedule
    changed["asyncInvokeConfig"]["maxAsyncEventAgeInSeconds"] = seconds
    Function3.model_validate(changed)


def test_a_function_in_a_vpc_needs_no_internet(props: Props) -> None:
    vpc = {"vpcId": "vpc-bp1x", "vSwitchIds": ["vsw-bp1x"], "securityGroupId": "sg-bp1x"}
    Function3.model_validate({**props, "internetAccess": False, "vpcConfig": vpc})


OWN_FILES = [".env", "infra/terraform/terraform.tfvars", "function/kubeconfigs/idc.yaml"]


def test_own_settings_and_secrets_are_not_in_git(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / ".gitignore", tmp_path)
    for command in (["git", "init", "-q"], ["git", "check-ignore", *OWN_FILES]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)  # noqa: S603  # the commands above
    assert done.stdout.split() == OWN_FILES
