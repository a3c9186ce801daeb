"""Reasons and spans of time, in words for people."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import NamedTuple, TypeVar

import typer

from acr_refresher.cli.exit import FAILED
from acr_refresher.cli.options import OutputFormat
from acr_refresher.cli.sanitize import as_json, sanitize
from acr_refresher.core.outcome import ClusterOutcome, Failure, SecretOutcome, ShardStart
from acr_refresher.core.reasons import FAILING, Reason, Result
from acr_refresher.core.report import Report, clusters_delegated, report_to_json


def format_span(time: timedelta) -> str:
    """`3d 04h`, `1h 05m`, `12m 30s`; with a minus for what is past."""
    sign = "-" if time < timedelta() else ""
    minutes, seconds = divmod(round(abs(time).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours:02}h"
    return f"{sign}{hours}h {minutes:02}m" if hours else f"{sign}{minutes}m {seconds:02}s"


def pluralize(number: int, one: str, several: str) -> str:
    """`1 cluster`, `2 clusters`."""
    return f"{number} {one if number == 1 else several}"


T = TypeVar("T")


COLOURS = {"+": "green", "~": "yellow", "-": "red", "!": "bright_red", "=": None}


class Change(NamedTuple):
    """What becomes of a secret: a sign and a verb."""

    sign: str
    verb: str


PLANNED: Mapping[Reason, Change] = {
    Reason.SECRET_MISSING: Change("+", "create"),
    Reason.NAMESPACE_DESELECTED: Change("-", "remove"),
    Reason.FRESH: Change("~", "bind"),
}
"""By the reason of a planned outcome; any other reason is one to renew."""
RENEW = Change("~", "renew")
UNCHANGED = Change("=", "unchanged")
DONE: Mapping[Result, Change] = {
    Result.CREATED: Change("+", "created"),
    Result.RENEWED: Change("~", "renewed"),
    Result.BOUND: Change("~", "bound"),
    Result.REMOVED: Change("-", "removed"),
    Result.UNCHANGED: UNCHANGED,
}


def show_report(report: Report, output: OutputFormat) -> None:
    """Write the report to standard output, and end the command by what it came to."""
    if output is OutputFormat.JSON:
        typer.echo(as_json(report_to_json(report)))
    else:
        for line in report_lines(report, datetime.now(timezone.utc)):
            typer.echo(line)
    if not report.ok:
        raise typer.Exit(FAILED)


def change_of(outcome: SecretOutcome) -> Change:
    """What becomes, or became, of a secret."""
    if outcome.result is Result.PLANNED:
        return PLANNED.get(outcome.reason, RENEW)
    sign = "!" if outcome.result in FAILING else "="
    return DONE.get(outcome.result, Change(sign, outcome.result.value))


def report_lines(report: Report, now: datetime) -> Iterator[str]:
    """The report for people: each cluster, and a summary."""
    report = sanitize(report)
    for cluster in sorted(report.clusters, key=lambda one: one.cluster):
        yield typer.style(cluster.cluster, bold=True)
        yield from (f"  {line}" for line in _cluster_lines(cluster, now))
        yield ""
    yield from _shard_starts(report.delegated)
    yield from _warnings(report)
    if report.clock_skew_seconds is not None:
        yield f"The clock here is {abs(report.clock_skew_seconds)} s off the cloud's."
    if unsent := report.unsent:
        outcomes = pluralize(unsent.records, "outcome", "outcomes")
        words = f"{outcomes} could not be written to the logstore: {_failure(unsent.failure)}"
        yield typer.style(words, fg="yellow")
    if not (report.delegated or any(map(_has_content, report.clusters))):
        yield "Nothing was concerned: no selected namespace has what was asked for."
    yield _summary(report)


def _has_content(cluster: ClusterOutcome) -> bool:
    return bool(cluster.secrets or cluster.failure or cluster.skipped or cluster.deferred)


def _cluster_lines(cluster: ClusterOutcome, now: datetime) -> Iterator[str]:
    if cluster.failure:
        yield _with_sign("!", _failure(cluster.failure))
    if cluster.skipped:
        yield _with_sign("=", f"skipped: {cluster.skipped}")
    if cluster.deferred:
        yield _with_sign(
            "=" if cluster.deferred.fresh else "!", f"deferred: {cluster.deferred.why}"
        )
    told = [one for one in cluster.secrets if change_of(one) != UNCHANGED]
    width = max((len(_namespace_and_name(one)) for one in told), default=0)
    for outcome in sorted(told, key=lambda one: (one.namespace, one.secret)):
        change = change_of(outcome)
        words = f"{_namespace_and_name(outcome):{width}}  {change.verb:9}  {_reason(outcome, now)}"
        yield _with_sign(change.sign, words)
        yield from (f"      {line}" for line in _details(outcome))
    if rest := len(cluster.secrets) - len(told):
        yield _with_sign("=", f"{rest} unchanged")


def _shard_starts(shards: Sequence[ShardStart]) -> Iterator[str]:
    """By which tasks the rest is served: their invocations, and their lines in the log, say how."""
    width = max((len(one.task_id) for one in shards), default=0)
    for one in shards:
        known = "started" if one.started else "already started"
        state = _failure(one.failure) if one.failure else known
        clusters = pluralize(one.clusters, "cluster", "clusters")
        yield _with_sign("!" if one.failure else "=", f"{one.task_id:{width}}  {clusters}  {state}")
    if shards:
        yield ""


def _with_sign(sign: str, words: str) -> str:
    return typer.style(f"{sign} {words}", fg=COLOURS[sign])


def _namespace_and_name(outcome: SecretOutcome) -> str:
    return f"{outcome.namespace}/{outcome.secret}"


def _reason(outcome: SecretOutcome, now: datetime) -> str:
    reason = outcome.reason.words
    if outcome.expires_at is None or outcome.expires_at <= now:
        return reason
    return f"{reason}; {format_span(outcome.expires_at - now)} left"


def _details(outcome: SecretOutcome) -> Iterator[str]:
    if outcome.bound:
        verb = "binds" if outcome.result is Result.PLANNED else "bound"
        yield f"{verb} {', '.join(outcome.bound)}"
    if outcome.waiting_for:
        yield f"waits for {', '.join(outcome.waiting_for)}"
    yield from (_failure(failure) for failure in outcome.failures)
    if outcome.reason.remedy:
        yield outcome.reason.remedy


def _warnings(report: Report) -> Iterator[str]:
    """Each once: that of a registry is said of every secret that covers it."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for cluster in report.clusters:
        for warning in cluster.warnings:
            found[warning].append(cluster.cluster)
        for outcome in cluster.secrets:
            for warning in outcome.warnings:
                found[warning].append(f"{cluster.cluster}/{_namespace_and_name(outcome)}")
    for warning, places in found.items():
        things = "secrets" if "/" in places[0] else "clusters"
        where = places[0] if len(places) == 1 else f"{len(places)} {things}"
        yield typer.style(f"warning, {where}: {warning}", fg="yellow")
    if found:
        yield ""


