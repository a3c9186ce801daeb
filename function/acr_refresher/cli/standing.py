"""How each pull secret of a cluster stands, by what was read there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum

from acr_refresher.core import record, service_accounts
from acr_refresher.core.action import Action, ClearNamespace, LeaveNamespace, ServeNamespace
from acr_refresher.core.compose import ends, hosts
from acr_refresher.core.model import Cluster, ClusterState, SecretState
from acr_refresher.core.outcome import Reason, Result
from acr_refresher.core.plan import plan
from acr_refresher.core.request import Request


class State(str, Enum):
    """Most urgent first. All but the first say what the next run would do, as `plan` does."""

    EXPIRED = "expired"
    MISSING = "missing"
    """A namespace is to have a secret and has none."""
    DRIFTED = "drifted"
    """Somebody changed what was written, or its record cannot be read."""
    FOREIGN = "foreign"
    """A Secret of our name is somebody else's, where ours is to be."""
    GUARDED = "guarded"
    """Its namespace is not selected any more, but too many would be removed at once."""
    DUE = "due"
    """The next run renews it, whatever for."""
    UNBOUND = "unbound"
    """It is fresh, and the next run binds a service account to it."""
    LEAVING = "leaving"
    """It goes: the next run removes it, or its namespace is being deleted."""
    FRESH = "fresh"
    """The next run does nothing with it."""


UNMENDED = frozenset({State.EXPIRED, State.FOREIGN, State.GUARDED})
"""States in which pulls fail that did not, or that no run puts right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
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
class Unread:
    """A cluster that nothing was found out about, and why; not `failed` where it is not running."""

    cluster: str
    why: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Status:
    """How everything stands at a time, most urgent first."""

    at: datetime
    secrets: tuple[Standing, ...]
    unread: tuple[Unread, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every cluster could be read, and no secret needs somebody's attention."""
        unmended = any(one.state in UNMENDED for one in self.secrets)
        return not unmended and not any(one.failed for one in self.unread)


Bound = Mapping[tuple[str, str], tuple[str, ...]]
"""The service accounts that refer to a secret, by namespace and its name."""


def standings(cluster: Cluster, state: ClusterState, now: datetime) -> tuple[Standing, ...]:
    """Every pull secret of ours, and every one that is to be and is not, by what a run would do."""
    ours = {(one.namespace, one.name): one for one in state.secrets if one.managed}
    bound = _bound(state, [wanted.name for wanted in cluster.pull_secrets])
    planned = plan(cluster.pull_secrets, state, Request("manual"), now)
    return tuple(
        _standing(cluster.name, action, how, ours.get(_place(action)), bound)
        for actions in planned
        for action in actions
        if (how := _state(action, ours.get(_place(action)), now))
    )


def by_urgency(all_standings: Iterable[Standing]) -> tuple[Standing, ...]:
    """The most urgent first: by state, then by expiry."""
    never = datetime.max.replace(tzinfo=timezone.utc)

    def urgency(one: Standing) -> tuple[object, ...]:
        rank = list(State).index(one.state)
        return rank, one.expires_at or never, one.cluster, one.namespace, one.secret

    return tuple(sorted(all_standings, key=urgency))


def _standing(
    cluster: str, action: Action, state: State, secret: SecretState | None, bound: Bound
) -> Standing:
    return Standing(
        cluster=cluster,
        namespace=action.namespace,
        secret=action.secret,
        state=state,
        registries=tuple(sorted(entry.registry for entry in action.entries)),
        hosts=hosts(action.entries),
        service_accounts=bound.get(_place(action), ()),
        refreshed_at=record.refreshed_at(secret.annotations) if secret else None,
        expires_at=ends(action.entries),
    )


def _place(action: Action) -> tuple[str, str]:
    return action.namespace, action.secret


def _state(action: Action, ours: SecretState | None, now: datetime) -> State | None:
    """None: there is no secret of ours, and is to be none."""
    match action:
        case ClearNamespace():
            return State.LEAVING
        case LeaveNamespace(reason=Reason.FOREIGN_SECRET):
            return State.FOREIGN
        case LeaveNamespace(result=Result.SKIPPED):
            return State.LEAVING if ours else None
        case _:
            return _lasting(action, now) if ours else State.MISSING


def _lasting(action: ServeNamespace | LeaveNamespace, now: datetime) -> State:
    """Of a secret of ours that the next run leaves there."""
    expires_at = ends(action.entries)
    if expires_at and expires_at <= now:
        return State.EXPIRED
    if isinstance(action, LeaveNamespace):
        return State.GUARDED
    if action.apply:
        changed = action.apply.reason is Reason.DATA_DRIFTED or not action.entries
        return State.DRIFTED if changed else State.DUE
    return State.UNBOUND if action.bind else State.FRESH


def _bound(state: ClusterState, names: Iterable[str]) -> Bound:
    found: defaultdict[tuple[str, str], tuple[str, ...]] = defaultdict(tuple)
    for account in sorted(state.service_accounts, key=lambda one: one.name):
        for name in names:
            if service_accounts.refers(account, name):
                found[account.namespace, name] += (account.name,)
    return found
