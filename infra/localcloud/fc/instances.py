"""The instances of a function: started when needed, kept warm, never more than it may have."""

import threading
from collections.abc import Callable
from typing import Any

from localcloud.fc.description import Function
from localcloud.fc.instance import Instance, Result
from localcloud.sessions import Session

LATEST = "LATEST"
_NO_CREDENTIALS_IN_CONTEXT = "python3.12"


class BusyError(Exception):
    """All instances that the function may have are serving."""


class Instances:
    """`credentials` gives a session of the function's role; `changed` guards all state here."""

    def __init__(
        self,
        function: Function,
        credentials: Callable[[], Session],
        changed: threading.Condition,
        keep_line: Callable[[str, str], None],
    ) -> None:
        self._function = function
        self._credentials = credentials
        self._changed = changed
        self._keep_line = keep_line
        self._idle: list[Instance] = []
        self._serving: dict[str, Instance | None] = {}
        self._closed = False
        self.started = 0

    def serve(self, event: bytes, request_id: str, qualifier: str, *, wait: bool) -> Result:
        """One invocation. BusyError: there is no room, and it is not to wait for any."""
        instance = self._take(request_id, wait=wait)
        try:
            if instance is None:
                instance, failure = self._start(request_id)
                if failure:
                    return failure
            context = self._context(request_id, qualifier)
            return instance.run(self._function.handler, context, event)
        finally:
            self._give_back(request_id, instance)

    def kill(self, request_id: str) -> bool:
        """Lose the instance that serves this request. False: none does."""
        with self._changed:
            instance = self._serving.get(request_id)
        if instance is None:
            return False
        instance.kill()
        return True

    def close(self) -> None:
        """Kill all that are serving, and whatever still begins to."""
        with self._changed:
            self._closed = True
            for instance in self._serving.values():
                if instance is not None:
                    instance.kill()

    def retire(self) -> None:
        """Take all idle instances away, as the platform does after a while without invocations."""
        with self._changed:
            idle, self._idle = self._idle, []
        for instance in idle:
            if self._function.pre_stop is not None and instance.alive:
                instance.run(self._function.pre_stop, self._context(""))
            instance.close()

    def _take(self, request_id: str, *, wait: bool) -> Instance | None:
        """An idle instance; None: one may be started."""
        with self._changed:
            while len(self._serving) >= self._function.instances:
                if not wait:
                    raise BusyError
                self._changed.wait()
            instance = self._idle.pop() if self._idle else None
            self._hold(request_id, instance)
            return instance

    def _hold(self, request_id: str, instance: Instance | None) -> None:
        self._serving[request_id] = instance
        if self._closed and instance is not None:
            instance.kill()
        self._changed.notify_all()

    def _start(self, request_id: str) -> tuple[Instance, Result | None]:
        """A new instance, and what its initializer failed with, if it did."""
        instance = Instance(self._function, self._credentials_in_environment(), self._keep_line)
        with self._changed:
            self.started += 1
            self._hold(request_id, instance)
        if self._function.initializer is None:
            return instance, None
        begun = instance.run(self._function.initializer, self._context(request_id))
        if begun.failed:
            instance.kill()
        return instance, begun if begun.failed else None

    def _give_back(self, request_id: str, instance: Instance | None) -> None:
        usable = instance is not None and instance.alive
        with self._changed:
            del self._serving[request_id]
            if instance is not None and usable:
                self._idle.append(instance)
            self._changed.notify_all()
        if instance is not None and not usable:
            instance.close()

    def _context(self, request_id: str, qualifier: str = "") -> dict[str, Any]:
        """The context object's attributes; python3.12 has no `credentials` and no `service`.

        https://www.alibabacloud.com/help/en/functioncompute/contexts (2026-09)
        """
        function = self._function
        common = {
            "request_id": request_id,
            "function": {
                "name": function.name,
                "handler": function.handler.name,
                "memory": function.memory,
                "timeout": int(function.handler.timeout.total_seconds()),
                "qualifier": qualifier or LATEST,
            },
            "region": function.region,
            "account_id": function.account,
        }
        if function.runtime == _NO_CREDENTIALS_IN_CONTEXT:
            return common
        service = {
            "name": function.service or function.context_service,
            "log_project": function.log_project,
            "log_store": function.log_store,
            "qualifier": qualifier or LATEST,
            "version_id": "",
        }
        return {**common, "credentials": self._credentials_in_context(), "service": service}

    def _credentials_in_context(self) -> dict[str, str]:
        """The role's credentials. The texts are empty if they are not injected."""
        if self._function.no_credentials_in in {"Request", "All"}:
            return {"access_key_id": "", "access_key_secret": "", "security_token": ""}
        session = self._credentials()
        return {
            "access_key_id": session.access_key_id,
            "access_key_secret": session.access_key_secret,
            "security_token": session.security_token,
        }

    def _credentials_in_environment(self) -> dict[str, str]:
        """Every function of 3.0 has them there, unless it is deployed without.

        https://www.alibabacloud.com/help/en/functioncompute/environment-variables (2026-09)
        """
        if self._function.service or self._function.no_credentials_in in {"Env", "All"}:
            return {}
        session = self._credentials()
        return {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": session.access_key_id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": session.access_key_secret,
            "ALIBABA_CLOUD_SECURITY_TOKEN": session.security_token,
        }
