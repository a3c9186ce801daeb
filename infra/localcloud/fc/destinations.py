"""What Function Compute itself does in a function's role: it stores log lines and reports failures.

What the role may not do is not done, without an error. The message has the form of the page
"Result callback":
https://www.alibabacloud.com/help/en/fc/user-guide/result-callback

These points are unconfirmed: what `condition` and `functionError` contain for an error of the
function itself (an older example has an empty `condition`); whether the ARN of a function of 2.0
names region and account (its example does not); whether the message is in base64, as the queue's
own documents advise senders; whether a task that waited too long is reported (here it is not); and
whether a failed run of a timer is. A page on 2.0, since replaced, said that it is not; the present
pages do not say. Here it is.
"""

import json
from contextlib import suppress
from datetime import datetime
from typing import Any

from localcloud.authorization import SEND_MESSAGE
from localcloud.cloud import Cloud
from localcloud.errors import CloudError
from localcloud.fc.deployed import Task
from localcloud.fc.description import Function
from localcloud.logs import Record
from localcloud.sls import writable_project

MOST_BYTES = 64 * 1024  # of a message to a queue


def store_line(cloud: Cloud, function: Function, instance_id: str, line: str) -> None:
    """Add a line that an instance printed to the logstore of `logConfig`."""
    role = cloud.function_credentials(function.role)
    logstore = function.log_store
    record: Record = {
        "__time__": int(cloud.clock().timestamp()),
        "__topic__": f"FCLogs:{function.name}",
        "__source__": "",
        "functionName": function.name,
        "qualifier": "LATEST",
        "versionId": "",
        "instanceID": instance_id,
        "message": line,
    }
    with suppress(CloudError):
        project = writable_project(cloud, role, function.region, function.log_project, logstore)
        cloud.logs.add(project.name, logstore, [record])


def tell_failure(cloud: Cloud, function: Function, task: Task) -> None:
    """Send a task whose last attempt failed to the queue of `onFailure`, if there is one."""
    queue = cloud.world.find_queue(function.asynchronous.on_failure)
    if queue is None:
        return
    role = cloud.function_credentials(function.role)
    body = json.dumps(_message(function, task, cloud.clock()))
    place = {"region": queue.region, "account": queue.account, "queue": queue.name}
    if not role.find_access_denial(SEND_MESSAGE, **place) and len(body) <= MOST_BYTES:
        cloud.messages[queue.arn].append(body)


def _message(function: Function, task: Task, now: datetime) -> dict[str, Any]:
    assert task.result is not None  # noqa: S101  # it has been attempted
    return {
        "timestamp": int(now.timestamp() * 1000),
        "requestContext": {
            "requestId": task.request_id,
            "functionArn": function.arn(),
            "condition": "",
            "approximateInvokeCount": task.attempts,
        },
        "requestPayload": task.event.decode(errors="replace"),
        "responseContext": {"statusCode": 200, "functionError": task.result.error_type},
        "responsePayload": task.result.body.decode(errors="replace"),
    }
