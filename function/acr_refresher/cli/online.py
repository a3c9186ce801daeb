"""What only the cloud can say of a configuration: whether instances and domains exist."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import datetime, timezone
from typing import NamedTuple

from acr_refresher.cli.setup import Setup
from acr_refresher.core.model import Registry
from acr_refresher.errors import PortError, Throttled, Unreachable
from acr_refresher.inputs.problems import Problem, listed
from acr_refresher.mint import Minter
from acr_refresher.retry import retrying
from acr_refresher.sessions import SESSION_DURATION


class Online(NamedTuple):
    """What the cloud says is wrong; and where it gave no usable answer, so that all may be well."""

    problems: tuple[Problem, ...]
    unanswered: tuple[Problem, ...]


async def online_findings(setup: Setup) -> Online:
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
                _findings(setup, minter, registry, f"registries[{index}]")
                for index, registry in enumerate(setup.config.registries)
                if registry.instance_id and not registry.rrsa
            )
        )
    finally:
        await minter.aclose()
    return Online(
        tuple(problem for one in found for problem in one.problems),
        tuple(problem for one in found for problem in one.unanswered),
    )


async def _findings(setup: Setup, minter: Minter, registry: Registry, path: str) -> Online:
    every_host = replace(registry, endpoints=())
    try:
        caller = await minter.session(registry.role_chain, SESSION_DURATION)
        hosts = await retrying(lambda: setup.outside.registry_api.hosts(caller, every_host))
    except (Unreachable, Throttled) as error:
        remedy = "what is configured may be right: ask again"
        return Online((), (Problem(path, f"could not be asked for: {error}", remedy),))
    except PortError as error:
        remedy = "check instanceId, regionId and assumeRoleARN"
        return Online((Problem(path, f"is not to be had: {error}", remedy),), ())
    problems = tuple(
        Problem(
            f"{path}.domains[{index}]",
            f"{domain} is not a domain of the instance",
            f"use one of: {listed(hosts)}; or bind it to the instance first",
        )
        for index, domain in enumerate(registry.domains)
        if domain not in hosts
    )
    return Online(problems, ())
