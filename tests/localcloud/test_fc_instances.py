"""Function Compute: instances are processes with limits, and failed tasks are tried again."""

from __future__ import annotations

import json
import os
import resource
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from localcloud.cloud import Cloud, utc_now
from localcloud.demo import (
    FUNCTION_ACCOUNT,
    FUNCTION_ROLE_ARN,
    REGION,
    demo_world,
    function_role,
)
from localcloud.fc.deploy import deployed
from localcloud.fc.deployed import DeployedFunction
from localcloud.fc.description import AsyncConfig, EntryPoint, Function, read_function
from localcloud.fc.destinations import MOST_BYTES
from localcloud.fc.instances import BusyError
from localcloud.world import Queue, World
from small_functions import small_function

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRON = {"ACR_REFRESHER_ACCOUNT": FUNCTION_ACCOUNT}
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


@contextmanager
def running(function: Function) -> Iterator[DeployedFunction]:
    with deployed(Cloud(demo_world()), function) as there:
        yield there


def order(do: str, **more: Any) -> bytes:
    return json.dumps({"do": do, **more}).encode()


def instance_state(there: DeployedFunction, request_id: str = "1") -> dict[str, Any]:
    read: dict[str, Any] = json.loads(there.invoke(order("tell"), request_id).body)
    return read


def test_a_warm_instance_serves_again(tmp_path: Path) -> None:
    with running(small_function(tmp_path)) as there:
        assert instance_state(there)["pid"] == instance_state(there)["pid"]
        assert there.instances_started == 1


def test_a_process_with_many_open_files_can_have_instances(tmp_path: Path) -> None:
    with ExitStack() as stack, running(small_function(tmp_path)) as there:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limit)
        for _ in range(1024):
            stack.enter_context(Path(os.devnull).open())
        assert instance_state(there)["started"] == 1


def test_an_instance_serves_one_at_a_time(tmp_path: Path) -> None:
    with running(small_function(tmp_path)) as there, ThreadPoolExecutor() as threads:
        awaited = tmp_path / "awaited"
        waiting = threads.submit(there.invoke, order("wait", file=str(awaited)), "1")
        there.wait_until(lambda: "got wait" in there.lines)
        instance_state(there, "2")
        awaited.touch()
        assert waiting.result().body == b"done"
        assert there.instances_started == 2


def test_there_are_no_more_instances_than_allowed(tmp_path: Path) -> None:
    with running(small_function(tmp_path, instances=1)) as there, ThreadPoolExecutor() as threads:
        awaited = tmp_path / "awaited"
        waiting = threads.submit(there.invoke, order("wait", file=str(awaited)), "1")
        there.wait_until(lambda: "got wait" in there.lines)
        with pytest.raises(BusyError):
            there.invoke(order("tell"), "2")
        there.start(order("tell"), "3")  # waits for its turn
        awaited.touch()
        there.wait_until_idle()
        assert waiting.result().body == b"done"
        assert there.instances_started == 1


def test_retired_instances_get_a_stop_signal_and_new_instances_start(tmp_path: Path) -> None:
    with running(small_function(tmp_path)) as there:
        first = instance_state(there)["pid"]
        there.retire_instances()
        assert there.lines[-1] == "stopping"
        assert instance_state(there)["pid"] != first


def test_a_failing_initializer_fails_the_invocation(tmp_path: Path) -> None:
    with running(small_function(tmp_path).with_environment(BROKEN="1")) as there:
        results = [there.invoke(order("tell"), "1") for _ in range(2)]
        assert there.instances_started == 2
    assert all(b"broken from the start" in result.body for result in results)
    assert results[0].error_type == "HandledInvocationError"


@pytest.mark.parametrize(
    ("event", "words"),
    [
        pytest.param(order("sleep"), "Function timed out after 5 seconds", id="time"),
        pytest.param(order("fill", mb=200), "of the 128 MB that it may use", id="memory"),
        pytest.param(order("exit"), "Process exited unexpectedly", id="exit"),
    ],
)
def test_an_instance_that_exceeds_a_limit_is_ended(
    tmp_path: Path, event: bytes, words: str
) -> None:
    timeout = (5 if "timed out" in words else 30) * SECOND
    with running(small_function(tmp_path).with_timeout(timeout)) as there:
        result = there.invoke(event, "1")
        assert words in json.loads(result.body)["errorMessage"]
        assert result.error_type == "UnhandledInvocationError"
        assert instance_state(there)["started"] == 1
        assert there.instances_started == 2


def test_a_failed_task_is_tried_again_as_often_as_configured(tmp_path: Path) -> None:
    with running(small_function(tmp_path)) as there:
        there.start(order("raise"), "1", "task")
        there.wait_until_idle()
        task = there.task("task")
    assert (task.state, task.attempts) == ("Failed", 2)
    assert task.result is not None
    assert b"as ordered" in task.result.body


