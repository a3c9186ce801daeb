"""A run's report as infrastructure tools tell a plan: a sign, a place, a verb and a reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import NamedTuple

import typer

from acr_refresher.cli.options import Form
from acr_refresher.cli.printable import as_json, printable
from acr_refresher.cli.refusal import FAILED
from acr_refresher.cli.words import REASONS, counted, span
from acr_refresher.core.outcome import (
    ClusterOutcome,
    Failure,
    HandedOn,
    Reason,
    Result,
    SecretOutcome,
)
from acr_refresher.core.report import FAILING, REMEDIES, Report, clusters_handed_on, to_json

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


def show(report: Report, output: Form) -> None:
    """Write the report to standard output, and end the command by what it came to."""
    if output is Form.JSON:
        typer.echo(as_json(to_json(report)))
    else:
        for line in lines(report, datetime.now(timezone.utc)):
            typer.echo(line)
    if not report.ok:
        raise typer.Exit(FAILED)


def change_of(outcome: SecretOutcome) -> Change:
    """What becomes, or became, of a secret."""
    if outcome.result is Result.PLANNED:
        return PLANNED.get(outcome.reason, RENEW)
    sign = "!" if outcome.result in FAILING else "="
    return DONE.get(outcome.result, Change(sign, outcome.result.value))


def lines(report: Report, now: datetime) -> Iterator[str]:
    """The report for people: each cluster, and a summary."""
    report = printable(report)
    for cluster in sorted(report.clusters, key=lambda one: one.cluster):
        yield typer.style(cluster.cluster, bold=True)
        yield from (f"  {line}" for line in _cluster_lines(cluster, now))
        yield ""
    yield from _handed_on(report.handed_on)
    yield from _warnings(report)
    if report.clock_skew_seconds is not None:
        yield f"The clock here is {abs(report.clock_skew_seconds)} s off the cloud's."
    if unsent := report.unsent:
        outcomes = counted(unsent.records, "outcome", "outcomes")
        words = f"{outcomes} could not be written to the logstore: {_failure(unsent.failure)}"
        yield typer.style(words, fg="yellow")
    if not (report.handed_on or any(map(_concerned, report.clusters))):
        yield "Nothing was concerned: no selected namespace has what was asked for."
    yield _summary(report)


def _concerned(cluster: ClusterOutcome) -> bool:
    return bool(cluster.secrets or cluster.failure or cluster.skipped or cluster.deferred)


def _cluster_lines(cluster: ClusterOutcome, now: datetime) -> Iterator[str]:
    if cluster.failure:
        yield _signed("!", _failure(cluster.failure))
    if cluster.skipped:
        yield _signed("=", f"skipped: {cluster.skipped}")
    if cluster.deferred:
        yield _signed("=" if cluster.deferred.fresh else "!", f"deferred: {cluster.deferred.why}")
    told = [one for one in cluster.secrets if change_of(one) != UNCHANGED]
    width = max((len(_place(one)) for one in told), default=0)
    for outcome in sorted(told, key=lambda one: (one.namespace, one.secret)):
        change = change_of(outcome)
        words = f"{_place(outcome):{width}}  {change.verb:9}  {_why(outcome, now)}"
        yield _signed(change.sign, words)
        yield from (f"      {line}" for line in _details(outcome))
    if rest := len(cluster.secrets) - len(told):
        yield _signed("=", f"{rest} unchanged")


def _handed_on(shards: Sequence[HandedOn]) -> Iterator[str]:
    """By which tasks the rest is served: their invocations, and their lines in the log, say how."""
    width = max((len(one.task_id) for one in shards), default=0)
    for one in shards:
        known = "started" if one.started else "already started"
        state = _failure(one.failure) if one.failure else known
        clusters = counted(one.clusters, "cluster", "clusters")
        yield _signed("!" if one.failure else "=", f"{one.task_id:{width}}  {clusters}  {state}")
    if shards:
        yield ""


def _signed(sign: str, words: str) -> str:
    return typer.style(f"{sign} {words}", fg=COLOURS[sign])


def _place(outcome: SecretOutcome) -> str:
    return f"{outcome.namespace}/{outcome.secret}"


def _why(outcome: SecretOutcome, now: datetime) -> str:
    reason = REASONS[outcome.reason]
    if outcome.expires_at is None or outcome.expires_at <= now:
        return reason
    return f"{reason}; {span(outcome.expires_at - now)} left"


def _details(outcome: SecretOutcome) -> Iterator[str]:
    if outcome.bound:
        verb = "binds" if outcome.result is Result.PLANNED else "bound"
        yield f"{verb} {', '.join(outcome.bound)}"
    if outcome.waiting_for:
        yield f"waits for {', '.join(outcome.waiting_for)}"
    yield from (_failure(failure) for failure in outcome.failures)
    if remedy := REMEDIES.get(outcome.reason):
        yield remedy


def _warnings(report: Report) -> Iterator[str]:
    """Each once: that of a registry is said of every secret that covers it."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for cluster in report.clusters:
        for warning in cluster.warnings:
            found[warning].append(cluster.cluster)
        for outcome in cluster.secrets:
            for warning in outcome.warnings:
                found[warning].append(f"{cluster.cluster}/{_place(outcome)}")
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
    if others := clusters_handed_on(report):
        parts.append(f"{counted(others, 'cluster', 'clusters')} handed on")
    return typer.style("Plan: " if report.request.dry_run else "Done: ", bold=True) + (
        f"{', '.join(parts)}."
    )


def _done() -> Iterable[str]:
    return [change.verb for change in DONE.values() if change != UNCHANGED]


def _others(verbs: Counter[str]) -> Iterator[str]:
    return (f"{number} {verb}" for verb, number in sorted(verbs.items()))
