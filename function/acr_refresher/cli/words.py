"""Reasons and spans of time, in words for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from acr_refresher.core.outcome import Reason

REASONS: Mapping[Reason, str] = {
    Reason.SECRET_MISSING: "there is none yet",
    Reason.WRONG_TYPE: "it is of another type, or immutable, and has to be replaced",
    Reason.DATA_DRIFTED: "somebody changed what was written",
    Reason.REGISTRY_MISSING: "it lacks a registry that it is to cover",
    Reason.INPUTS_CHANGED: "a registry's configuration has changed",
    Reason.FORCED: "forced",
    Reason.EXPIRED: "it has expired: pulls are failing",
    Reason.NEAR_EXPIRY: "it expires soon",
    Reason.REGISTRY_REMOVED: "it covers a registry that is not wanted any more",
    Reason.FRESH: "it is fresh",
    Reason.NAMESPACE_TERMINATING: "the namespace is being deleted",
    Reason.NAMESPACE_GONE: "the namespace is gone",
    Reason.NOT_GRANTABLE: "what the namespace asks for is not grantable",
    Reason.NAMESPACE_DESELECTED: "the namespace is not selected any more",
    Reason.FOREIGN_SECRET: "a Secret of this name is somebody else's",
    Reason.REMOVAL_GUARD: "too many would be removed at once",
    Reason.CHANGED_MEANWHILE: "somebody changed it meanwhile",
}


def span(time: timedelta) -> str:
    """`3d 04h`, `1h 05m`, `12m 30s`; with a minus for what is past."""
    sign = "-" if time < timedelta() else ""
    minutes, seconds = divmod(round(abs(time).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours:02}h"
    return f"{sign}{hours}h {minutes:02}m" if hours else f"{sign}{minutes}m {seconds:02}s"


def counted(number: int, one: str, several: str) -> str:
    """`1 cluster`, `2 clusters`."""
    return f"{number} {one if number == 1 else several}"
