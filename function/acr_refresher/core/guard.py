"""The refusal of an absurdly large change: too many pull secrets removed in one run."""

from __future__ import annotations

from collections.abc import Sequence

from acr_refresher.core.actions import Action, Remove, Skip
from acr_refresher.core.model import ClusterState
from acr_refresher.core.reasons import Reason, Result

REMOVAL_LIMIT = 0.30
"""Of a cluster's secrets of one name."""


def block_large_removals(
    planned: tuple[tuple[Action, ...], ...], state: ClusterState
) -> tuple[tuple[Action, ...], ...]:
    """Refuse every removal of a pull secret where there are too many.

    A slip in the configuration looks just the same.
    """
    actions = [action for group in planned for action in group]
    names = {action.secret for action in actions if isinstance(action, Remove)}
    refused = {name for name in names if _too_many(name, actions, state)}
    return tuple(tuple(_skip_if_blocked(action, refused) for action in group) for group in planned)


def _too_many(secret: str, actions: Sequence[Action], state: ClusterState) -> bool:
    ours = sum(one.managed for one in state.secrets if one.name == secret)
    removals = sum(isinstance(one, Remove) for one in actions if one.secret == secret)
    return removals > REMOVAL_LIMIT * ours


def _skip_if_blocked(action: Action, refused: set[str]) -> Action:
    if not isinstance(action, Remove) or action.secret not in refused:
        return action
    return Skip(
        action.namespace,
        action.secret,
        Result.FAILED,
        Reason.REMOVAL_BLOCKED,
        action.entries,
        action.warnings,
    )
