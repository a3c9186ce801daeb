"""The company's cloud as a scenario of docs/scenarios.md needs it, and the function in it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from demo.company import (
    ASSUMED_ROLES,
    HOME,
    PARTNER,
    PARTNER_REGISTRY,
    PREFIX,
    REGION,
    company,
)
from demo.stage import Stage, deployed
from localcloud.cloud import Cloud
from localcloud.ram_files import assume_policy, load_policy
from localcloud.server import serving
from localcloud.world import RegistryInstance, Role, World
from localkube import KubeCluster
from sites import Site, only

SCENARIOS = (Path(__file__).parents[1] / "docs" / "scenarios.md").read_text(encoding="utf-8")

CUSTOM_HOST = "images.acme.example"
PERSONAL_HOSTS = [
    f"registry{network}.{REGION}.aliyuncs.com" for network in ("-internal", "-vpc", "")
]
TENANT = "acme-tenant-7"
PARTNER_ROLE = f"acs:ram::{PARTNER}:role/{PREFIX}registry"

Change = Callable[[dict[str, Any]], object]


def scenario(name: str, site: Site) -> dict[str, Any]:
    """The configuration in the document, for the namespaces of this test."""
    (text,) = re.findall(rf"^```yaml {name}\n(.*?)^```", SCENARIOS, re.DOTALL | re.MULTILINE)
    document: dict[str, Any] = yaml.safe_load(text)
    return {**document, "defaults": {"watchNamespace": f"{site.prefix}-*"}}


@contextmanager
def function_in(
    cloud: Cloud, site: Site, name: str, change: Change = lambda _: None
) -> Iterator[Stage]:
    """The function, deployed with a scenario's configuration."""
    document = scenario(name, site)
    change(document)
    text = yaml.safe_dump(document)
    with (
        serving(cloud) as url,
        deployed(cloud, url, clusters_of(site), text) as function,
    ):
        yield function


def clusters_of(site: Site) -> dict[str, KubeCluster]:
    return {"prod-hangzhou": site.hangzhou, "prod-beijing": site.beijing}


def world_of(site: Site, *roles: Role, **more: Any) -> World:
    """The company with these roles added. They replace roles of the same name."""
    world = company(clusters_of(site))
    replaced = {role.arn: role for role in (*world.roles, *roles)}
    return dataclasses.replace(world, roles=tuple(replaced.values()), **more)


def function_role(*policies: Mapping[str, Any]) -> Role:
    """The function's role with additional policies."""
    own = assume_policy(*ASSUMED_ROLES)
    return Role(HOME, f"{PREFIX}function", load_policy("function-role.trust"), (own, *policies))


def pulling(registry: RegistryInstance) -> Mapping[str, Any]:
    return load_policy(
        "registry-account-role.policy",
        region=registry.region,
        account=registry.account,
        instance=registry.id,
    )


def partner_role(trust: Mapping[str, Any], longest_session: timedelta = timedelta(hours=1)) -> Role:
    policies = (pulling(PARTNER_REGISTRY),)
    return Role(PARTNER, f"{PREFIX}registry", trust, policies, longest_session)


def trusting(role_arn: str) -> Mapping[str, Any]:
    return load_policy("registry-account-role.trust", function_role_arn=role_arn)


def trusting_tenant(role_arn: str) -> Mapping[str, Any]:
    return load_policy(
        "registry-account-role.trust-external-id", function_role_arn=role_arn, external_id=TENANT
    )


def message(report: Mapping[str, Any], namespace: str) -> str:
    """The message of the only failure of a namespace."""
    (failure,) = only(report, namespace)["failures"]
    return str(failure["message"])
