"""What people read: safe text, spans of time, columns, and the report of a run."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple, TypeVar, cast

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from acr_refresher.core.outcome import ClusterOutcome, Failure, SecretOutcome
from acr_refresher.core.reasons import FAILING, Reason, Result
from acr_refresher.core.report import Report, ShardStart, clusters_delegated

T = TypeVar("T")

# ---- text ----------------------------------------------------------------------------------------


def sanitize(value: T) -> T:
    """The same value, with every text in it on one line and unprintable characters escaped.

    Texts from clusters, the cloud and files may move the cursor, rename the window or reverse the
    line. `value` is a text, or frozen data of any depth that holds texts.
    """
    return cast("T", _sanitized(value))


def as_json(document: Any) -> str:
    """The document as indented JSON, with every character that is not printable escaped."""
    lines = json.dumps(document, indent=2, ensure_ascii=False).split("\n")
    return "\n".join(line if line.isprintable() else _escaped(line) for line in lines)


def _sanitized(value: Any) -> Any:
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return value if value.isprintable() else _escaped(value)
    if isinstance(value, tuple):
        return tuple(map(_sanitized, value))
    if isinstance(value, Mapping):
        return {_sanitized(key): _sanitized(each) for key, each in value.items()}
    if is_dataclass(value):
        changes = {field.name: _sanitized(getattr(value, field.name)) for field in fields(value)}
        return replace(cast("Any", value), **changes)
    return value


def _escaped(text: str) -> str:
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


def format_span(time: timedelta) -> str:
    """The span as `3d 04h`, `1h 05m` or `12m 30s`, with a minus if it is negative."""
    sign = "-" if time < timedelta() else ""
    minutes, seconds = divmod(round(abs(time).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours:02}h"
    return f"{sign}{hours}h {minutes:02}m" if hours else f"{sign}{minutes}m {seconds:02}s"


def pluralize(number: int, singular: str, plural: str) -> str:
    """The number with its noun: `1 cluster`, `2 clusters`."""
    return f"{number} {singular if number == 1 else plural}"


def format_failure(failure: Failure) -> str:
    """What went wrong, with its subject and the request ID, if known."""
    subject = f"{failure.subject}: " if failure.subject else ""
    request = f" [request {failure.request_id}]" if failure.request_id else ""
    return f"{failure.meaning}: {subject}{failure.message}{request}"


# ---- columns -------------------------------------------------------------------------------------

UNLIMITED = 100_000
"""Columns of an output that is not a terminal: its lines are never broken."""


def show(*parts: RenderableType) -> None:
    """Print to standard output. Only tables on a terminal break lines, each in its column."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = UNLIMITED
    for part in parts:
        with console.capture() as captured:
            console.print(part, soft_wrap=isinstance(part, Text))
        lines = captured.get().split("\n")
        console.out("\n".join(map(str.rstrip, lines)), end="")  # rich fills the last column


def columns(rows: Iterable[Sequence[RenderableType]]) -> Table:
    """The rows in columns. A cell that is too long continues in its column."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        while len(grid.columns) < len(row):
            grid.add_column(overflow="fold")
        grid.add_row(*row)
    return grid


class Unbroken(Text):
    """Text that a table never breaks."""

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """The least width is that of the longest line."""
        longest = super().__rich_measure__(console, options).maximum
        return Measurement(longest, longest)


@dataclass(frozen=True, slots=True)
class Fitting:
    """The wide table if it has room on the console, else the narrow one."""

    wide: Table
    narrow: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table that rich draws, by the least width of the wide one."""
        unlimited = options.update(max_width=UNLIMITED)
        least = Measurement.get(console, unlimited, self.wide).minimum
        yield self.wide if least <= options.max_width else self.narrow


# ---- the report of a run -------------------------------------------------------------------------

COLOURS = {"+": "green", "~": "yellow", "-": "red", "!": "bright_red", "=": ""}


class Change(NamedTuple):
    """What a run does with a secret: a sign and a verb."""

    sign: str
    verb: str


PLANNED: Mapping[Reason, Change] = {
    Reason.SECRET_MISSING: Change("+", "create"),
    Reason.NAMESPACE_DESELECTED: Change("-", "remove"),
    Reason.FRESH: Change("~", "bind"),
    Reason.BINDING_REVERTED: Change("~", "bind"),
}
"""Changes by the reason of a planned outcome. Any other reason renews the secret."""
RENEW = Change("~", "renew")
UNCHANGED = Change("=", "unchanged")
DONE: Mapping[Result, Change] = {
    Result.CREATED: Change("+", "created"),
    Result.RENEWED: Change("~", "renewed"),
    Result.BOUND: Change("~", "bound"),
    Result.REMOVED: Change("-", "removed"),
    Result.UNCHANGED: UNCHANGED,
}


def change_of(outcome: SecretOutcome) -> Change:
    """What the run does, or did, with a secret."""
    if outcome.result is Result.PLANNED:
        return PLANNED.get(outcome.reason, RENEW)
    sign = "!" if outcome.result in FAILING else "="
    return DONE.get(outcome.result, Change(sign, outcome.result.value))


