"""Whether, and why, a registry's entry in a secret is renewed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from acr_refresher.core import record
from acr_refresher.core.model import Entry, Registry, SecretState
from acr_refresher.core.outcome import Reason


@dataclass(frozen=True, slots=True)
class Facts:
    """What the checks look at: one registry that a secret is to cover, and that secret."""

    registry: Registry
    secret: SecretState | None
    entry: Entry | None
    intact: bool
    force: bool
    threshold: timedelta
    now: datetime


def secret_missing(facts: Facts) -> Reason | None:
    """There is no Secret of our name."""
    return Reason.SECRET_MISSING if facts.secret is None else None


def wrong_type(facts: Facts) -> Reason | None:
    """The Secret has another type, or is immutable: neither can be changed in place."""
    return Reason.WRONG_TYPE if facts.secret and needs_replacing(facts.secret) else None


def data_drifted(facts: Facts) -> Reason | None:
    """The secret is not the one that was written, or this entry comes from one that was not."""
    doubted = facts.entry is not None and facts.entry.inputs == record.DOUBTED
    return Reason.DATA_DRIFTED if doubted or not facts.intact else None


def registry_missing(facts: Facts) -> Reason | None:
    """The secret does not cover this registry."""
    return Reason.REGISTRY_MISSING if facts.entry is None else None


def inputs_changed(facts: Facts) -> Reason | None:
    """Instance, region, domains or roles are not those the token was made from."""
    if facts.entry and facts.entry.inputs != record.inputs(facts.registry):
        return Reason.INPUTS_CHANGED
    return None


def forced(facts: Facts) -> Reason | None:
    """Somebody asked for a new token whatever the old one's age."""
    return Reason.FORCED if facts.force else None


def expired(facts: Facts) -> Reason | None:
    """The token has expired: pulls are failing."""
    if facts.entry and facts.entry.expires_at <= facts.now:
        return Reason.EXPIRED
    return None


def near_expiry(facts: Facts) -> Reason | None:
    """The token expires within the threshold."""
    if facts.entry and facts.entry.expires_at - facts.threshold <= facts.now:
        return Reason.NEAR_EXPIRY
    return None


CHECKS: tuple[Callable[[Facts], Reason | None], ...] = (
    secret_missing,  # nothing else can be said of a secret that is not there
    wrong_type,  # it is made anew as a whole
    data_drifted,  # what stands in it cannot be trusted, whatever its record says
    registry_missing,  # the registry is new here
    inputs_changed,  # the token is for another instance or from another role
    forced,  # a person's wish is told apart from mere age
    expired,  # worse than being near it: someone should look why it came so far
    near_expiry,  # the everyday case
)


def due(facts: Facts) -> Reason | None:
    """Why the entry is renewed: the first check that finds something; None while it is fresh."""
    return next((reason for check in CHECKS if (reason := check(facts))), None)


def needs_replacing(secret: SecretState) -> bool:
    """Whether the API server would refuse to change it (type and immutability are for life)."""
    return secret.immutable or secret.type != record.SECRET_TYPE
