"""What to do in a cluster, decided from what stands in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from acr_refresher.core import record, renewal, service_accounts
from acr_refresher.core.action import (
    Action,
    ApplySecret,
    ClearNamespace,
    LeaveNamespace,
    ServeNamespace,
)
from acr_refresher.core.model import (
    ClusterState,
    Entry,
    NamespaceState,
    PullSecret,
    Registry,
    Request,
    SecretState,
    ServiceAccountState,
)
from acr_refresher.core.outcome import Reason, Result
from acr_refresher.core.selection import matches_any

REMOVAL_LIMIT = 0.30


def plan(
    wanted: PullSecret, state: ClusterState, request: Request, now: datetime
) -> tuple[Action, ...]:
    """One action for each namespace that is selected or holds our secret.

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

    Only namespaces that were listed count: a Secret whose namespace was not (created between the
    two lists) waits for the next run. A request for some registries only clears nothing.
    """
    survey = _Survey.of(wanted, state, request, now)
    actions = (
        survey.decide(namespace)
        for namespace in state.namespaces
        if not request.namespaces or matches_any(namespace.name, request.namespaces)
    )
    planned = tuple(action for action in actions if action is not None)
    return planned if request.force else _guarded(planned, state)


@dataclass(frozen=True, slots=True)
class _Survey:
    """The state of a cluster, by namespace, with what is wanted of it."""

    wanted: PullSecret
    request: Request
    now: datetime
    scope: tuple[Registry, ...]
    secrets: Mapping[str, SecretState]
    accounts: Mapping[str, list[ServiceAccountState]]

    @staticmethod
    def of(wanted: PullSecret, state: ClusterState, request: Request, now: datetime) -> _Survey:
        accounts: defaultdict[str, list[ServiceAccountState]] = defaultdict(list)
        for account in state.service_accounts:
            accounts[account.namespace].append(account)
        return _Survey(
            wanted=wanted,
            request=request,
            now=now,
            scope=registries_in_scope(wanted, request),
            secrets={secret.namespace: secret for secret in state.secrets},
            accounts=accounts,
        )

    def decide(self, namespace: NamespaceState) -> Action | None:
        secret = self.secrets.get(namespace.name)
        ours = secret is not None and secret.managed
        selected = self.wanted.namespaces.selects(namespace.name, namespace.labels)
        if not selected and (not ours or self.request.registries):
            return None
        if namespace.terminating:
            return LeaveNamespace(namespace.name, Result.SKIPPED, Reason.NAMESPACE_TERMINATING)
        if secret is not None and not selected:
            return self._clear(namespace.name, secret)
        if secret is not None and not ours:
            return LeaveNamespace(namespace.name, Result.CONFLICT, Reason.FOREIGN_SECRET)
        return self._serve(namespace.name, secret)

    def _clear(self, namespace: str, secret: SecretState) -> ClearNamespace:
        bound = (
            account
            for account in self.accounts.get(namespace, ())
            if service_accounts.refers(account, self.wanted.name)
        )
        return ClearNamespace(namespace, tuple(bound), secret.uid)

    def _serve(self, namespace: str, secret: SecretState | None) -> ServeNamespace:
        accounts = self.accounts.get(namespace, ())
        selected = service_accounts.selected(accounts, self.wanted.service_accounts)
        entries = record.read(secret.annotations) if secret else ()
        return ServeNamespace(
            namespace=namespace,
            apply=self._apply(secret, entries),
            bind=tuple(
                account
                for account in selected
                if not service_accounts.refers(account, self.wanted.name)
            ),
            service_accounts=tuple(account.name for account in selected),
            waiting_for=service_accounts.missing(accounts, self.wanted.service_accounts),
            entries=entries,
        )

    def _apply(self, secret: SecretState | None, entries: tuple[Entry, ...]) -> ApplySecret | None:
        reasons = self._reasons(secret, entries)
        if not reasons:
            return None
        held = record.credentials(secret) if secret else ()
        names = {registry.name for registry in self.wanted.registries}
        valid = [
            one for one in held if one.entry.registry in names and one.entry.expires_at > self.now
        ]
        mint = tuple(registry for registry in self.scope if registry.name in reasons)
        minting = {registry.name for registry in mint}
        return ApplySecret(
            reason=min(reasons.values(), key=list(Reason).index),
            mint=mint,
            kept=tuple(one for one in valid if one.entry.registry not in minting),
            fallback=tuple(one for one in valid if one.entry.registry in minting),
            uid=secret.uid if secret else None,
            replace=secret is not None and renewal.needs_replacing(secret),
        )

    def _reasons(self, secret: SecretState | None, entries: tuple[Entry, ...]) -> dict[str, Reason]:
        """Why the secret is written, by registry; empty while it is fresh."""
        by_name = {entry.registry: entry for entry in entries}
        intact = secret is not None and record.intact(secret)
        reasons = {
            registry.name: reason
            for registry in self.scope
            if (
                reason := renewal.due(
                    renewal.Facts(
                        registry=registry,
                        secret=secret,
                        entry=by_name.get(registry.name),
                        intact=intact,
                        force=self.request.force,
                        threshold=self.wanted.expiring_threshold,
                        now=self.now,
                    )
                )
            )
        }
        unwanted = by_name.keys() - {registry.name for registry in self.wanted.registries}
        return reasons | dict.fromkeys(unwanted, Reason.REGISTRY_REMOVED)


def registries_in_scope(wanted: PullSecret, request: Request) -> tuple[Registry, ...]:
    """The secret's registries that the request is about."""
    return tuple(
        registry
        for registry in wanted.registries
        if not request.registries or matches_any(registry.name, request.registries)
    )


def _guarded(actions: tuple[Action, ...], state: ClusterState) -> tuple[Action, ...]:
    """Refuse every removal where there are too many: a slip in the configuration looks the same."""
    ours = sum(secret.managed for secret in state.secrets)
    removals = sum(isinstance(action, ClearNamespace) for action in actions)
    if removals <= REMOVAL_LIMIT * ours:
        return actions
    return tuple(
        LeaveNamespace(action.namespace, Result.FAILED, Reason.REMOVAL_GUARD)
        if isinstance(action, ClearNamespace)
        else action
        for action in actions
    )
