"""The plan for a cluster: its actions, decided from its state and its configuration.

A namespace may request registries by annotation (see `core.select`). It gets only those that the
configuration lists as grantable for it. Roles in annotations are ignored: an editor of a namespace
would otherwise choose the permissions that the function uses.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from typing import TypeAlias

from acr_refresher.core.ack_helper import competing_controller_warnings
from acr_refresher.core.contention import (
    IMMUTABLE,
    Repairs,
    contentions,
    merged,
    read_repairs,
    recent,
)
from acr_refresher.core.model import (
    Cluster,
    ClusterState,
    Entry,
    NamespaceState,
    PullSecret,
    Registry,
    SecretState,
    ServiceAccountState,
)
from acr_refresher.core.outcome import Action, ApplySecret, Failure, Reconcile, Remove, Skip, Terms
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.renewal import decide, recorded_entries
from acr_refresher.core.request import Request
from acr_refresher.core.secret import (
    MANAGER,
    decision_key,
    has_metadata,
    is_intact,
    read_entries,
    read_refreshed_at,
    rfc3339,
)
from acr_refresher.core.select import ROLE_ANNOTATIONS, matches_any
from acr_refresher.settings import SETTINGS

Remembered: TypeAlias = Mapping[tuple[str, str], Repairs]
"""Repairs by namespace and name of the secret."""
NOTHING_REMEMBERED: Remembered = {}
REFUSALS_NAMED = 5
"""Requested registries that warnings name. One warning counts the others."""

Accounts: TypeAlias = Mapping[str, Sequence[ServiceAccountState]]
_Decided: TypeAlias = "tuple[ApplySecret | None, tuple[Entry, ...]]"


def plan(
    pull_secrets: Sequence[PullSecret],
    state: ClusterState,
    request: Request,
    now: datetime,
    remembered: Remembered = NOTHING_REMEMBERED,
) -> tuple[tuple[Action, ...], ...]:
    """The actions of each namespace: one per pull secret that selects it or that it holds.

    ============  ===================  ==========================================================
    namespace     Secret of our name   action
    ============  ===================  ==========================================================
    selected      none                 Reconcile: apply, then bind
    selected      ours, due            Reconcile: apply, then bind accounts without the reference
    selected      ours, fresh          Reconcile: bind accounts without the reference, if any
    selected      ours, wrong type     Reconcile: replace, then bind accounts without the reference
    selected      foreign              Skip: conflict
    selected      ours, label changed  Skip: contended
    deselected    ours                 Remove: unbind, then delete; or Skip: removal blocked
    deselected    none, or foreign     nothing
    terminating   any                  Skip: skipped
    unreadable    unknown, or ours     Skip: failed, if it is selected or holds one of ours
    ============  ===================  ==========================================================

    A namespace that requests a registry and may have it counts as selected for that registry. If it
    may have none of those it requests, although others may, it is skipped with a warning.

    The actions of a namespace may change the same service accounts, so they must run in sequence.
    Only listed namespaces count: a Secret in a namespace that was created between the two lists
    waits for the next run. A request for certain registries removes nothing. `remembered` are the
    repairs that this instance made in earlier runs.
    """
    accounts: defaultdict[str, list[ServiceAccountState]] = defaultdict(list)
    for account in state.service_accounts:
        accounts[account.namespace].append(account)
    secrets = {(found.name, found.namespace): found for found in state.secrets}
    planners = [
        _Planner(wanted, request, now, secrets, accounts, remembered, state.unreadable)
        for wanted in pull_secrets
    ]
    planned = (
        _decide(namespace, planners, accounts)
        for namespace in state.namespaces
        if not request.namespaces or matches_any(namespace.name, request.namespaces)
    )
    actions = tuple(filter(None, planned))
    return actions if request.allow_removal else _block_large_removals(actions, state, now)


def secrets_in_scope(cluster: Cluster, request: Request) -> tuple[str, ...]:
    """The names of a cluster's pull secrets that may hold a registry that the request covers."""
    return tuple(
        wanted.name
        for wanted in cluster.pull_secrets
        if request.filter_registries((*wanted.registries, *wanted.allowed_on_request))
    )


def _block_large_removals(
    planned: tuple[tuple[Action, ...], ...], state: ClusterState, now: datetime
) -> tuple[tuple[Action, ...], ...]:
    """Replace all removals of a pull secret by failures where there are too many of them.

    A mistake in the configuration looks the same as an intended removal. Only Secrets with a
    plausible record count: a foreign Secret that carries our label can neither cause a block nor
    prevent one.
    """
    removals = Counter(
        action.secret
        for action in chain.from_iterable(planned)
        if isinstance(action, Remove) and action.entries
    )
    ours = Counter(
        found.name
        for found in state.secrets
        if found.managed and found.name in removals and read_entries(found.annotations, now)
    )
    blocked = {
        name
        for name, count in removals.items()
        if ours[name] >= SETTINGS.removal_guard_from and count > SETTINGS.removal_share * ours[name]
    }

    def checked(action: Action) -> Action:
        if not isinstance(action, Remove) or action.secret not in blocked:
            return action
        place = action.namespace, action.secret
        reason = Reason.REMOVAL_BLOCKED
        return Skip(*place, Result.FAILED, reason, action.entries, action.warnings)

    return tuple(tuple(map(checked, actions)) for actions in planned)


