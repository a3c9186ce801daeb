"""Makes the smallest policy that a role session needs to get a registry's token and hosts.

A session has the permissions that both its role and this policy grant. The token inherits them:
with a policy without cr:PullRepository it could not pull anything. cr:PullRepository is also what
narrows a token to its instance, or to some of its repositories, because cr:GetAuthorizationToken
can only be allowed on `*`.
https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-assumerole
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from acr_refresher.core.model import Registry, Role
from acr_refresher.core.ram_actions import ALL_RESOURCES, RESOURCES

MAX_LENGTH = 2048
"""The maximum number of characters that STS accepts."""


def session_policy(registry: Registry) -> str:
    """The policy for the session of the chain's last role; empty if no role is assumed.

    Raises ValueError if the policy is longer than STS accepts.
    """
    policy = _policy(registry)
    if len(policy) > MAX_LENGTH:
        raise ValueError(
            f"the session policy has {len(policy)} characters, but STS accepts {MAX_LENGTH}: set"
            " sessionPolicy: false, and restrict the role's own policy instead"
        )
    return policy


def excess_length(registry: Registry) -> int:
    """By how many characters the policy is longer than STS accepts. Below zero: it is shorter."""
    return len(_policy(registry)) - MAX_LENGTH


def _policy(registry: Registry) -> str:
    if not registry.narrowed or not (registry.role_chain or registry.rrsa):
        return ""
    document = {"Version": "1", "Statement": list(_statements(registry))}
    return json.dumps(document, separators=(",", ":"))


def _statements(registry: Registry) -> Iterator[dict[str, Any]]:
    if not registry.instance_id:  # Personal Edition has no resources of its own in RAM
        yield _allow(["cr:GetAuthorizationToken", "cr:PullRepository"], ALL_RESOURCES)
        return
    get_hosts = [] if registry.domains else ["cr:ListInstanceEndpoint"]
    first = [Role(registry.rrsa.role_arn)] if registry.rrsa else []
    account = [*first, *registry.role_chain][-1].account_id  # CR serves only the caller's account
    for action in ("cr:GetAuthorizationToken", *get_hosts):
        yield _allow([action], _resource(action, registry, account))
    yield _allow(["cr:PullRepository"], _repositories(registry, account))


def _repositories(registry: Registry, account: str) -> str | list[str]:
    """The repositories that may be pulled. In RAM, `*` stands for any characters."""
    every = _resource("cr:PullRepository", registry, account)
    if not registry.repositories:
        return every
    return [every.removesuffix("*") + pattern for pattern in registry.repositories]


def _resource(action: str, registry: Registry, account: str) -> str:
    return RESOURCES[action].format(
        region=registry.region_id, account=account, instance=registry.instance_id
    )


def _allow(actions: list[str], resource: str | list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource}