def report_view(report: Report, now: datetime) -> Iterator[RenderableType]:
    """The report for people: each cluster, then a summary."""
    report = sanitize(report)
    for cluster in sorted(report.clusters, key=lambda each: each.cluster):
        yield Text(cluster.cluster, "bold")
        yield from _cluster_view(cluster, now)
        yield Text()
    if report.delegated:
        yield columns(map(_shard_row, report.delegated))
        yield Text()
    yield from _warnings(report)
    if skew := report.clock_skew_seconds:
        direction = "ahead of" if skew > 0 else "behind"
        yield Text(f"The clock is {abs(skew)} s {direction} the cloud's.")
    if unsent := report.unsent:
        outcomes = pluralize(unsent.records, "outcome", "outcomes")
        why = format_failure(unsent.failure)
        yield Text(f"{outcomes} could not be written to the logstore: {why}", "yellow")
    yield _summary(report)


def selects_nothing(report: Report) -> bool:
    """Whether no cluster had anything to do, and none failed or was left to another run."""
    return not report.delegated and not any(map(_has_content, report.clusters))


def _has_content(cluster: ClusterOutcome) -> bool:
    return bool(cluster.secrets or cluster.failure or cluster.skipped or cluster.deferred)


def _cluster_view(cluster: ClusterOutcome, now: datetime) -> Iterator[RenderableType]:
    if cluster.failure:
        yield _line("!", format_failure(cluster.failure))
    if cluster.skipped:
        yield _line("=", f"skipped: {cluster.skipped}")
    if deferral := cluster.deferred:
        yield _line("=" if deferral.fresh else "!", f"deferred: {deferral.why}")
    if not _has_content(cluster):
        yield _line("=", "no matching namespace")
    changed = [secret for secret in cluster.secrets if change_of(secret) != UNCHANGED]
    if changed:
        changed.sort(key=lambda secret: (secret.namespace, secret.secret))
        yield columns(_secret_row(secret, now) for secret in changed)
    if rest := len(cluster.secrets) - len(changed):
        yield _line("=", f"{rest} unchanged")


def _line(sign: str, words: str) -> Text:
    return Text(f"  {sign} {words}", COLOURS[sign])


def _secret_row(secret: SecretOutcome, now: datetime) -> tuple[Text, ...]:
    sign, verb = change_of(secret)
    details = "\n".join((_reason(secret, now), *_details(secret)))
    return _cells(sign, f"  {sign} {_namespace_and_name(secret)}", verb, details)


def _shard_row(shard: ShardStart) -> tuple[Text, ...]:
    """A task that serves clusters. Its own invocation reports what it does with them."""
    sign = "!" if shard.failure else "="
    state = "started" if shard.started else "already started"
    state = format_failure(shard.failure) if shard.failure else state
    clusters = pluralize(shard.clusters, "cluster", "clusters")
    return _cells(sign, f"{sign} {shard.task_id}", clusters, state)


def _cells(sign: str, *cells: str) -> tuple[Text, ...]:
    return tuple(Text(cell, COLOURS[sign]) for cell in cells)


def _namespace_and_name(secret: SecretOutcome) -> str:
    return f"{secret.namespace}/{secret.secret}"


def _reason(secret: SecretOutcome, now: datetime) -> str:
    words = secret.reason.words
    if secret.expires_at is None or secret.expires_at <= now:
        return words
    left = format_span(secret.expires_at - now)
    if secret.result is Result.INCOMPLETE:
        return f"{words}; the tokens it holds now: {left} left"
    return f"{words}; {left} left"


def _details(secret: SecretOutcome) -> Iterator[str]:
    if secret.bound:
        verb = "binds" if secret.result is Result.PLANNED else "bound"
        yield f"{verb} {', '.join(secret.bound)}"
    if secret.waiting_for:
        yield f"waits for {', '.join(secret.waiting_for)}"
    yield from map(format_failure, secret.failures)
    if secret.reason.remedy:
        yield secret.reason.remedy


def _warnings(report: Report) -> Iterator[Text]:
    """Each warning once: every secret that covers a registry has the registry's warnings."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for cluster in report.clusters:
        for warning in cluster.warnings:
            found[warning].append(cluster.cluster)
        for secret in cluster.secrets:
            for warning in secret.warnings:
                found[warning].append(f"{cluster.cluster}/{_namespace_and_name(secret)}")
    for warning, places in found.items():
        things = "secrets" if "/" in places[0] else "clusters"
        where = places[0] if len(places) == 1 else f"{len(places)} {things}"
        yield Text(f"warning, {where}: {warning}", "yellow")
    if found:
        yield Text()


def _summary(report: Report) -> Text:
    dry_run = report.request.dry_run
    secrets = [secret for cluster in report.clusters for secret in cluster.secrets]
    verbs = Counter(change_of(secret).verb for secret in secrets)
    done = [change.verb for change in DONE.values() if change != UNCHANGED]
    usual = ("create", "renew", "bind", "remove") if dry_run else done
    parts = [f"{verbs.pop(verb, 0)} {'to ' if dry_run else ''}{verb}" for verb in usual]
    parts.append(f"{verbs.pop(UNCHANGED.verb, 0)} {UNCHANGED.verb}")
    parts += (f"{number} {verb}" for verb, number in sorted(verbs.items()))
    if failed := sum(cluster.failure is not None for cluster in report.clusters):
        parts.append(f"{failed} of {len(report.clusters)} clusters failed")
    if delegated := clusters_delegated(report):
        parts.append(f"{pluralize(delegated, 'cluster', 'clusters')} delegated")
    return Text.assemble(("Plan: " if dry_run else "Done: ", "bold"), f"{', '.join(parts)}.")