def _failure(failure: Failure) -> str:
    subject = f"{failure.subject}: " if failure.subject else ""
    request = f" [request {failure.request_id}]" if failure.request_id else ""
    return f"{failure.meaning}: {subject}{failure.message}{request}"


def _summary(report: Report) -> str:
    everything = [one for cluster in report.clusters for one in cluster.secrets]
    verbs = Counter(change_of(one).verb for one in everything)
    usual = ("create", "renew", "bind", "remove") if report.request.dry_run else _done()
    parts = [
        f"{verbs.pop(verb, 0)} {'to ' if report.request.dry_run else ''}{verb}" for verb in usual
    ]
    parts += [f"{verbs.pop(UNCHANGED.verb, 0)} {UNCHANGED.verb}", *_others(verbs)]
    if failed := sum(cluster.failure is not None for cluster in report.clusters):
        parts.append(f"{failed} of {len(report.clusters)} clusters failed")
    if others := clusters_delegated(report):
        parts.append(f"{pluralize(others, 'cluster', 'clusters')} handed on")
    return typer.style("Plan: " if report.request.dry_run else "Done: ", bold=True) + (
        f"{', '.join(parts)}."
    )


def _done() -> Iterable[str]:
    return [change.verb for change in DONE.values() if change != UNCHANGED]


def _others(verbs: Counter[str]) -> Iterator[str]:
    return (f"{number} {verb}" for verb, number in sorted(verbs.items()))
