"""Decides the status of each pull secret of a cluster, by the plan of the next run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from itertools import chain
from typing import Annotated

from pydantic import ConfigDict, Field, with_config
from pydantic.alias_generators import to_camel

from acr_refresher.core.model import Cluster, ClusterState, SecretState
from acr_refresher.core.outcome import (
    Action,
    Moment,
    Reconcile,
    Remove,
    Skip,
    all_hosts,
    entries_expiry,
)
from acr_refresher.core.plan import plan
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.request import Request
from acr_refresher.core.secret import LAST_TIME, read_refreshed_at


class State(str, Enum):
    """The state of a secret, most urgent first. All but EXPIRED follow from the next run's plan."""

    EXPIRED = "expired"
    MISSING = "missing"
    """A namespace must have a secret and has none."""
    DRIFTED = "drifted"
    """The secret was changed from outside, or its record cannot be read."""
    CONFLICT = "conflict"
    """There is a Secret of this name that acr-refresher did not create."""
    CONTENDED = "contended"
    """A competing controller or a policy of the cluster changes it again after each write."""
    REMOVAL_BLOCKED = "removal-blocked"
    """Its namespace is no longer selected, but the run would remove too many secrets."""
    UNREADABLE = "unreadable"
    """The namespace's Secrets or service accounts could not be read."""
    DUE = "due"
    """The next run renews the secret."""
    UNBOUND = "unbound"
    """The secret is fresh, and the next run binds a service account to it."""
    REMOVING = "removing"
    """The next run removes the secret, or its namespace is being deleted."""
    FRESH = "fresh"
    """The next run does nothing with it."""


NEEDS_ATTENTION = frozenset(
    {State.EXPIRED, State.CONFLICT, State.CONTENDED, State.REMOVAL_BLOCKED, State.UNREADABLE}
)
"""States in which pulls fail, or that no run can correct."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretStatus:
    """A pull secret in a namespace. `service_accounts` are those that refer to it."""

    cluster: str
    namespace: str
    secret: str
    state: State
    registries: tuple[str, ...] = ()
    hosts: Annotated[tuple[str, ...], Field(serialization_alias="registryHosts")] = ()
    service_accounts: tuple[str, ...] = ()
    refreshed_at: Moment | None = None
    expires_at: Moment | None = None


@dataclass(frozen=True, slots=True)
class UnreadCluster:
    """A cluster that could not be read, and why. It has not `failed` if it is not running."""

    cluster: str
    why: str
    failed: bool


@with_config(ConfigDict(alias_generator=to_camel, defer_build=True))
@dataclass(frozen=True, slots=True)
class FleetStatus:
    """The status of all secrets at a time, most urgent first."""

    at: Moment
    secrets: tuple[SecretStatus, ...]
    unread: tuple[UnreadCluster, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every cluster could be read, and no secret needs attention."""
        attention = any(secret.state in NEEDS_ATTENTION for secret in self.secrets)
        return not attention and not any(cluster.failed for cluster in self.unread)


def secret_statuses(
    cluster: Cluster, state: ClusterState, now: datetime
) -> tuple[SecretStatus, ...]:
    """The status of every pull secret that exists or should exist, by the plan of a run."""
    ours = {(found.namespace, found.name): found for found in state.secrets if found.managed}
    bound: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for account in state.service_accounts:
        for name in account.image_pull_secrets:
            bound[account.namespace, name].append(account.name)
    planned = plan(cluster.pull_secrets, state, Request("manual"), now)
    statuses = []
    for action in chain.from_iterable(planned):
        key = (action.namespace, action.secret)
        found = ours.get(key)
        if secret_state := _state(action, found, now):
            status = SecretStatus(
                cluster=cluster.name,
                namespace=action.namespace,
                secret=action.secret,
                state=secret_state,
                registries=tuple(sorted(entry.registry for entry in action.entries)),
                hosts=all_hosts(action.entries),
                service_accounts=tuple(sorted(set(bound[key]))),
                refreshed_at=read_refreshed_at(found.annotations, now) if found else None,
                expires_at=entries_expiry(action.entries),
            )
            statuses.append(status)
    return tuple(statuses)


def by_urgency(statuses: Iterable[SecretStatus]) -> tuple[SecretStatus, ...]:
    """The most urgent first: by state, then by expiry."""
    ranks = {state: rank for rank, state in enumerate(State)}

    def urgency(status: SecretStatus) -> tuple[object, ...]:
        expiry = status.expires_at or LAST_TIME
        return ranks[status.state], expiry, status.cluster, status.namespace, status.secret

    return tuple(sorted(statuses, key=urgency))


def _state(action: Action, ours: SecretState | None, now: datetime) -> State | None:
    """The state of the secret; None if there is none of ours and there must not be."""
    match action:
        case Remove():
            return State.REMOVING
        case Skip(reason=Reason.FOREIGN_SECRET):
            return State.CONFLICT
        case Skip(reason=Reason.LABEL_CHANGED):
            return State.CONTENDED
        case Skip(reason=Reason.NAMESPACE_UNREADABLE):
            return State.UNREADABLE
        case Skip(result=Result.SKIPPED):
            return State.REMOVING if ours else None
        case _:
            return _state_of_kept(action, now) if ours else State.MISSING


def _state_of_kept(action: Reconcile | Skip, now: datetime) -> State:
    """The state of a secret of ours that the next run does not remove."""
    expires_at = entries_expiry(action.entries)
    if expires_at and expires_at <= now:
        return State.EXPIRED
    if isinstance(action, Skip):
        return State.REMOVAL_BLOCKED
    if action.contended:
        return State.CONTENDED
    if action.apply and action.apply.reason is not Reason.BINDING_REVERTED:
        changed = action.apply.reason is Reason.DATA_DRIFTED or not action.entries
        return State.DRIFTED if changed else State.DUE
    return State.UNBOUND if action.bind else State.FRESH
