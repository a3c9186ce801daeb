"""References to the pull secret in service accounts. Other references stay in their places.

The API server treats `imagePullSecrets` as an atomic list: a write replaces the complete list.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from acr_refresher.core.model import ServiceAccountState
from acr_refresher.core.select import ServiceAccountSelection


def with_reference(account: ServiceAccountState, secret: str) -> ServiceAccountState:
    """The account with the reference at the end of its list, or unchanged if it has one."""
    if has_reference(account, secret):
        return account
    return replace(account, image_pull_secrets=(*account.image_pull_secrets, secret))


def without_reference(account: ServiceAccountState, secret: str) -> ServiceAccountState:
    """The account without the reference."""
    others = tuple(name for name in account.image_pull_secrets if name != secret)
    return replace(account, image_pull_secrets=others)


def has_reference(account: ServiceAccountState, secret: str) -> bool:
    """Whether pods of the account pull with the secret."""
    return secret in account.image_pull_secrets


def selected_accounts(
    accounts: Iterable[ServiceAccountState], selection: ServiceAccountSelection
) -> tuple[ServiceAccountState, ...]:
    """The accounts of a namespace that are selected, sorted by name."""
    selected = (
        account for account in accounts if selection.everyone or account.name in selection.names
    )
    return tuple(sorted(selected, key=lambda account: account.name))


def missing_accounts(
    accounts: Iterable[ServiceAccountState], selection: ServiceAccountSelection
) -> tuple[str, ...]:
    """The selected names for which the namespace has no account yet."""
    return tuple(sorted(set(selection.names) - {account.name for account in accounts}))
