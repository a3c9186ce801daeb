"""In which order clusters are served: what a run has no time left for is what can wait."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from acr_refresher.core.model import Cluster

_Place = tuple[int, datetime, datetime, str]


@dataclass(frozen=True, slots=True)
class Visit:
    """When a cluster was last visited, and when the first of its secrets ends, as far as known.

    `settled` False: something could not be done there, so that it is still to do.
    """

    at: datetime
    earliest_expiry: datetime | None = None
    settled: bool = True


def most_urgent_first(
    clusters: Iterable[Cluster], visits: Mapping[str, Visit], now: datetime
) -> tuple[Cluster, ...]:
    """The clusters in the order in which they are served.

    1. Those never visited, which may be anything.
    2. Those in which something is due, by what ends first.
    3. The others, which lose nothing by waiting but new namespaces: the longest unvisited first.

    Among equals chance decides, anew in each run: what is known is lost with an instance, and no
    cluster may be the last every time.
    """
    return tuple(sorted(clusters, key=lambda one: _place(one, visits.get(one.name), now)))


def is_due(cluster: Cluster, visit: Visit, now: datetime) -> bool:
    """Whether a run would renew something there, by what the last visit saw."""
    ends = visit.earliest_expiry
    threshold = max((one.expiring_threshold for one in cluster.pull_secrets), default=timedelta())
    # Not `ends - threshold`: a record may say the year 1, and no date is before that.
    return ends is not None and ends <= now + threshold


def _place(cluster: Cluster, visit: Visit | None, now: datetime) -> _Place:
    lot = sha256(f"{now.isoformat()} {cluster.name}".encode()).hexdigest()
    if visit is None:
        return (1, now, now, lot)
    ends = visit.earliest_expiry or visit.at
    if is_due(cluster, visit, now):
        return (2, ends, visit.at, lot)
    return (3, visit.at, ends, lot)
