"""References to the pull secret in service accounts, with everyone else's left in their places.

`imagePullSecrets` is an atomic list to the API server: whoever writes it writes all of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from acr_refresher.core.model import ServiceAccountState
from acr_refresher.core.select import ServiceAccountSelection


def with_reference(account: ServiceAccountState, secret: str) -> ServiceAccountState:
    """The account with the reference at the end, or unchanged where it has one."""
    if has_reference(account, secret):
        return account
    return replace(account, image_pull_secrets=(*account.image_pull_secrets, secret))


def without_reference(account: ServiceAccountState, secret: str) -> ServiceAccountState:
    """The account without the reference."""
    others = tuple(name for name in account.image_pull_secrets if name != secret)
    return replace(account, image_pull_secrets=others)


def has_reference(account: ServiceAccountState, secret: str) -> bool:
    """Whether the account's pods pull with the secret."""
    return secret in account.image_pull_secrets


def selected_accounts(
    accounts: Iterable[ServiceAccountState], selection: ServiceAccountSelection
) -> tuple[ServiceAccountState, ...]:
    """Those of a namespace's accounts that are to be bound, by name."""
    chosen = (one for one in accounts if selection.everyone or one.name in selection.names)
    return tuple(sorted(chosen, key=lambda account: account.name))


def missing_accounts(
    accounts: Iterable[ServiceAccountState], selection: ServiceAccountSelection
) -> tuple[str, ...]:
    """The names asked for that the namespace does not have (yet)."""
    return tuple(sorted(set(selection.names) - {account.name for account in accounts}))