def allowed_registries(namespace: NamespaceState, wanted: PullSecret) -> tuple[Registry, ...]:
    """The requested registries that the namespace may have. An excluded namespace gets none."""
    if wanted.namespaces.leaves_out(namespace.name):
        return ()
    return tuple(
        registry
        for registry in wanted.allowed_on_request
        if any(_is_instance(requested, registry) for requested in _heeded(namespace))
    )


def _heeded(namespace: NamespaceState) -> tuple[str, ...]:
    """The requested registries that are looked at: a namespace's annotation may be 256 kB long."""
    return namespace.requested[: SETTINGS.requested_registries]


def request_warnings(namespace: NamespaceState, given: Collection[Registry]) -> tuple[str, ...]:
    """A warning for each annotation of the namespace that has no effect."""
    refused = [
        requested[:60]
        for requested in _heeded(namespace)
        if not any(_is_instance(requested, registry) for registry in given)
    ]
    refusals = [
        f"{requested} is requested by annotation and not granted: add its registry to grantable, or"
        " remove it from the annotation"
        for requested in refused[:REFUSALS_NAMED]
    ]
    if more := len(refused[REFUSALS_NAMED:]):
        refusals.append(f"{more} more registries are requested by annotation and not granted")
    if len(namespace.requested) > SETTINGS.requested_registries:
        refusals.append(
            f"only the first {SETTINGS.requested_registries} registries in the annotation count"
        )
    if namespace.requested and namespace.names_roles:
        refusals.append(
            f"the annotations {' and '.join(ROLE_ANNOTATIONS)} are ignored:"
            " roles come from the configuration"
        )
    return tuple(refusals)


def _is_instance(requested: str, registry: Registry) -> bool:
    region, _, instance = requested.rpartition(":")
    return instance == registry.instance_id and region in ("", registry.region_id)


def _decide(
    namespace: NamespaceState, planners: Sequence[_Planner], accounts: Accounts
) -> tuple[Action, ...]:
    """The actions of a namespace. The first action carries the warnings about the namespace."""
    covered = [(planner, planner.registries(namespace)) for planner in planners]
    decided = (planner.decide(namespace, registries) for planner, registries in covered)
    actions: tuple[Action, ...] = tuple(filter(None, decided))
    given = [registry for _, registries in covered for registry in registries]
    if not actions and not given:
        actions = _refusals(namespace, planners)
    warnings = (
        *request_warnings(namespace, given),
        *competing_controller_warnings(accounts.get(namespace.name, ())),
    )
    if not warnings or not actions:
        return actions
    warnings = (*actions[0].warnings, *warnings)
    return (replace(actions[0], warnings=warnings), *actions[1:])


def _refusals(namespace: NamespaceState, planners: Sequence[_Planner]) -> tuple[Action, ...]:
    """A skip with a reason, if a namespace requests what only other namespaces may have."""
    if namespace.terminating or not namespace.requested:
        return ()
    for planner in planners:
        wanted = planner.wanted
        if wanted.allowed_on_request and not wanted.namespaces.leaves_out(namespace.name):
            return (planner.skip(namespace, Result.SKIPPED, Reason.NOT_GRANTABLE),)
    return ()


