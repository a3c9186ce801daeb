"""A deployed function: invoked at once or by its queue of tasks, and looked at by tests."""

import json
import threading
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, TypeAlias

from localcloud.fc.description import Function
from localcloud.fc.instance import Result
from localcloud.fc.instances import Instances
from localcloud.sessions import Session

State: TypeAlias = Literal["Enqueued", "Running", "Retrying", "Succeeded", "Failed", "Expired"]
OVER: frozenset[State] = frozenset({"Succeeded", "Failed", "Expired"})


@dataclass(frozen=True)
class Task:
    """An asynchronous invocation. `result` is that of its last attempt.

    `Expired`: it waited longer than it may, and was dropped, with or without an attempt.
    """

    id: str
    event: bytes
    request_id: str
    qualifier: str
    enqueued_at: datetime
    state: State = "Enqueued"
    attempts: int = 0
    result: Result | None = field(default=None, repr=False)


class DeployedFunction:
    """Its instances and its tasks. Any thread may call any method.

    `store_line` gets an instance's ID and a line of it, `tell_failure` a task whose last attempt
    failed, before anybody sees the one or the other here.

    Failed tasks are tried again at once, as often as the function's `asynchronous` says; the
    platform waits in between.
    """

    def __init__(
        self,
        function: Function,
        credentials: Callable[[], Session],
        clock: Callable[[], datetime],
        store_line: Callable[[str, str], None],
        tell_failure: Callable[[Task], None],
    ) -> None:
        self.description = function
        self._clock = clock
        self._store_line = store_line
        self._tell_failure = tell_failure
        self._changed = threading.Condition()
        self._tasks: dict[str, Task] = {}
        self._queue: deque[str] = deque()
        self._events: list[bytes] = []
        self._lines: list[str] = []
        self._closed = False
        self._instances = Instances(function, credentials, self._changed, self._keep_line)
        self._dispatchers = [
            threading.Thread(target=self._dispatch, name=f"fc {function.name}")
            for _ in range(function.instances)
        ]
        for thread in self._dispatchers:
            thread.start()

    def invoke(self, event: bytes, request_id: str, qualifier: str = "") -> Result:
        """A synchronous invocation, by a version or alias or without. Raises BusyError."""
        with self._changed:
            self._events.append(event)
        return self._instances.serve(event, request_id, qualifier, wait=False)

    def start(self, event: bytes, request_id: str, task_id: str = "", qualifier: str = "") -> bool:
        """An asynchronous invocation. False: there was a task of this ID, over or not."""
        task = Task(task_id or request_id, event, request_id, qualifier, self._clock())
        with self._changed:
            if task.id in self._tasks:
                return False
            self._events.append(event)
            self._tasks[task.id] = task
            self._queue.append(task.id)
            self._changed.notify_all()
        return True

    def fire_timer(self, at: datetime | None = None, *, times: int = 1) -> list[Task]:
        """Deliver one timer event, as an asynchronous task. The platform may deliver it twice."""
        timer = self.description.timer
        if timer is None:
            raise LookupError("the function has no timer")
        event = {
            "triggerTime": (at or self._clock()).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "triggerName": timer.name,
            "payload": timer.payload,
        }
        ids = [str(uuid.uuid4()).upper() for _ in range(times)]
        for request_id in ids:
            self.start(json.dumps(event).encode(), request_id)
        return [task for task in self.tasks if task.id in ids]

    @property
    def tasks(self) -> list[Task]:
        """In the order in which they came."""
        with self._changed:
            return [*self._tasks.values()]

    @property
    def events(self) -> list[bytes]:
        """What the function was invoked with, in either way, once an invocation."""
        with self._changed:
            return [*self._events]

    @property
    def lines(self) -> list[str]:
        """What its instances wrote to stdout and stderr."""
        with self._changed:
            return [*self._lines]

    @property
    def instances_started(self) -> int:
        with self._changed:
            return self._instances.started

    def task(self, task_id: str) -> Task:
        """LookupError: there is none."""
        with self._changed:
            return self._tasks[task_id]

    def wait_until(self, condition: Callable[[], bool], limit: float = 60) -> None:
        """Until the condition holds; looked at after every line and change of a task.

        TimeoutError after `limit` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(condition, limit):
                states = {task.id: task.state for task in self._tasks.values()}
                raise TimeoutError(f"still not so after {limit} s; tasks: {states}")

    def wait_until_idle(self, limit: float = 60) -> None:
        """Until every task is over. TimeoutError after `limit` seconds."""
        self.wait_until(lambda: all(task.state in OVER for task in self._tasks.values()), limit)

    def lose_instance(self, task_id: str, limit: float = 60) -> None:
        """Kill the instance that runs the task, once one does. TimeoutError as above."""
        request_id = self.task(task_id).request_id
        self.wait_until(lambda: self._instances.kill(request_id), limit)

    def retire_instances(self) -> None:
        """Stop the idle instances, with pre_stop, so that the next invocation is a cold start."""
        self._instances.retire()

    def close(self) -> None:
        """End everything: what runs is killed, what is queued is dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._instances.close()
        for thread in self._dispatchers:
            thread.join()
        self._instances.retire()

    def _keep_line(self, instance_id: str, line: str) -> None:
        self._store_line(instance_id, line)
        with self._changed:
            self._lines.append(line)
            self._changed.notify_all()

    def _dispatch(self) -> None:
        while (task := self._next()) is not None:
            result = self._instances.serve(task.event, task.request_id, task.qualifier, wait=True)
            self._finish(task, result)

    def _next(self) -> Task | None:
        """The next task, as one that runs; None at the end."""
        with self._changed:
            while not self._closed:
                if not self._queue:
                    self._changed.wait()
                    continue
                task = self._tasks[self._queue.popleft()]
                if self._outdated(task):
                    self._change(replace(task, state="Expired"))
                    continue
                return self._change(replace(task, state="Running", attempts=task.attempts + 1))
            return None

    def _finish(self, task: Task, result: Result) -> None:
        done = replace(task, state=self._state_after(task, result), result=result)
        if done.state == "Failed":
            self._tell_failure(done)
        with self._changed:
            self._change(done)
            if done.state == "Retrying":
                self._queue.append(task.id)

    def _state_after(self, task: Task, result: Result) -> State:
        if not result.failed:
            return "Succeeded"
        if task.attempts > self.description.asynchronous.most_retries:
            return "Failed"
        return "Expired" if self._outdated(task) else "Retrying"

    def _outdated(self, task: Task) -> bool:
        return self._clock() - task.enqueued_at > self.description.asynchronous.most_age

    def _change(self, task: Task) -> Task:
        self._tasks[task.id] = task
        self._changed.notify_all()
        return task


@dataclass(frozen=True)
class Address:
    """Where a function is looked for: in 2.0 by service, in 3.0 without."""

    account: str
    region: str
    service: str
    name: str

    @staticmethod
    def of(function: Function) -> "Address":
        return Address(function.account, function.region, function.service, function.name)
