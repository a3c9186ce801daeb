"""Pastes the statements that `check` prints into the roles of a local cloud."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from localcloud.world import Role, World


def mended(world: World, missing: Iterable[dict[str, Any]]) -> World:
    """The world with every statement of the findings pasted unchanged into its role."""
    for grant in (grant for finding in missing for grant in finding["grants"]):
        statement = json.loads(grant["text"])
        paste = trusting if "Principal" in statement else allowing
        arn = grant["where"].rpartition("policy of ")[2]
        world = changed(world, arn, partial(paste, statement=statement))
    return world


def changed(world: World, arn: str, change: Callable[[Role], Role]) -> World:
    """The world with one role changed."""
    roles = {role.arn: role for role in world.roles}
    return replace(world, roles=tuple((roles | {arn: change(roles[arn])}).values()))


def allowing(role: Role, statement: dict[str, Any]) -> Role:
    """The role with an additional policy that has this statement."""
    return replace(role, policies=(*role.policies, {"Version": "1", "Statement": [statement]}))


def trusting(role: Role, statement: dict[str, Any]) -> Role:
    """The role with this statement added to its trust policy."""
    trust = copy.deepcopy(dict(role.trust_policy))
    return replace(role, trust_policy={**trust, "Statement": [*trust["Statement"], statement]})


def distrusting(role: Role, **principal: list[str]) -> Role:
    """The role with a trust policy that trusts somebody else."""
    trust = copy.deepcopy(dict(role.trust_policy))
    trust["Statement"][0]["Principal"] = principal
    return replace(role, trust_policy=trust)
