"""Function Compute sends messages about failed runs and stores log lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from demo.company import FAILED_RUNS, FUNCTION, HOME, LOG_PROJECT, REGION
from demo.platform import S_FC2_YAML, S_YAML
from fleets import LIMIT_SECONDS, NAMESPACE, Fleet, fleet
from localcloud.faults import ApiError
from localcloud.logs import Record

DENIED = ApiError(403, "NoPermission", "You are not authorized to do this action.")
DEPLOYED = {
    "3.0": (S_YAML, f"functions/{FUNCTION}"),
    "2.0": (S_FC2_YAML, f"services/{FUNCTION}/functions/{FUNCTION}"),
}


@pytest.mark.parametrize(("file", "arn"), DEPLOYED.values(), ids=DEPLOYED)
def test_a_run_that_fails_twice_sends_one_message_with_its_event_and_its_error(
    tmp_path: Path, file: Path, arn: str
) -> None:
    with fleet(tmp_path, 1, file=file) as there:
        there.cloud.faults.inject("GetAuthorizationToken", DENIED, times=None)
        [task] = there.function.fire_timer()
        there.function.wait_until_idle(LIMIT_SECONDS)
        [message] = failed_runs(there)
    assert message["requestContext"] == {
        "requestId": task.request_id,
        "functionArn": f"acs:fc:{REGION}:{HOME}:{arn}",
        "condition": "",
        "approximateInvokeCount": 2,
    }
    assert message["requestPayload"] == task.event.decode()
    assert json.loads(message["requestPayload"])["triggerName"] == "timer"
    error = json.loads(message["responsePayload"])
    assert error["errorType"] == "RunFailed"
    assert "1 of 1 clusters need attention: cluster-0000" in error["errorMessage"]


def test_a_run_that_succeeds_at_the_second_attempt_sends_no_message(tmp_path: Path) -> None:
    with fleet(tmp_path, 1) as there:
        there.cloud.faults.inject("GetAuthorizationToken", DENIED)
        [task] = there.function.fire_timer()
        there.function.wait_until_idle(LIMIT_SECONDS)
        assert there.function.task(task.id).attempts == 2
        assert failed_runs(there) == []


def test_every_line_that_is_printed_arrives_in_the_logstore_of_the_function(
    tmp_path: Path,
) -> None:
    with fleet(tmp_path, 1) as there:
        report = there.invoke()
        stored = stored_lines(there)
        assert [line["message"] for line in stored] == there.function.lines
    assert {line["__topic__"] for line in stored} == {f"FCLogs:{FUNCTION}"}
    assert {line["functionName"] for line in stored} == {FUNCTION}
    assert len({line["instanceID"] for line in stored}) == 1
    lines = [json.loads(str(line["message"])) for line in stored]
    [created] = [line for line in lines if line["event"] == "secret.created"]
    assert (created["namespace"], created["run"]) == (NAMESPACE, report["run"])


def failed_runs(there: Fleet) -> list[dict[str, Any]]:
    """The messages in the queue of failed runs."""
    return [json.loads(body) for body in there.cloud.messages[FAILED_RUNS.arn]]


def stored_lines(there: Fleet) -> list[Record]:
    return there.cloud.logs.records(LOG_PROJECT.name, "function")
