"""The outcomes of a run, written as records once all clusters are served.

Writing fails nothing and loses nothing in silence: what could not be written is named on stdout.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from itertools import islice

from acr_refresher.bugs import bug
from acr_refresher.core.outcome import Failure, Unsent
from acr_refresher.core.records import Finished, Record, batches, count, names, records
from acr_refresher.errors import PortError
from acr_refresher.lines import unsent_lines
from acr_refresher.ports import OutcomeLog
from acr_refresher.redaction import mask_text
from acr_refresher.retry import retrying

LEAST = timedelta(seconds=3)
"""Allowed even where the clusters took all of the run's time, of what is kept back to report."""
MOST = timedelta(seconds=30)
"""A log that does not answer must not keep the function running."""

LATE = Failure("unreachable", "not written in time", service="sls", code="Deadline")

FREE_TEXT = ("message", "run_reason", "warnings")
"""Fields in which somebody's words stand; the others hold names, times and numbers."""


async def publish(finished: Finished, outcome_log: OutcomeLog, left: timedelta) -> Unsent | None:
    """What could not be written, or not in time. `left` is of the run's time.

    What it takes to name what was not written comes on top: some microseconds for each record.
    """
    written, failure = await _write(finished, outcome_log, min(max(left, LEAST), MOST))
    if failure is None:
        return None
    report = finished.report
    try:
        unsent_lines(islice(names(report), written, None), failure)
    except Exception as error:  # noqa: BLE001  # a bug here must not spoil a run that is over
        unsent_lines([f"run {report.run}"], bug(error))
    return Unsent(count(report) - written, failure)


async def _write(
    finished: Finished, outcome_log: OutcomeLog, within: timedelta
) -> tuple[int, Failure | None]:
    """How many records were written, the first ones, and what kept the others from it.

    Each batch is made when the one before is written, so that making them is within the time too.
    What fails one batch would fail the next: no more are tried.
    """
    clock = asyncio.get_running_loop().time
    until, written = clock() + within.total_seconds(), 0
    try:
        for batch in batches(map(_masked, records(finished))):
            writing = retrying(partial(outcome_log.write, batch, finished.at))
            await asyncio.wait_for(writing, until - clock())
            written += len(batch)
    except PortError as error:
        return written, error.failure()
    except asyncio.TimeoutError:
        return written, LATE
    except Exception as error:  # noqa: BLE001  # a bug here must not spoil a run that is over
        return written, bug(error)
    return written, None


def _masked(record: Record) -> Record:
    """The last line of defence, as in the log lines."""
    spoken = {name: mask_text(record[name]) for name in FREE_TEXT if name in record}
    return {**record, **spoken} if spoken else record
