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
"""The timeline shows at most this much of the future. Later expiries stand at its right edge."""
STEPS = tuple(timedelta(minutes=one) for one in (1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440))
MAX_TICKS = 10
BESIDE = 9  # pixels
NONE = "-"


def status_page(status: FleetStatus) -> str:
    """The complete HTML document."""
    clusters = sorted({one.cluster for one in status.secrets})
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        at=f"{status.at:%Y-%m-%d %H:%M} UTC",
        unread=_unread(status.unread),
        options="".join(f"<option>{escape(name)}</option>" for name in clusters),
        buttons="\n".join(_buttons(status)),
        timeline=_timeline(status, clusters),
        rows="\n".join(_row(one, status.at) for one in status.secrets),
    )


def _unread(unread: Sequence[UnreadCluster]) -> str:
    if not unread:
        return ""
    items = "".join(
        f"<li><b>{escape(one.cluster)}</b>{'' if one.failed else ' (skipped)'}: {escape(one.why)}"
        "</li>"
        for one in unread
    )
    return f'<section class="card unread"><h2>Not read</h2><ul>{items}</ul></section>'


def _buttons(status: FleetStatus) -> Iterator[str]:
    states = [one.state for one in status.secrets]
    for state in State:
        if number := states.count(state):
            yield (
                f'<button type="button" data-state="{state.value}" aria-pressed="false">'
                f'<i class="dot"></i>{state.value}<b>{number}</b></button>'
            )


# ---- the timeline -------------------------------------------------------------------------------


def _timeline(status: FleetStatus, clusters: Sequence[str]) -> str:
    times = [one.expires_at for one in status.secrets if one.expires_at]
    if not times:
        return '<p class="soft">No secret here has an expiry.</p>'
    start, end = _ends(times, status.at)
    ticks = _ticks(start, end)
    grid = "".join(f'<i class="tick" style="left:{_percent(t, start, end)}"></i>' for t in ticks)
    grid += f'<i class="now" style="left:{_percent(status.at, start, end)}"></i>'
    lanes = "\n".join(_lane(name, status, (start, end), grid) for name in clusters)
    labels = "".join(
        f'<span style="left:{_percent(tick, start, end)}">{tick:%H:%M}</span>'
        for tick in ticks
        if abs(tick - status.at) > (end - start) / 20  # no label under that of now
    )
    now = f'<span class="at-now" style="left:{_percent(status.at, start, end)}">now</span>'
    axis = f'<div></div><div class="axis">{labels}{now}</div>'
    return f'<div class="timeline">{lanes}{axis}</div>'


def _ends(times: Sequence[datetime], now: datetime) -> tuple[datetime, datetime]:
    """The timeline's start, some time before now, and its end: the last expiry, within limits."""
    span = min(max(MIN_TIMELINE, max(times) - now), MAX_TIMELINE)
    return now - span / 8, now + span


def _ticks(start: datetime, end: datetime) -> list[datetime]:
    step = next((one for one in STEPS if (end - start) / one <= MAX_TICKS), STEPS[-1])
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    tick = midnight + (start - midnight) // step * step + step
    ticks = []
    while tick <= end:
        ticks.append(tick)
        tick += step
    return ticks


def _share(time: datetime, start: datetime, end: datetime) -> float:
    """Where a time stands between the ends of the timeline, from 0 to 1."""
    return min(max((time - start) / (end - start), 0), 1)


def _percent(time: datetime, start: datetime, end: datetime) -> str:
    return f"{_share(time, start, end) * 100:.2f}%"


def _lane(cluster: str, status: FleetStatus, ends: tuple[datetime, datetime], grid: str) -> str:
    name = escape(cluster)
    marks: defaultdict[tuple[State, int], list[datetime]] = defaultdict(list)
    for one in status.secrets:
        if one.cluster == cluster and one.expires_at:
            slot = round(_share(one.expires_at, *ends) * SLOTS)
            marks[one.state, slot].append(one.expires_at)
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


def _row(one: SecretStatus, now: datetime) -> str:
    minted = f"{format_span(now - one.refreshed_at)} ago" if one.refreshed_at else NONE
    accounts = ", ".join(map(escape, one.service_accounts)) or NONE
    return (
        f'<tr data-cluster="{escape(one.cluster)}" data-state="{one.state.value}">'
        f'<td class="state"><i class="dot"></i>{one.state.value}</td>'
        f"<td>{escape(one.cluster)}</td>"
        f'<td>{escape(one.namespace)} <span class="soft">/ {escape(one.secret)}</span></td>'
        f'<td class="time">{_left(one, now)}</td><td class="time">{minted}</td>'
        f"<td>{accounts}</td><td>{'<br>'.join(map(escape, one.hosts)) or NONE}</td></tr>"
    )


def _left(one: SecretStatus, now: datetime) -> str:
    if one.expires_at is None:
        return NONE
    left = format_span(one.expires_at - now)
    words = f'<span title="{one.expires_at:%Y-%m-%d %H:%M:%S} UTC">{left}</span>'
    if one.refreshed_at is None or one.expires_at <= one.refreshed_at:
        return words
    share = max((one.expires_at - now) / (one.expires_at - one.refreshed_at), 0) * 100
    return f'{words}<div class="life"><i style="width:{min(share, 100):.0f}%"></i></div>'
