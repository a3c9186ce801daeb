"""An instance of the function that uses only its code root.

Run by the runtime's interpreter with the root as argument; reads {"context", "events"} from stdin
and prints, as its last line, the results of `initialize` and of each event.
"""

import json
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


def main() -> None:
    root = sys.argv[1]
    sys.path[:0] = [root, f"{root}/python"]  # as /code and PYTHONPATH in the platform
    import handler  # noqa: PLC0415  # found only now

    given = json.load(sys.stdin, object_hook=lambda pairs: SimpleNamespace(**pairs))
    results = [_result(handler.initialize, given.context)]
    results += [_result(handler.handle, event.encode(), given.context) for event in given.events]
    handler.pre_stop(given.context)
    print(json.dumps(results))  # noqa: T201  # what the test reads


def _result(entry_point: Callable[..., Any], *arguments: object) -> object:
    try:
        return entry_point(*arguments)
    except Exception as error:  # noqa: BLE001  # reported to the test
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