@dataclass(frozen=True, slots=True)
class _Planner:
    """Decides about one pull secret in each namespace of a cluster.

    `secrets` are those that were found, by name and namespace. `accounts` are by namespace.
    `decided` keeps the decision for each content and set of registries: most namespaces share one.
    """

    wanted: PullSecret
    request: Request
    now: datetime
    secrets: Mapping[tuple[str, str], SecretState]
    accounts: Accounts
    remembered: Remembered
    unreadable: Mapping[str, Failure]
    decided: dict[Hashable, _Decided] = field(default_factory=dict)

    def registries(self, namespace: NamespaceState) -> tuple[Registry, ...]:
        """The registries for the namespace's secret; empty if it must not have one."""
        selected = self.wanted.namespaces.selects(namespace.name, namespace.labels)
        own = self.wanted.registries if selected else ()
        if not namespace.requested:
            return own  # the usual case
        allowed = allowed_registries(namespace, self.wanted)
        return (*own, *(registry for registry in allowed if registry not in own))

    def decide(self, namespace: NamespaceState, registries: tuple[Registry, ...]) -> Action | None:
        """The action for this pull secret in a namespace that must have these registries."""
        secret = self.found(namespace)
        ours = secret is not None and secret.managed
        if not registries and not ours:
            return None
        if self.request.registries and not self.request.filter_registries(registries):
            return None
        if skip := self._left_alone(namespace):
            return skip
        if secret is not None and not registries:
            return self._remove(namespace.name, secret)
        if secret is not None and not ours:
            return self._leave(namespace, secret)
        return self._reconcile(namespace.name, registries, secret)

    def _left_alone(self, namespace: NamespaceState) -> Skip | None:
        """A skip, if nothing can be done in the namespace whatever it must have."""
        if namespace.terminating:
            return self.skip(namespace, Result.SKIPPED, Reason.NAMESPACE_TERMINATING)
        if failure := self.unreadable.get(namespace.name):
            skip = self.skip(namespace, Result.FAILED, Reason.NAMESPACE_UNREADABLE)
            return replace(skip, failures=(failure,))
        return None

    def found(self, namespace: NamespaceState) -> SecretState | None:
        """The Secret of this name in the namespace."""
        return self.secrets.get((self.wanted.name, namespace.name))

    def skip(self, namespace: NamespaceState, result: Result, reason: Reason) -> Skip:
        """The action that changes nothing in the namespace."""
        entries = recorded_entries(self.found(namespace), self.now)
        return Skip(namespace.name, self.wanted.name, result, reason, entries)

    def _leave(self, namespace: NamespaceState, secret: SecretState) -> Skip:
        """The action for a Secret without our label: others made it, or changed the label."""
        if MANAGER not in secret.managers or not is_intact(secret, self.now):
            return self.skip(namespace, Result.CONFLICT, Reason.FOREIGN_SECRET)
        skip = self.skip(namespace, Result.CONTENDED, Reason.LABEL_CHANGED)
        return replace(skip, entries=read_entries(secret.annotations, self.now))

    def _remove(self, namespace: str, secret: SecretState) -> Remove:
        name, accounts = self.wanted.name, self.accounts.get(namespace, ())
        bound = tuple(account for account in accounts if account.refers_to(name))
        entries = recorded_entries(secret, self.now)
        return Remove(namespace, name, bound, secret.uid, secret.resource_version, entries)

    def _reconcile(
        self, namespace: str, registries: Sequence[Registry], secret: SecretState | None
    ) -> Reconcile:
        name, selection = self.wanted.name, self.wanted.service_accounts
        accounts = {account.name: account for account in self.accounts.get(namespace, ())}
        selected = [accounts[found] for found in sorted(filter(selection.selects, accounts))]
        bind = tuple(account for account in selected if not account.refers_to(name))
        before = self._repairs(namespace, secret)
        reverted = secret is not None and _lost_binding(secret, bind, self.now)
        apply, entries = self._decided(registries, secret, before, reverted=reverted)
        managers = (each for each in (secret, *bind) if each)
        contended = contentions(
            apply.repairs if apply else before,
            chain.from_iterable(each.managers for each in managers),
        )
        return Reconcile(
            namespace=namespace,
            secret=name,
            uid=secret.uid if secret else None,
            resource_version=secret.resource_version if secret else None,
            apply=apply,
            bind=bind,
            service_accounts=tuple(account.name for account in selected),
            waiting_for=tuple(sorted(set(selection.names) - accounts.keys())),
            entries=entries,
            contended=(*contended, IMMUTABLE) if secret and secret.immutable else contended,
        )

    def _repairs(self, namespace: str, secret: SecretState | None) -> Repairs:
        """The repairs of a secret in the last hour."""
        remembered = self.remembered.get((namespace, self.wanted.name))
        recorded = read_repairs(secret.annotations, self.now) if secret else ()
        if not remembered:
            return recorded  # the usual case
        return merged(recorded, recent(remembered, self.now))

    def _decided(
        self,
        registries: Sequence[Registry],
        secret: SecretState | None,
        before: Repairs,
        *,
        reverted: bool,
    ) -> _Decided:
        """How the secret is written, if at all, and the record of the Secret that was found."""
        content = secret and decision_key(secret)
        metadata = self.wanted.metadata
        complete = secret is None or has_metadata(secret, metadata)
        key = (tuple(registry.name for registry in registries), content, complete, before, reverted)
        if key not in self.decided:
            threshold = self.wanted.expiring_threshold
            terms = Terms(tuple(registries), self.request, threshold, self.now, metadata)
            apply = decide(terms, secret, before, reverted=reverted)
            self.decided[key] = apply, recorded_entries(secret, self.now)
        return self.decided[key]


def _lost_binding(secret: SecretState, bind: Sequence[ServiceAccountState], now: datetime) -> bool:
    """Whether an account without the reference existed when the secret was last written.

    Each write is followed by the binding of every selected account, so such an account had it.
    """
    written = read_refreshed_at(secret.annotations, now) if bind else None
    if written is None:
        return False
    return any(account.created and account.created < rfc3339(written) for account in bind)
