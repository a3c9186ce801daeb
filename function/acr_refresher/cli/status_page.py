"""The status as one HTML page. It loads nothing, and every value in it is escaped."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from html import escape
from math import sqrt
from pathlib import Path
from string import Template

from acr_refresher.cli.render import format_span
from acr_refresher.core.secret_status import FleetStatus, SecretStatus, State, UnreadCluster

TEMPLATE = Path(__file__).with_name("status.html")
SLOTS = 120
"""Slots for marks in a lane. Secrets of one state that expire in one slot share a mark."""
MIN_TIMELINE = timedelta(minutes=10)
"""The timeline shows at least this much of the future, even if every secret expires sooner."""
MAX_TIMELINE = timedelta(days=7)
"""The timeline shows at most this much of the future. Later expiries are at its right edge."""
STEPS = tuple(
    timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440)
)
MAX_GRIDLINES = 10
BESIDE = 9  # pixels
NONE = "-"


def status_page(status: FleetStatus) -> str:
    """The complete HTML document."""
    clusters = sorted({secret.cluster for secret in status.secrets})
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        at=f"{status.at:%Y-%m-%d %H:%M} UTC",
        unread=_unread(status.unread),
        options="".join(f"<option>{escape(name)}</option>" for name in clusters),
        buttons="\n".join(_buttons(status)),
        timeline=_timeline(status, clusters),
        rows="\n".join(_row(secret, status.at) for secret in status.secrets),
    )


def _unread(unread: Sequence[UnreadCluster]) -> str:
    if not unread:
        return ""
    items = "".join(
        f"<li><b>{escape(each.cluster)}</b>{'' if each.failed else ' (skipped)'}: "
        f"{escape(each.why)}</li>"
        for each in unread
    )
    return f'<section class="card unread"><h2>Not read</h2><ul>{items}</ul></section>'


def _buttons(status: FleetStatus) -> Iterator[str]:
    states = [secret.state for secret in status.secrets]
    for state in State:
        if number := states.count(state):
            yield (
                f'<button type="button" data-state="{state.value}" aria-pressed="false">'
                f'<i class="dot"></i>{state.value}<b>{number}</b></button>'
            )


# ---- the timeline -------------------------------------------------------------------------------


def _timeline(status: FleetStatus, clusters: Sequence[str]) -> str:
    times = [secret.expires_at for secret in status.secrets if secret.expires_at]
    if not times:
        return '<p class="soft">No secret here has an expiry.</p>'
    start, end = ends = _ends(times, status.at)
    lines, now = _gridlines(start, end), _percent(status.at, *ends)
    grid = "".join(f'<i class="line" style="left:{_percent(line, *ends)}"></i>' for line in lines)
    grid += f'<i class="now" style="left:{now}"></i>'
    lanes = "\n".join(_lane(name, status, ends, grid) for name in clusters)
    time = "%H:%M" if end - start <= timedelta(days=1) else "%m-%d %H:%M"
    labels = "".join(
        f'<span style="left:{_percent(line, *ends)}">{line:{time}}</span>'
        for line in lines
        if abs(line - status.at) > (end - start) / 20  # no label under that of now
    )
    labels += f'<span class="at-now" style="left:{now}">now</span>'
    return f'<div class="timeline">{lanes}<div></div><div class="axis">{labels}</div></div>'


def _ends(times: Sequence[datetime], now: datetime) -> tuple[datetime, datetime]:
    """The timeline's start, some time before now, and its end: the last expiry, within limits."""
    span = min(max(MIN_TIMELINE, max(times) - now), MAX_TIMELINE)
    return now - span / 8, now + span


def _gridlines(start: datetime, end: datetime) -> list[datetime]:
    step = next((each for each in STEPS if (end - start) / each <= MAX_GRIDLINES), STEPS[-1])
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight + ((start - midnight) // step + 1) * step
    return [first + step * number for number in range((end - first) // step + 1)]


def _share(time: datetime, start: datetime, end: datetime) -> float:
    """The position of a time between the ends of the timeline, from 0 to 1."""
    return min(max((time - start) / (end - start), 0), 1)


def _percent(time: datetime, start: datetime, end: datetime) -> str:
    return f"{_share(time, start, end) * 100:.2f}%"


def _lane(cluster: str, status: FleetStatus, ends: tuple[datetime, datetime], grid: str) -> str:
    name = escape(cluster)
    marks: defaultdict[tuple[State, int], list[datetime]] = defaultdict(list)
    for secret in status.secrets:
        if secret.cluster == cluster and secret.expires_at:
            slot = round(_share(secret.expires_at, *ends) * SLOTS)
            marks[secret.state, slot].append(secret.expires_at)
    taken: Counter[int] = Counter()
    drawn = ""
    for state, slot in sorted(marks, key=lambda key: list(State).index(key[0]), reverse=True):
        drawn += _mark(state, marks[state, slot], cluster, ends, taken[slot])
        taken[slot] += 1
    return (
        f'<div class="lane" data-cluster="{name}">'
        f'<div class="lane-name" title="{name}">{name}</div>'
        f'<div class="track">{grid}{drawn}</div></div>'
    )


def _mark(
    state: State,
    times: Sequence[datetime],
    cluster: str,
    ends: tuple[datetime, datetime],
    others: int,
) -> str:
    """The mark of the secrets that expire in one slot, moved right of `others` in that slot."""
    size = min(round(11 + 3 * sqrt(len(times))), 28)
    number = str(len(times)) if len(times) > 1 and size > 14 else ""  # noqa: PLR2004  # pixels
    first, last = min(times), max(times)
    until = f" to {last:%H:%M:%S}" if last != first else ""
    return (
        f'<i class="mark" data-cluster="{escape(cluster)}" data-state="{state.value}"'
        f' title="{len(times)} {state.value}: {first:%Y-%m-%d %H:%M:%S}{until} UTC"'
        f' style="left:{_percent(first, *ends)};margin-left:{others * BESIDE}px;'
        f'width:{size}px;height:{size}px;line-height:{size - 4}px;font-style:normal">{number}</i>'
    )


# ---- the table ----------------------------------------------------------------------------------


def _row(secret: SecretStatus, now: datetime) -> str:
    minted = f"{format_span(now - secret.refreshed_at)} ago" if secret.refreshed_at else NONE
    accounts = ", ".join(map(escape, secret.service_accounts)) or NONE
    return (
        f'<tr data-cluster="{escape(secret.cluster)}" data-state="{secret.state.value}">'
        f'<td class="state"><i class="dot"></i>{secret.state.value}</td>'
        f"<td>{escape(secret.cluster)}</td>"
        f'<td>{escape(secret.namespace)} <span class="soft">/ {escape(secret.secret)}</span></td>'
        f'<td class="time">{_left(secret, now)}</td><td class="time">{minted}</td>'
        f"<td>{accounts}</td><td>{'<br>'.join(map(escape, secret.hosts)) or NONE}</td></tr>"
    )


def _left(secret: SecretStatus, now: datetime) -> str:
    if secret.expires_at is None:
        return NONE
    left = format_span(secret.expires_at - now)
    words = f'<span title="{secret.expires_at:%Y-%m-%d %H:%M:%S} UTC">{left}</span>'
    if secret.refreshed_at is None or secret.expires_at <= secret.refreshed_at:
        return words
    share = max((secret.expires_at - now) / (secret.expires_at - secret.refreshed_at), 0) * 100
    return f'{words}<div class="life"><i style="width:{min(share, 100):.0f}%"></i></div>'
