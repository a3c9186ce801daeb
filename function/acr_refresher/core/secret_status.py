"""How each pull secret of a cluster stands, by what was read there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum

from acr_refresher.core.actions import Action, Reconcile, Remove, Skip
from acr_refresher.core.bind import has_reference
from acr_refresher.core.model import Cluster, ClusterState, SecretState
from acr_refresher.core.outcome import all_hosts, entries_expiry
from acr_refresher.core.plan import plan
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.request import Request
from acr_refresher.core.secret import read_refreshed_at


class State(str, Enum):
    """Most urgent first. All but the first say what the next run would do, as `plan` does."""

    EXPIRED = "expired"
    MISSING = "missing"
    """A namespace is to have a secret and has none."""
    DRIFTED = "drifted"
    """Somebody changed what was written, or its record cannot be read."""
    CONFLICT = "conflict"
    """A Secret of our name is somebody else's, where ours is to be."""
    REMOVAL_BLOCKED = "removal-blocked"
    """Its namespace is not selected any more, but too many would be removed at once."""
    DUE = "due"
    """The next run renews it, whatever for."""
    UNBOUND = "unbound"
    """It is fresh, and the next run binds a service account to it."""
    REMOVING = "removing"
    """It goes: the next run removes it, or its namespace is being deleted."""
    FRESH = "fresh"
    """The next run does nothing with it."""


NEEDS_ATTENTION = frozenset({State.EXPIRED, State.CONFLICT, State.REMOVAL_BLOCKED})
"""States in which pulls fail that did not, or that no run puts right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretStatus:
    """One pull secret in one namespace. `service_accounts` are those that refer to it."""

    cluster: str
    namespace: str
    secret: str
    state: State
    registries: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()
    refreshed_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class UnreadCluster:
    """A cluster that nothing was found out about, and why; not `failed` where it is not running."""

    cluster: str
    why: str
    failed: bool


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """How everything stands at a time, most urgent first."""

    at: datetime
    secrets: tuple[SecretStatus, ...]
    unread: tuple[UnreadCluster, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every cluster could be read, and no secret needs somebody's attention."""
        unmended = any(one.state in NEEDS_ATTENTION for one in self.secrets)
        return not unmended and not any(one.failed for one in self.unread)


BoundAccounts = Mapping[tuple[str, str], tuple[str, ...]]
"""The service accounts that refer to a secret, by namespace and its name."""


def secret_statuses(
    cluster: Cluster, state: ClusterState, now: datetime
) -> tuple[SecretStatus, ...]:
    """Every pull secret of ours, and every one that is to be and is not, by what a run would do."""
    ours = {(one.namespace, one.name): one for one in state.secrets if one.managed}
    bound = _bound_accounts(state, [wanted.name for wanted in cluster.pull_secrets])
    planned = plan(cluster.pull_secrets, state, Request("manual"), now)
    return tuple(
        _secret_status(cluster.name, action, how, ours.get(_namespace_and_name(action)), bound)
        for actions in planned
        for action in actions
        if (how := _state(action, ours.get(_namespace_and_name(action)), now))
    )


def by_urgency(all_standings: Iterable[SecretStatus]) -> tuple[SecretStatus, ...]:
    """The most urgent first: by state, then by expiry."""
    never = datetime.max.replace(tzinfo=timezone.utc)

    def urgency(one: SecretStatus) -> tuple[object, ...]:
        rank = list(State).index(one.state)
        return rank, one.expires_at or never, one.cluster, one.namespace, one.secret

    return tuple(sorted(all_standings, key=urgency))


def _secret_status(
    cluster: str, action: Action, state: State, secret: SecretState | None, bound: BoundAccounts
) -> SecretStatus:
    return SecretStatus(
        cluster=cluster,
        namespace=action.namespace,
        secret=action.secret,
        state=state,
        registries=tuple(sorted(entry.registry for entry in action.entries)),
        hosts=all_hosts(action.entries),
        service_accounts=bound.get(_namespace_and_name(action), ()),
        refreshed_at=read_refreshed_at(secret.annotations) if secret else None,
        expires_at=entries_expiry(action.entries),
    )


def _namespace_and_name(action: Action) -> tuple[str, str]:
    return action.namespace, action.secret


def _state(action: Action, ours: SecretState | None, now: datetime) -> State | None:
    """None: there is no secret of ours, and is to be none."""
    match action:
        case Remove():
            return State.REMOVING
        case Skip(reason=Reason.FOREIGN_SECRET):
            return State.CONFLICT
        case Skip(result=Result.SKIPPED):
            return State.REMOVING if ours else None
        case _:
            return _state_of_kept(action, now) if ours else State.MISSING


def _state_of_kept(action: Reconcile | Skip, now: datetime) -> State:
    """Of a secret of ours that the next run leaves there."""
    expires_at = entries_expiry(action.entries)
    if expires_at and expires_at <= now:
        return State.EXPIRED
    if isinstance(action, Skip):
        return State.REMOVAL_BLOCKED
    if action.apply:
        changed = action.apply.reason is Reason.DATA_DRIFTED or not action.entries
        return State.DRIFTED if changed else State.DUE
    return State.UNBOUND if action.bind else State.FRESH


def _bound_accounts(state: ClusterState, names: Iterable[str]) -> BoundAccounts:
    found: defaultdict[tuple[str, str], tuple[str, ...]] = defaultdict(tuple)
    for account in sorted(state.service_accounts, key=lambda one: one.name):
        for name in names:
            if has_reference(account, name):
                found[account.namespace, name] += (account.name,)
    return found
