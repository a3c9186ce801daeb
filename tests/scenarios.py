"""The configurations that docs/scenarios.md shows, and the function deployed with them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from demo.company import company
from demo.stage import Stage, deployed
from localcloud.cloud import Cloud
from localcloud.server import serving
from localcloud.world import Role, World
from sites import Site

SCENARIOS = (Path(__file__).parents[1] / "docs" / "scenarios.md").read_text(encoding="utf-8")


def scenario(name: str) -> dict[str, Any]:
    """The config.yaml with this name in the document."""
    (text,) = re.findall(rf"^```yaml {name}\n(.*?)^```", SCENARIOS, re.DOTALL | re.MULTILINE)
    document: dict[str, Any] = yaml.safe_load(text)
    return document


@contextmanager
def staged(site: Site, document: dict[str, Any], there: World | None = None) -> Iterator[Stage]:
    """The function with a scenario's configuration, for the namespaces of this test.

    It runs in the company's cloud, or in another cloud.
    """
    clusters = {"prod-hangzhou": site.hangzhou, "prod-beijing": site.beijing}
    text = yaml.safe_dump({**document, "defaults": {"watchNamespace": f"{site.prefix}-*"}})
    cloud = Cloud(there or company(clusters))
    with (
        serving(cloud) as proxy,
        deployed(cloud, proxy, clusters, text) as function,
    ):
        yield function


def the_company(site: Site) -> World:
    """The company's cloud around a site's clusters."""
    return company({"prod-hangzhou": site.hangzhou, "prod-beijing": site.beijing})


def by_name(report: Mapping[str, Any]) -> dict[str, Any]:
    """The clusters of a report."""
    return {cluster["cluster"]: cluster for cluster in report["clusters"]}


def without_action(world: World, action: str) -> World:
    """The world in which no policy of a role allows this action."""

    def narrowed(role: Role) -> Role:
        policies = json.loads(json.dumps(role.policies).replace(f'"{action}"', '"none:None"'))
        return replace(role, policies=tuple(policies))

    changed = replace(world, roles=tuple(map(narrowed, world.roles)))
    assert changed != world, f"no role has {action}"
    return changed
