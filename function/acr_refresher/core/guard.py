"""The removal guard: a run that would remove many of a cluster's pull secrets removes none."""

from __future__ import annotations

from collections.abc import Sequence

from acr_refresher.core.actions import Action, Remove, Skip
from acr_refresher.core.model import ClusterState
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.secret import read_entries

MAX_REMOVAL_SHARE = 0.30
"""The largest part of a cluster's Secrets of one name that one run removes."""
MIN_SECRETS_GUARDED = 10
"""A cluster with fewer Secrets of one name is not guarded: there, one namespace is a large part."""


def block_large_removals(
    planned: tuple[tuple[Action, ...], ...], state: ClusterState
) -> tuple[tuple[Action, ...], ...]:
    """Replace all removals of a pull secret by failures where there are too many of them.

    A mistake in the configuration looks the same as an intended removal. Only Secrets with a
    readable record count: a foreign Secret that carries our label can neither cause a block nor
    prevent one.
    """
    actions = [action for group in planned for action in group]
    names = {action.secret for action in actions if isinstance(action, Remove)}
    blocked = {name for name in names if _too_many(name, actions, state)}
    return tuple(tuple(_skip_if_blocked(action, blocked) for action in group) for group in planned)


def _too_many(secret: str, actions: Sequence[Action], state: ClusterState) -> bool:
    removals = sum(
        isinstance(action, Remove) and action.secret == secret and bool(action.entries)
        for action in actions
    )
    ours = sum(
        found.managed and found.name == secret and bool(read_entries(found.annotations))
        for found in state.secrets
    )
    return ours >= MIN_SECRETS_GUARDED and removals > MAX_REMOVAL_SHARE * ours


def _skip_if_blocked(action: Action, blocked: set[str]) -> Action:
    if not isinstance(action, Remove) or action.secret not in blocked:
        return action
    return Skip(
        action.namespace,
        action.secret,
        Result.FAILED,
        Reason.REMOVAL_BLOCKED,
        action.entries,
        action.warnings,
    )
