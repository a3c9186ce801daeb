"""The actions in a namespace, as data: `core.plan` decides them, `run.apply` executes them.

In every action, `secret` is the name of the pull secret, `entries` is the record of the Secret that
was found if it is ours, and `warnings` go into the outcome.
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
    """What a decision depends on besides the secret: above all, the registries it must hold."""

    registries: tuple[Registry, ...]
    request: Request
    expiring_threshold: timedelta
    now: datetime


@dataclass(frozen=True, slots=True)
class ApplySecret:
    """Write the secret with new tokens for `mint`, and with the credentials in `kept`.

    `fallback` holds the valid credentials of the registries in `mint`, for those whose minting
    fails. `replace`: the type of the Secret that was found cannot be changed, so the Secret is
    deleted (by uid) just before the new one is written. Namespaces with the same content share one
    instance.
    """

    terms: Terms
    reason: Reason
    mint: tuple[Registry, ...]
    kept: tuple[Credential, ...]
    fallback: tuple[Credential, ...]
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Bring the secret and its references in a namespace up to date.

    `apply` is None if the secret is fresh. `uid` and `resource_version` are those of the Secret
    that was found, if any. `bind` are the selected `service_accounts` that lack the reference.
    `waiting_for` are selected by name and do not exist yet.
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
    """Unbind the service accounts, then delete our secret: the namespace is no longer selected."""

    namespace: str
    secret: str
    unbind: tuple[ServiceAccountState, ...]
    uid: str
    entries: tuple[Entry, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skip:
    """Change nothing, for a reason."""

    namespace: str
    secret: str
    result: Result
    reason: Reason
    entries: tuple[Entry, ...] = ()
    warnings: tuple[str, ...] = ()


Action = Reconcile | Remove | Skip


def costs_requests(actions: Iterable[Action]) -> bool:
    """Whether the actions need requests to the API server."""
    return any(
        isinstance(action, Remove)
        or (isinstance(action, Reconcile) and bool(action.apply or action.bind))
        for action in actions
    )


def accounts_changed(actions: Iterable[Action]) -> int:
    """How many service accounts the actions bind or unbind."""
    return sum(
        len(action.unbind if isinstance(action, Remove) else action.bind)
        for action in actions
        if not isinstance(action, Skip)
    )
