"""The least policy that a role session needs to fetch a registry's token and hosts.

A session may do what its role may and this policy allows, both. The token can do at the registry
what the session could, so a policy without cr:PullRepository would give a token that pulls nothing.
https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-assumerole
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from acr_refresher.core.model import Registry

MAX_LENGTH = 2048
"""Characters that STS takes."""


def session_policy(registry: Registry) -> str:
    """The policy for the session of the chain's last role; empty where no role is assumed.

    Raises ValueError where it is longer than STS takes.
    """
    if not registry.narrowed or not (registry.role_chain or registry.rrsa):
        return ""
    document = {"Version": "1", "Statement": list(_statements(registry))}
    policy = json.dumps(document, separators=(",", ":"))
    if len(policy) > MAX_LENGTH:
        raise ValueError(
            f"the session policy has {len(policy)} characters, and STS takes {MAX_LENGTH}: set"
            " sessionPolicy: false, and narrow the role's own policy instead"
        )
    return policy


def _statements(registry: Registry) -> Iterator[dict[str, Any]]:
    if not registry.instance_id:  # Personal Edition has no resources of its own in RAM
        yield _allow(["cr:GetAuthorizationToken", "cr:PullRepository"], "*")
        return
    place = f"acs:cr:{registry.region_id}:{_account(registry)}"
    asks_for_hosts = ["cr:ListInstanceEndpoint"] if not registry.domains else []
    yield _allow(
        ["cr:GetAuthorizationToken", *asks_for_hosts], f"{place}:instance/{registry.instance_id}"
    )
    yield _allow(["cr:PullRepository"], f"{place}:repository/{registry.instance_id}/*")


def _allow(actions: list[str], resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource}


def _account(registry: Registry) -> str:
    """Of the last role, which is the registry's: CR knows the caller's own instances alone."""
    arns = [registry.rrsa.role_arn] if registry.rrsa else []
    last = [*arns, *(role.arn for role in registry.role_chain)][-1]
    return last.split(":")[3]