@pytest.mark.parametrize(("length", "messages"), [(1, 1), (MOST_BYTES, 0)], ids=["short", "long"])
def test_a_failed_task_is_sent_to_a_queue_unless_the_message_is_too_long(
    tmp_path: Path, length: int, messages: int
) -> None:
    queue = Queue(FUNCTION_ACCOUNT, REGION, "failed")
    grant = {"Effect": "Allow", "Action": "mns:SendMessage", "Resource": queue.arn}
    role = replace(function_role(), policies=({"Version": "1", "Statement": [grant]},))
    function = small_function(tmp_path, asynchronous=AsyncConfig(on_failure=queue.arn))
    cloud = Cloud(World(roles=(role,), queues=(queue,)))
    with deployed(cloud, function) as there:
        there.start(order("raise", text="x" * length), "1")
        there.wait_until_idle()
        assert there.task("1").state == "Failed"
    assert len(cloud.messages[queue.arn]) == messages


def test_a_task_whose_instance_is_lost_runs_again(tmp_path: Path) -> None:
    with running(small_function(tmp_path)) as there:
        there.start(order("once", file=str(tmp_path / "mark")), "1", "task")
        there.wait_until(lambda: "marked" in there.lines)
        there.lose_instance("task")
        there.wait_until_idle()
        task = there.task("task")
    assert (task.state, task.attempts) == ("Succeeded", 2)
    assert task.result is not None
    assert task.result.body == b"second time"


def test_a_task_that_is_too_old_is_not_tried_again(tmp_path: Path) -> None:
    late = threading.Event()
    cloud = Cloud(demo_world(), lambda: utc_now() + (2 * DAY if late.is_set() else 0 * DAY))
    function = small_function(tmp_path)
    with deployed(cloud, function) as there:
        there.start(order("once", file=str(tmp_path / "mark")), "1", "task")
        there.wait_until(lambda: "marked" in there.lines)
        late.set()
        there.lose_instance("task")
        there.wait_until_idle()
        assert (there.task("task").state, there.task("task").attempts) == ("Expired", 1)


def test_a_task_that_waits_too_long_is_dropped(tmp_path: Path) -> None:
    function = small_function(tmp_path)
    aged = replace(function.asynchronous, most_age=timedelta(seconds=-1))
    with running(replace(function, asynchronous=aged)) as there:
        there.start(order("echo"), "1", "task")
        there.wait_until_idle()
        assert (there.task("task").state, there.task("task").attempts) == ("Expired", 0)
        assert there.instances_started == 0


def test_the_timer_may_be_delivered_twice(tmp_path: Path) -> None:
    handler = EntryPoint("small.timer", 30 * SECOND)
    with running(small_function(tmp_path, handler=handler)) as there:
        tasks = there.fire_timer(times=2)
        there.wait_until_idle()
        assert [there.task(task.id).state for task in tasks] == ["Succeeded"] * 2
        first, second = (json.loads(line) for line in there.lines)
    assert first == second
    assert (first["triggerName"], first["payload"]) == ("timer", '{"do": "tell"}')
    assert first["triggerTime"].endswith("Z")


def test_running_invocations_are_ended_with_the_server(tmp_path: Path) -> None:
    with running(small_function(tmp_path)) as there:
        there.start(order("sleep"), "1", "task")
        there.wait_until(lambda: "got sleep" in there.lines)
    assert there.task("task").state == "Retrying"


def test_a_function_needs_a_role_that_trusts_the_platform(tmp_path: Path) -> None:
    with pytest.raises(LookupError), running(small_function(tmp_path, role="acs:ram::1:role/x")):
        pass


def test_s_yaml_says_what_is_deployed() -> None:
    function = read_function(REPOSITORY / "s.yaml", ENVIRON)
    assert (function.name, function.service, function.region) == ("acr-refresher", "", REGION)
    assert function.role == FUNCTION_ROLE_ARN
    assert function.code == REPOSITORY / "function"
    assert (function.handler, function.memory) == (EntryPoint("handler.handle", 300 * SECOND), 512)
    assert function.initializer == EntryPoint("handler.initialize", 60 * SECOND)
    assert function.asynchronous.task_ids
    assert (function.asynchronous.most_retries, function.timer is not None) == (1, True)
    queue = f"acs:mns:{REGION}:{FUNCTION_ACCOUNT}:/queues/acr-refresher-failed/messages"
    assert function.asynchronous.on_failure == queue
    assert function.no_credentials_in == "Env"


def test_the_file_for_2_deploys_the_same_to_a_service() -> None:
    function = read_function(REPOSITORY / "s.yaml", ENVIRON)
    function_2 = read_function(REPOSITORY / "infra" / "s.fc2.yaml", ENVIRON)
    assert function_2 == replace(function, service="acr-refresher", no_credentials_in="")


def test_a_missing_variable_is_reported() -> None:
    with pytest.raises(LookupError, match="ACR_REFRESHER_ACCOUNT"):
        read_function(REPOSITORY / "s.yaml", {})


def test_this_functions_own_code_runs_there() -> None:
    """Its initializer reads function/config.yaml. Then it refuses an empty event."""
    with running(read_function(REPOSITORY / "s.yaml", ENVIRON)) as there:
        result = there.invoke(b"", "1")
        error = json.loads(result.body)
    assert error["errorType"] == "InvalidEvent"
