"""An instance: a process that holds a function's code and serves one invocation at a time."""

import base64
import json
import os
import select
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from localcloud.fc.description import EntryPoint, Function
from localcloud.fc.runtime import END_MARK

HANDLED, UNHANDLED = "HandledInvocationError", "UnhandledInvocationError"
_LOOK_EVERY_MS = 50  # how often memory and time are looked at
_LAST_LINES_SECONDS = 5
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


@dataclass(frozen=True)
class Result:
    """What an invocation came to; `error_type` is empty where the function did not fail."""

    body: bytes
    error_type: str = ""

    @property
    def failed(self) -> bool:
        return self.error_type != ""


class Instance:
    """A process of its own. `keep_line` gets its ID, and each line written to stdout or stderr."""

    def __init__(
        self,
        function: Function,
        secret_environment: Mapping[str, str],
        keep_line: Callable[[str, str], None],
    ) -> None:
        self.id = f"c-{uuid.uuid4().hex[:16]}"
        self._memory = function.memory
        self._answers, for_answers = os.pipe()
        self._process = subprocess.Popen(  # noqa: S603  # the function's own code
            [sys.executable, str(Path(__file__).with_name("runtime.py")), str(for_answers)],
            cwd=function.code,
            env={**_environment(function, self.id), **secret_environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(for_answers,),
            start_new_session=True,  # the terminal's signals are not for it
        )
        os.close(for_answers)
        self._order_ended = threading.Event()
        self._reader = threading.Thread(target=self._read_lines, args=(keep_line,))
        self._reader.start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def run(
        self, entry_point: EntryPoint, context: Mapping[str, Any], event: bytes | None = None
    ) -> Result:
        """What the entry point came to. Whatever outlasts its time or the memory is killed."""
        encoded = None if event is None else base64.b64encode(event).decode()
        order = {"entry_point": entry_point.name, "context": context, "event": encoded}
        self._order_ended.clear()
        deadline = time.monotonic() + entry_point.timeout.total_seconds()
        assert self._process.stdin is not None  # noqa: S101  # it was asked for
        with suppress(BrokenPipeError):  # that it is gone shows in its answer
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        answer = self._answer(deadline)
        if isinstance(answer, str):
            self.kill()
            words = answer.format(seconds=f"{entry_point.timeout / timedelta(seconds=1):g}")
            return Result(json.dumps({"errorMessage": words}).encode(), UNHANDLED)
        self._order_ended.wait(_LAST_LINES_SECONDS)
        if "raised" in answer:
            return Result(json.dumps(answer["raised"]).encode(), HANDLED)
        return Result(base64.b64decode(answer["returned"]))

    def kill(self) -> None:
        """End the process at once, whatever it does; it is gone afterwards."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the process, and give back what it took."""
        self.kill()
        self._reader.join()
        with suppress(BrokenPipeError):  # what was written and never read
            self._process.__exit__(None, None, None)
        os.close(self._answers)

    def _answer(self, deadline: float) -> dict[str, Any] | str:
        """The answer, or in words why there is none."""
        received = bytearray()
        answers = select.poll()  # unlike select(), it takes high file descriptors
        answers.register(self._answers, select.POLLIN)
        while not received.endswith(b"\n"):
            if answers.poll(_LOOK_EVERY_MS):
                part = os.read(self._answers, 1 << 20)
                if not part:
                    return "Process exited unexpectedly before completing request"
                received += part
            elif time.monotonic() > deadline:
                return "Function timed out after {seconds} seconds"
            elif (used := _resident_mb(self._process.pid)) > self._memory:
                return f"Process used {used:.0f} MB of the {self._memory} MB that it may use"
        answer: dict[str, Any] = json.loads(received)
        return answer

    def _read_lines(self, keep_line: Callable[[str, str], None]) -> None:
        assert self._process.stdout is not None  # noqa: S101  # it was asked for
        for line in self._process.stdout:
            written = line.removesuffix(END_MARK)
            if written:
                keep_line(self.id, written.decode(errors="replace").removesuffix("\n"))
            if written != line:
                self._order_ended.set()


def _environment(function: Function, instance_id: str) -> dict[str, str]:
    """The variables that the platform sets, and those of the function; nothing else of ours."""
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "FC_ACCOUNT_ID": function.account,
        "FC_REGION": function.region,
        "FC_FUNCTION_NAME": function.name,
        "FC_FUNCTION_HANDLER": function.handler.name,
        "FC_FUNCTION_MEMORY_SIZE": str(function.memory),
        "FC_FUNC_CODE_PATH": str(function.code),
        "FC_INSTANCE_ID": instance_id,
        **function.environment,
    }


def _resident_mb(pid: int) -> float:
    """What the process holds in memory now; 0 once it has ended."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6
