"""What has been written to logstores."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping

Record = Mapping[str, str | int]


class Logs:
    """Records by project and logstore, which any thread may add and read."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], list[Record]] = defaultdict(list)
        self._lock = threading.Lock()

    def add(self, project: str, logstore: str, records: Iterable[Record]) -> None:
        with self._lock:
            self._records[project, logstore].extend(records)

    def records(self, project: str, logstore: str) -> list[Record]:
        """In the order written: each field as text, and the log's time as the number `__time__`."""
        with self._lock:
            return list(self._records.get((project, logstore), ()))
