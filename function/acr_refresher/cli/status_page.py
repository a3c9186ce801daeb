"""The status as one page for a browser: nothing is loaded, and everything in it is escaped."""

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
"""Places for marks in a lane: what expires in the same one is one mark."""
MIN_TIMELINE = timedelta(minutes=10)
"""That the timeline shows, however soon everything expires."""
STEPS = tuple(timedelta(minutes=one) for one in (1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440))
MAX_TICKS = 10
BESIDE = 9  # pixels
NOTHING = "-"


def status_page(status: FleetStatus) -> str:
    """The whole page."""
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
        return '<p class="soft">Nothing here has an expiry.</p>'
    start, end = _ends(times, status.at)
    ticks = _ticks(start, end)
    grid = "".join(f'<i class="tick" style="left:{_percent(t, start, end)}"></i>' for t in ticks)
    grid += f'<i class="now" style="left:{_percent(status.at, start, end)}"></i>'
    lanes = "\n".join(_lane(name, status, (start, end), grid) for name in clusters)
    labels = "".join(
        f'<span style="left:{_percent(tick, start, end)}">{tick:%H:%M}</span>'
        for tick in ticks
        if abs(tick - status.at) > (end - start) / 20
    )
    now = f'<span class="at-now" style="left:{_percent(status.at, start, end)}">now</span>'
    axis = f'<div></div><div class="axis">{labels}{now}</div>'
    return f'<div class="timeline">{lanes}{axis}</div>'


def _ends(times: Sequence[datetime], now: datetime) -> tuple[datetime, datetime]:
    """From a while before now, where what expired long ago is put, to the last expiry."""
    end = max(*times, now + MIN_TIMELINE)
    return now - (end - now) / 8, end


def _ticks(start: datetime, end: datetime) -> list[datetime]:
    step = next((one for one in STEPS if (end - start) / one <= MAX_TICKS), (end - start) / 6)
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    tick = midnight + (start - midnight) // step * step + step
    ticks = []
    while tick <= end:
        ticks.append(tick)
        tick += step
    return ticks


def _percent(time: datetime, start: datetime, end: datetime) -> str:
    share = (time - start) / (end - start)
    return f"{min(max(share, 0), 1) * 100:.2f}%"


def _lane(cluster: str, status: FleetStatus, ends: tuple[datetime, datetime], grid: str) -> str:
    name = escape(cluster)
    marks: defaultdict[tuple[State, int], list[datetime]] = defaultdict(list)
    start, end = ends
    for one in status.secrets:
        if one.cluster == cluster and one.expires_at:
            slot = round(max((one.expires_at - start) / (end - start), 0) * SLOTS)
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
    """A mark for what expires in one slot in one state; beside `others` of the same slot."""
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
    minted = f"{format_span(now - one.refreshed_at)} ago" if one.refreshed_at else NOTHING
    accounts = ", ".join(map(escape, one.service_accounts)) or NOTHING
    return (
        f'<tr data-cluster="{escape(one.cluster)}" data-state="{one.state.value}">'
        f'<td class="state"><i class="dot"></i>{one.state.value}</td>'
        f"<td>{escape(one.cluster)}</td>"
        f'<td>{escape(one.namespace)} <span class="soft">/ {escape(one.secret)}</span></td>'
        f'<td class="time">{_left(one, now)}</td><td class="time">{minted}</td>'
        f"<td>{accounts}</td><td>{'<br>'.join(map(escape, one.hosts)) or NOTHING}</td></tr>"
    )


def _left(one: SecretStatus, now: datetime) -> str:
    if one.expires_at is None:
        return NOTHING
    left = format_span(one.expires_at - now)
    words = f'<span title="{one.expires_at:%Y-%m-%d %H:%M:%S} UTC">{left}</span>'
    if one.refreshed_at is None or one.expires_at <= one.refreshed_at:
        return words
    share = max((one.expires_at - now) / (one.expires_at - one.refreshed_at), 0) * 100
    return f'{words}<div class="life"><i style="width:{min(share, 100):.0f}%"></i></div>'
