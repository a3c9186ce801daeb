"""Writes the outcomes of a run as records, after all clusters were served.

A failed write fails no run: the records that are missing are named in the function's log.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from itertools import islice

from acr_refresher.core.outcome import Failure
from acr_refresher.core.outcome_records import (
    FinishedRun,
    Record,
    batches,
    count_records,
    outcome_records,
    record_summaries,
)
from acr_refresher.core.report import UnsentOutcomes
from acr_refresher.errors import PortError, log_bug
from acr_refresher.log import safe_text
from acr_refresher.log_events import log_unsent
from acr_refresher.run.ports import OutcomeLog
from acr_refresher.run.retry import retrying
from acr_refresher.settings import SETTINGS

LATE = Failure(
    "unreachable",
    "Simple Log Service did not take all records in time: can the function's VPC reach `endpoint`?",
    service="sls",
    code="Deadline",
)

FREE_TEXT = ("message", "run_reason", "trigger", "warnings")
"""Fields with text of users and services. The others are names, times and numbers of ours."""


async def publish(
    finished: FinishedRun, outcome_log: OutcomeLog, left: timedelta
) -> UnsentOutcomes | None:
    """Write all records. Return those that could not be written, if any.

    `left` is what is left of the run's time. Logging the names of missing records takes some
    microseconds per record in addition.
    """
    within = min(max(left, SETTINGS.publish_time_min), SETTINGS.publish_time_max)
    written, failure = await _write(finished, outcome_log, within)
    if failure is None:
        return None
    report = finished.report
    try:
        log_unsent(islice(record_summaries(report), written, None), failure)
    except Exception as error:  # noqa: BLE001  # a bug here must not fail a run that is over
        log_unsent([f"run {report.run}"], log_bug(error))
    return UnsentOutcomes(count_records(report) - written, failure)


async def _write(
    finished: FinishedRun, outcome_log: OutcomeLog, within: timedelta
) -> tuple[int, Failure | None]:
    """Write the records in order. Return how many were written, and why no more.

    Each batch is made after the one before is written, so making them is within the time too.
    No batch is tried after one that failed.
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
    except Exception as error:  # noqa: BLE001  # a bug here must not fail a run that is over
        return written, log_bug(error)
    return written, None


def _masked(record: Record) -> Record:
    """Return the record with secrets masked in the texts of others, as in log lines."""
    masked = {name: safe_text(record[name]) for name in FREE_TEXT if name in record}
    return {**record, **masked} if masked else record
