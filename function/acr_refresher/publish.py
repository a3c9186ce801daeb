"""The outcomes of a run, written as records once all clusters are served.

Writing fails nothing and loses nothing in silence: what could not be written is named on stdout.
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import datetime, timedelta

from acr_refresher.bugs import bug
from acr_refresher.core.outcome import Failure, Unsent
from acr_refresher.core.records import Finished, Record, batches, records
from acr_refresher.errors import PortError
from acr_refresher.lines import unsent_lines
from acr_refresher.ports import OutcomeLog
from acr_refresher.redaction import mask_text
from acr_refresher.retry import retrying

LEAST = timedelta(seconds=3)
"""Allowed even where the clusters took all of the run's time, of what is kept back to report."""
MOST = timedelta(seconds=30)
"""A log that does not answer must not keep the function running."""

FREE_TEXT = ("message", "run_reason", "warnings")
"""Fields in which somebody's words stand; the others hold names, times and numbers."""


async def publish(finished: Finished, outcome_log: OutcomeLog, left: timedelta) -> Unsent | None:
    """What could not be written, or not in time. `left` is of the run's time."""
    try:
        waiting = deque(batches(_masked(record) for record in records(finished)))
    except Exception as error:  # noqa: BLE001  # a bug here must not spoil a run that is over
        failure = bug(error)
        unsent_lines([{"kind": "run", "run": finished.report.run}], failure)
        return Unsent(1 + len(finished.report.clusters), failure)
    within = min(max(left, LEAST), MOST)
    refused = await _write(waiting, finished.at, outcome_log, within)
    unsent = [record for batch in waiting for record in batch]
    if refused is None or not unsent:
        return None
    unsent_lines(unsent, refused)
    return Unsent(len(unsent), refused)


async def _write(
    waiting: deque[tuple[Record, ...]], at: datetime, outcome_log: OutcomeLog, within: timedelta
) -> Failure | None:
    """Take off what is written. What fails one batch would fail the next: no more are tried."""
    try:
        await asyncio.wait_for(_write_all(waiting, at, outcome_log), within.total_seconds())
    except PortError as error:
        return error.failure()
    except asyncio.TimeoutError:
        return Failure("unreachable", "not written in time", service="sls", code="Deadline")
    except Exception as error:  # noqa: BLE001  # a bug here must not spoil a run that is over
        return bug(error)
    return None


async def _write_all(
    waiting: deque[tuple[Record, ...]], at: datetime, outcome_log: OutcomeLog
) -> None:
    while waiting:
        await retrying(lambda: outcome_log.write(waiting[0], at))
        waiting.popleft()


def _masked(record: Record) -> Record:
    """The last line of defence, as in the log lines."""
    spoken = {name: mask_text(str(record[name])) for name in FREE_TEXT if name in record}
    return {**record, **spoken}
