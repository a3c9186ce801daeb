"""What to do in a cluster, decided from what stands in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from acr_refresher.core.ack_helper import competing_controller_warnings
from acr_refresher.core.actions import Action, ApplySecret, Reconcile, Remove, Skip, Terms
from acr_refresher.core.bind import has_reference, missing_accounts, selected_accounts
from acr_refresher.core.guard import block_large_removals
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
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.renewal import decide, recorded_entries
from acr_refresher.core.request import Request
from acr_refresher.core.requested import allowed_registries, request_warnings
from acr_refresher.core.secret import decision_key
from acr_refresher.core.select import matches_any

Accounts: TypeAlias = Mapping[str, Sequence[ServiceAccountState]]
"""By namespace."""
_Decided: TypeAlias = "tuple[ApplySecret | None, tuple[Entry, ...]]"


def plan(
    pull_secrets: Sequence[PullSecret], state: ClusterState, request: Request, now: datetime
) -> tuple[tuple[Action, ...], ...]:
    """For each namespace, one action a pull secret that selects it or that it holds.

    ============  ===================  ==========================================================
    namespace     Secret of our name   action
    ============  ===================  ==========================================================
    selected      none                 Serve: apply, then bind
    selected      ours, due            Serve: apply, then bind what lacks the reference
    selected      ours, fresh          Serve: bind what lacks the reference, if anything
    selected      ours, wrong type     Serve: replace, then bind what lacks the reference
    selected      a stranger's         Leave: conflict
    deselected    ours                 Clear: unbind, then delete; Leave where the guard refuses
    deselected    none, a stranger's   nothing
    terminating   any                  Leave: skipped
    ============  ===================  ==========================================================

    A namespace that asks for a registry and may have it counts as selected, for that registry; one
    that asks for nothing it may have, where there is something to be had, is left with a warning.

    A namespace's actions may change the same service accounts: they are for one after another.
    Only namespaces that were listed count: a Secret whose namespace was not (created between the
    two lists) waits for the next run. A request for some registries only clears nothing.
    """
    accounts = _by_namespace(state.service_accounts)
    surveys = [_Survey.of(wanted, state, accounts, request, now) for wanted in pull_secrets]
    planned = (
        _decide(namespace, surveys, accounts)
        for namespace in state.namespaces
        if not request.namespaces or matches_any(namespace.name, request.namespaces)
    )
    actions = tuple(filter(None, planned))
    return actions if request.allow_removal else block_large_removals(actions, state)


def secrets_in_scope(cluster: Cluster, request: Request) -> tuple[str, ...]:
    """The names of a cluster's pull secrets that may hold a registry the request is about."""
    return tuple(
        wanted.name
        for wanted in cluster.pull_secrets
        if request.filter_registries((*wanted.registries, *wanted.allowed_on_request))
    )


def _by_namespace(accounts: Sequence[ServiceAccountState]) -> Accounts:
    found: defaultdict[str, list[ServiceAccountState]] = defaultdict(list)
    for account in accounts:
        found[account.namespace].append(account)
    return found


def _decide(
    namespace: NamespaceState, surveys: Sequence[_Survey], accounts: Accounts
) -> tuple[Action, ...]:
    """A namespace's actions, the first of which carries what is to be said of the namespace."""
    covered = [(survey, survey.registries(namespace)) for survey in surveys]
    decided = [
        action for survey, registries in covered if (action := survey.decide(namespace, registries))
    ]
    given = [registry for _, registries in covered for registry in registries]
    actions = decided or ([] if given else _refusals(namespace, surveys))
    warnings = (
        *request_warnings(namespace, given),
        *competing_controller_warnings(accounts.get(namespace.name, ())),
    )
    if not warnings or not actions:
        return tuple(actions)
    return (replace(actions[0], warnings=warnings), *actions[1:])


