"""The ACK credential helper at work in a namespace that is served from here too.

It needs no further right: its Secrets are named in the imagePullSecrets of the service accounts,
which are listed anyway. https://www.alibabacloud.com/help/en/ack/product-overview/aliyun-acr-credential-helper
"""

from __future__ import annotations

from collections.abc import Iterable

from acr_refresher.core.model import ServiceAccountState

HELPER_PREFIX = "acr-credential-"
"""Of `acr-credential-secret-aggregation`, and of `acr-credential-<digest of a domain>` before."""

WARNING = (
    "the ACK credential helper's secret is bound to {} here too: two writers are meant for the time"
    " of a migration only, see docs/migrating.md"
)


def warnings(accounts: Iterable[ServiceAccountState]) -> tuple[str, ...]:
    """One for a namespace's accounts, where any refers to a Secret of the helper."""
    bound = sorted(one.name for one in accounts if any(map(_is_helpers, one.image_pull_secrets)))
    return (WARNING.format(", ".join(bound)),) if bound else ()


def _is_helpers(secret: str) -> bool:
    return secret.startswith(HELPER_PREFIX)
