"""What runs in an instance: takes orders from stdin, one JSON object a line, and carries them out.

Started by file name in the code root, by the runtime's Python, with nothing else of this project in
reach; its argument is the file descriptor for the answers. Whatever the function prints goes to
stdout and stderr; after each order a mark follows, so that the collector of lines has all of them.
"""

import base64
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

END_MARK = b"\x00end of order\n"


def main(answers_descriptor: int) -> None:
    orders = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # the function finds nothing there
    sys.path[0] = os.getcwd()  # noqa: PTH109  # the code root, where this file's folder stood
    with os.fdopen(answers_descriptor, "wb") as answers:
        for line in orders:
            answer = _carry_out(json.loads(line))
            sys.stdout.flush()
            sys.stderr.flush()
            os.write(1, END_MARK)
            answers.write(json.dumps(answer).encode() + b"\n")
            answers.flush()


def _carry_out(order: dict[str, Any]) -> dict[str, Any]:
    """What the entry point returned, as bytes in base64, or the error that it raised."""
    context = json.loads(json.dumps(order["context"]), object_hook=lambda d: SimpleNamespace(**d))
    event = order["event"]
    arguments = (context,) if event is None else (base64.b64decode(event), context)
    try:
        returned = _entry_point(order["entry_point"])(*arguments)
        return {"returned": base64.b64encode(_as_bytes(returned)).decode()}
    except Exception as error:  # noqa: BLE001  # returned to the caller, as the platform does
        return {"raised": _told(error)}


def _entry_point(name: str) -> Callable[..., object]:
    module, _, function = name.rpartition(".")
    found: Callable[..., object] = getattr(importlib.import_module(module), function)
    return found


def _as_bytes(returned: object) -> bytes:
    if isinstance(returned, bytes):
        return returned
    return (returned if isinstance(returned, str) else json.dumps(returned)).encode()


def _told(error: Exception) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)[1:]  # without our own
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": [
            [f'File "{frame.filename}"', f"line {frame.lineno}", f"in {frame.name}", frame.line]
            for frame in frames
        ],
    }


if __name__ == "__main__":
    main(int(sys.argv[1]))