def _refusals(namespace: NamespaceState, surveys: Sequence[_Survey]) -> Sequence[Action]:
    """What is said to a namespace that asks for what it may not have, where others may."""
    if namespace.terminating or not namespace.requested:
        return []
    refused = Result.SKIPPED, Reason.NOT_GRANTABLE
    return [
        survey.leave(namespace, *refused)
        for survey in surveys
        if survey.wanted.allowed_on_request
        and not survey.wanted.namespaces.leaves_out(namespace.name)
    ][:1]


@dataclass(frozen=True, slots=True)
class _Survey:
    """The state of a cluster, by namespace, with what is wanted of it for one pull secret.

    `decided` remembers what was decided of a content: most namespaces hold the same.
    """

    wanted: PullSecret
    request: Request
    now: datetime
    secrets: Mapping[str, SecretState]
    accounts: Accounts
    decided: dict[Hashable, _Decided] = field(default_factory=dict)

    @staticmethod
    def of(
        wanted: PullSecret,
        state: ClusterState,
        accounts: Accounts,
        request: Request,
        now: datetime,
    ) -> _Survey:
        secrets = {one.namespace: one for one in state.secrets if one.name == wanted.name}
        return _Survey(wanted, request, now, secrets, accounts)

    def registries(self, namespace: NamespaceState) -> tuple[Registry, ...]:
        """What the namespace's secret is to cover; nothing where it is to have none."""
        selected = self.wanted.namespaces.selects(namespace.name, namespace.labels)
        own = self.wanted.registries if selected else ()
        if not namespace.requested:
            return own  # as nearly all do
        asked_for = allowed_registries(namespace, self.wanted)
        return (*own, *(registry for registry in asked_for if registry not in own))

    def decide(self, namespace: NamespaceState, registries: tuple[Registry, ...]) -> Action | None:
        """What is done about this pull secret in a namespace that is to have these registries."""
        secret = self.secrets.get(namespace.name)
        ours = secret is not None and secret.managed
        if not registries and not ours:
            return None
        if self.request.registries and not self.request.filter_registries(registries):
            return None
        if namespace.terminating:
            return self.leave(namespace, Result.SKIPPED, Reason.NAMESPACE_TERMINATING)
        if secret is not None and not registries:
            return self._clear(namespace.name, secret)
        if secret is not None and not ours:
            return self.leave(namespace, Result.CONFLICT, Reason.FOREIGN_SECRET)
        return self._serve(namespace.name, registries, secret)

    def leave(self, namespace: NamespaceState, result: Result, reason: Reason) -> Skip:
        """Nothing is done about this pull secret in the namespace, for that reason."""
        entries = recorded_entries(self.secrets.get(namespace.name))
        return Skip(namespace.name, self.wanted.name, result, reason, entries)

    def _clear(self, namespace: str, secret: SecretState) -> Remove:
        bound = (
            account
            for account in self.accounts.get(namespace, ())
            if has_reference(account, self.wanted.name)
        )
        entries = recorded_entries(secret)
        return Remove(namespace, self.wanted.name, tuple(bound), secret.uid, entries)

    def _serve(
        self, namespace: str, registries: Sequence[Registry], secret: SecretState | None
    ) -> Reconcile:
        accounts = self.accounts.get(namespace, ())
        selected = selected_accounts(accounts, self.wanted.service_accounts)
        apply, entries = self._decided(registries, secret)
        return Reconcile(
            namespace=namespace,
            secret=self.wanted.name,
            uid=secret.uid if secret else None,
            resource_version=secret.resource_version if secret else None,
            apply=apply,
            bind=tuple(
                account for account in selected if not has_reference(account, self.wanted.name)
            ),
            service_accounts=tuple(account.name for account in selected),
            waiting_for=missing_accounts(accounts, self.wanted.service_accounts),
            entries=entries,
        )

    def _decided(self, registries: Sequence[Registry], secret: SecretState | None) -> _Decided:
        """Whether and how the secret is written, and what the one that was found records."""
        content = secret and decision_key(secret)
        key = (tuple(registry.name for registry in registries), content)
        if key not in self.decided:
            terms = Terms(tuple(registries), self.request, self.wanted.expiring_threshold, self.now)
            self.decided[key] = decide(terms, secret), recorded_entries(secret)
        return self.decided[key]
