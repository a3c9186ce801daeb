"""How each pull secret of a cluster stands, by what was read there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum

from acr_refresher.core import record, service_accounts
from acr_refresher.core.action import LeaveNamespace, ServeNamespace
from acr_refresher.core.compose import hosts
from acr_refresher.core.model import Cluster, ClusterState, PullSecret, SecretState
from acr_refresher.core.outcome import Reason
from acr_refresher.core.plan import plan
from acr_refresher.core.request import Request


class State(str, Enum):
    """Most urgent first."""

    EXPIRED = "expired"
    MISSING = "missing"
    """A namespace is to have a secret and has none."""
    DRIFTED = "drifted"
    """Somebody changed what was written, or its record cannot be read."""
    FOREIGN = "foreign"
    """A Secret of our name is somebody else's, where ours is to be."""
    DUE = "due"
    """The next run renews it."""
    FRESH = "fresh"


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
        """Whether every cluster could be read, and no secret has expired."""
        expired = any(one.state is State.EXPIRED for one in self.secrets)
        return not expired and not any(one.failed for one in self.unread)


Bound = Mapping[tuple[str, str], tuple[str, ...]]
"""The service accounts that refer to a secret, by namespace and its name."""


def standings(cluster: Cluster, state: ClusterState, now: datetime) -> tuple[Standing, ...]:
    """Every pull secret of ours, and every one that is to be and is not."""
    thresholds = {wanted.name: wanted for wanted in cluster.pull_secrets}
    bound = _bound(state, thresholds)
    ours = (
        _ours(cluster.name, thresholds[secret.name], secret, bound, now)
        for secret in state.secrets
        if secret.managed
    )
    return (*ours, *_absent(cluster, state, bound, now))


def by_urgency(all_standings: Iterable[Standing]) -> tuple[Standing, ...]:
    """The most urgent first: by state, then by expiry."""
    never = datetime.max.replace(tzinfo=timezone.utc)

    def urgency(one: Standing) -> tuple[object, ...]:
        rank = list(State).index(one.state)
        return rank, one.expires_at or never, one.cluster, one.namespace, one.secret

    return tuple(sorted(all_standings, key=urgency))


def _ours(
    cluster: str, wanted: PullSecret, secret: SecretState, bound: Bound, now: datetime
) -> Standing:
    entries = record.read(secret.annotations)
    expires_at = record.earliest(entries) if entries else None
    return Standing(
        cluster=cluster,
        namespace=secret.namespace,
        secret=secret.name,
        state=_state(wanted, secret, expires_at, now),
        registries=tuple(sorted(entry.registry for entry in entries)),
        hosts=hosts(entries),
        service_accounts=bound.get((secret.namespace, secret.name), ()),
        refreshed_at=record.refreshed_at(secret.annotations),
        expires_at=expires_at,
    )


def _state(
    wanted: PullSecret, secret: SecretState, expires_at: datetime | None, now: datetime
) -> State:
    if expires_at is None:
        return State.DRIFTED
    if expires_at <= now:
        return State.EXPIRED
    if not record.intact(secret):
        return State.DRIFTED
    return State.DUE if expires_at - wanted.expiring_threshold <= now else State.FRESH


def _absent(
    cluster: Cluster, state: ClusterState, bound: Bound, now: datetime
) -> Iterator[Standing]:
    """Where a run would create a secret, or would if there were not somebody else's."""
    planned = plan(cluster.pull_secrets, state, Request("manual"), now)
    for action in (action for actions in planned for action in actions):
        match action:
            case ServeNamespace(apply=apply) if apply and apply.reason is Reason.SECRET_MISSING:
                why = State.MISSING
            case LeaveNamespace(reason=Reason.FOREIGN_SECRET):
                why = State.FOREIGN
            case _:
                continue
        yield Standing(
            cluster=cluster.name,
            namespace=action.namespace,
            secret=action.secret,
            state=why,
            service_accounts=bound.get((action.namespace, action.secret), ()),
        )


def _bound(state: ClusterState, names: Iterable[str]) -> Bound:
    found: defaultdict[tuple[str, str], tuple[str, ...]] = defaultdict(tuple)
    for account in sorted(state.service_accounts, key=lambda one: one.name):
        for name in names:
            if service_accounts.refers(account, name):
                found[account.namespace, name] += (account.name,)
    return found
