"""What only the cloud can say of a configuration: whether instances and domains exist."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import datetime, timezone

from acr_refresher.cli.setup import Setup
from acr_refresher.core.model import Registry
from acr_refresher.errors import PortError, Unreachable
from acr_refresher.inputs.problems import Problem, listed
from acr_refresher.mint import Minter
from acr_refresher.retry import retrying
from acr_refresher.sessions import SESSION_DURATION


async def online_problems(setup: Setup) -> tuple[Problem, ...]:
    """A problem for each registry that the cloud does not know as it is configured.

    One that begins with a cluster's identity (RRSA) cannot be asked for from here and is passed
    over; so are the domains of Personal Edition, which no API lists.
    """
    outside = setup.outside
    minter = Minter(
        outside.sts,
        outside.registry_api,
        outside.registry_hosts,
        outside.function,
        f"acr-refresher-{uuid.uuid4()}",
        datetime.now(timezone.utc),
    )
    try:
        found = await asyncio.gather(
            *(
                _problems(setup, minter, registry, f"registries[{index}]")
                for index, registry in enumerate(setup.config.registries)
                if registry.instance_id and not registry.rrsa
            )
        )
    finally:
        await minter.aclose()
    return tuple(problem for problems in found for problem in problems)


async def _problems(
    setup: Setup, minter: Minter, registry: Registry, path: str
) -> tuple[Problem, ...]:
    every_host = replace(registry, endpoints=())
    try:
        caller = await minter.session(registry.role_chain, SESSION_DURATION)
        hosts = await retrying(lambda: setup.outside.registry_api.hosts(caller, every_host))
    except PortError as error:
        remedy = "check instanceId, regionId and assumeRoleARN"
        if isinstance(error, Unreachable):
            remedy = "check regionId, and the way from here to the cloud"
        return (Problem(path, f"is not to be had: {error}", remedy),)
    return tuple(
        Problem(
            f"{path}.domains[{index}]",
            f"{domain} is not a domain of the instance",
            f"use one of: {listed(hosts)}; or bind it to the instance first",
        )
        for index, domain in enumerate(registry.domains)
        if domain not in hosts
    )
