"""The report of a run made elsewhere, read from the JSON that the function returned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from acr_refresher.core.outcome import (
    ClusterOutcome,
    Deferral,
    Failure,
    SecretOutcome,
    ShardStart,
    UnsentOutcomes,
)
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.report import Report
from acr_refresher.core.request import Request
from acr_refresher.errors import Invalid

Json = Mapping[str, Any]


def report_from_json(answer: bytes) -> tuple[dict[str, Any], Report]:
    """The report as it came, and as `core.report` has it. Raises Invalid for anything else."""
    try:
        document = json.loads(answer)
        return document, _report(document)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise Invalid(
            "what the function returned is not a report as this version knows it: is the function "
            "acr-refresher, and of the same version?",
            service="fc",
        ) from error


def _report(told: Json) -> Report:
    skew = told["clockSkewSeconds"]
    return Report(
        run=told["run"],
        request=Request(
            told["trigger"], force=told["force"], dry_run=told["dryRun"], reason=told["reason"]
        ),
        started_at=_time(told["startedAt"]),
        clusters=tuple(_cluster(one) for one in told["clusters"]),
        clock_skew=None if skew is None else timedelta(seconds=skew),
        unsent=_unsent(told["outcomesUnsent"], told["outcomesFailure"]),
        delegated=tuple(_shard_start(one) for one in told["delegated"]),
        throttled=dict(told["throttled"]),
    )


def _unsent(records: int, failure: Json | None) -> UnsentOutcomes | None:
    return UnsentOutcomes(records, _failure(failure)) if failure else None


def _cluster(told: Json) -> ClusterOutcome:
    return ClusterOutcome(
        cluster=told["cluster"],
        secrets=tuple(_secret(one) for one in told["secrets"]),
        failure=_failure(told["failure"]) if told["failure"] else None,
        skipped=told["skipped"],
        deferred=_deferral(told["deferred"]) if told["deferred"] else None,
        warnings=tuple(told["warnings"]),
        requests=told["requests"],
        duration=timedelta(milliseconds=told["durationMs"]),
    )


def _deferral(told: Json) -> Deferral:
    ends = told["earliestExpiry"]
    return Deferral(told["why"], told["fresh"], _time(ends) if ends else None)


def _shard_start(told: Json) -> ShardStart:
    return ShardStart(
        task_id=told["taskId"],
        clusters=told["clusters"],
        started=told["started"],
        failure=_failure(told["failure"]) if told["failure"] else None,
    )


def _secret(told: Json) -> SecretOutcome:
    return SecretOutcome(
        namespace=told["namespace"],
        secret=told["secret"],
        result=Result(told["result"]),
        reason=Reason(told["reason"]),
        service_accounts=tuple(told["serviceAccounts"]),
        bound=tuple(told["bound"]),
        waiting_for=tuple(told["waitingFor"]),
        hosts=tuple(told["registryHosts"]),
        expires_at=_time(told["expiresAt"]) if told["expiresAt"] else None,
        failures=tuple(_failure(one) for one in told["failures"]),
        warnings=tuple(told["warnings"]),
    )


def _failure(told: Json) -> Failure:
    fields = dict(told)
    fields["request_id"] = fields.pop("requestId")
    return Failure(**fields)


def _time(text: str) -> datetime:
    """From RFC 3339 in UTC; Python 3.10 does not know the letter for it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
