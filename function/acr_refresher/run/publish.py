"""The outcomes of a run, written as records once all clusters are served.

Writing fails nothing and loses nothing in silence: what could not be written is named on stdout.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from itertools import islice

from acr_refresher.core.outcome import Failure, UnsentOutcomes
from acr_refresher.core.outcome_records import (
    FinishedRun,
    Record,
    batches,
    count_records,
    outcome_records,
    record_summaries,
)
from acr_refresher.errors import PortError, log_bug
from acr_refresher.log import mask_text
from acr_refresher.log_events import log_unsent
from acr_refresher.run.ports import OutcomeLog
from acr_refresher.run.retry import retrying
from acr_refresher.settings import SETTINGS

LATE = Failure("unreachable", "not written in time", service="sls", code="Deadline")

FREE_TEXT = ("message", "run_reason", "warnings")
"""Fields in which somebody's words stand; the others hold names, times and numbers."""


async def publish(
    finished: FinishedRun, outcome_log: OutcomeLog, left: timedelta
) -> UnsentOutcomes | None:
    """What could not be written, or not in time. `left` is of the run's time.

    What it takes to name what was not written comes on top: some microseconds for each record.
    """
    within = min(max(left, SETTINGS.publish_time_min), SETTINGS.publish_time_max)
    written, failure = await _write(finished, outcome_log, within)
    if failure is None:
        return None
    report = finished.report
    try:
        log_unsent(islice(record_summaries(report), written, None), failure)
    except Exception as error:  # noqa: BLE001  # a bug here must not spoil a run that is over
        log_unsent([f"run {report.run}"], log_bug(error))
    return UnsentOutcomes(count_records(report) - written, failure)


async def _write(
    finished: FinishedRun, outcome_log: OutcomeLog, within: timedelta
) -> tuple[int, Failure | None]:
    """How many records were written, the first ones, and what kept the others from it.

    Each batch is made when the one before is written, so that making them is within the time too.
    What fails one batch would fail the next: no more are tried.
    """
    clock = asyncio.get_running_loop().time
    until, written = clock() + within.total_seconds(), 0
    try:
        for batch in batches(map(_masked, outcome_records(finished))):
            writing = retrying(partial(outcome_log.write, batch, finished.at))
            await asyncio.wait_for(writing, until - clock())
            written += len(batch)
    except PortError as error:
        return written, error.failure()
    except asyncio.TimeoutError:
        return written, LATE
    except Exception as error:  # noqa: BLE001  # a bug here must not spoil a run that is over
        return written, log_bug(error)
    return written, None


def _masked(record: Record) -> Record:
    """The last line of defence, as in the log lines."""
    spoken = {name: mask_text(record[name]) for name in FREE_TEXT if name in record}
    return {**record, **spoken} if spoken else record
