"""What is to be done in a namespace, as data: decided by `plan`, carried out by `apply`.

`secret` is the name of the pull secret that an action is about, `entries` what the one of ours that
was found records. `warnings` go into the outcome.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from acr_refresher.core.model import Credential, Entry, Registry, ServiceAccountState
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.request import Request


@dataclass(frozen=True, slots=True)
class Terms:
    """What decides besides the secret itself: what it is to hold, and what was asked for when."""

    registries: tuple[Registry, ...]
    request: Request
    expiring_threshold: timedelta
    now: datetime


@dataclass(frozen=True, slots=True)
class ApplySecret:
    """Write the secret: mint for `mint`, carry `kept` over. `terms` are what it was decided by.

    `fallback` holds the still-valid credentials of registries in `mint`, used where minting fails.
    `replace`: the type of the Secret found cannot be changed, so it is deleted (by uid) right
    before the new one is written. Namespaces that hold the same share one object of this.
    """

    terms: Terms
    reason: Reason
    mint: tuple[Registry, ...]
    kept: tuple[Credential, ...]
    fallback: tuple[Credential, ...]
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Have the secret and its bindings in a namespace.

    `apply` None: the secret is fresh. `uid` and `resource_version` are those of the Secret found,
    if any. `bind`: those of the selected `service_accounts` that lack the reference. `waiting_for`:
    accounts asked for by name that do not exist yet.
    """

    namespace: str
    secret: str
    uid: str | None
    resource_version: str | None
    apply: ApplySecret | None
    bind: tuple[ServiceAccountState, ...]
    service_accounts: tuple[str, ...]
    waiting_for: tuple[str, ...]
    entries: tuple[Entry, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remove:
    """Unbind, then delete our secret from a namespace that is no longer selected."""

    namespace: str
    secret: str
    unbind: tuple[ServiceAccountState, ...]
    uid: str
    entries: tuple[Entry, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skip:
    """Touch nothing, and say why."""

    namespace: str
    secret: str
    result: Result
    reason: Reason
    entries: tuple[Entry, ...] = ()
    warnings: tuple[str, ...] = ()


Action = Reconcile | Remove | Skip


def costs_requests(actions: Iterable[Action]) -> bool:
    """Whether anything is asked of the API server to carry these out."""
    return any(
        isinstance(one, Remove) or (isinstance(one, Reconcile) and bool(one.apply or one.bind))
        for one in actions
    )


def accounts_changed(actions: Iterable[Action]) -> int:
    """How many service accounts are bound or unbound in carrying these out."""
    return sum(
        len(one.unbind if isinstance(one, Remove) else one.bind)
        for one in actions
        if not isinstance(one, Skip)
    )
