"""A token is verified at its registry before it is written, as in docs/scenarios.md."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from demo.company import HOME, MAIN_REGISTRY, REGION
from demo.stage import Stage, deployed
from localcloud.cloud import Cloud
from localcloud.ram_files import load_policy
from localcloud.registry import Registry, running_registry
from localcloud.server import serving
from localcloud.world import PersonalRegistry
from registry_scenarios import (
    CUSTOM_HOST,
    clusters_of,
    function_in,
    function_role,
    message,
    scenario,
    world_of,
)
from scenarios import without_action
from sites import Site, only, passwords

IMAGE = "shop/web:1"


@dataclasses.dataclass(frozen=True)
class Shop:
    """A function whose registry is a real registry on this machine."""

    cloud: Cloud
    function: Stage
    registry: Registry
    namespace: str


@pytest.fixture
def shop(site: Site) -> Iterator[Shop]:
    with ExitStack() as scene:
        cloud = Cloud(world_of(site))
        url = scene.enter_context(serving(cloud))
        registry = scene.enter_context(running_registry(cloud, url, MAIN_REGISTRY.service))
        registry.push_image(IMAGE)
        document = scenario("registry-verified", site)
        document["registries"][0]["domains"] = [registry.address]
        text, ca = yaml.safe_dump(document), registry.certificates / "ca.crt"
        function = scene.enter_context(deployed(cloud, url, clusters_of(site), text, ca))
        yield Shop(cloud, function, registry, site.namespace("shop"))


def test_a_token_that_the_registry_accepts_is_written(site: Site, shop: Shop) -> None:
    outcome = only(shop.function.invoke(), shop.namespace)
    assert (outcome["result"], outcome["warnings"]) == ("created", [])
    assert list(passwords(site.hangzhou, shop.namespace)) == [shop.registry.address]


def test_a_token_that_the_registry_refuses_is_not_written(site: Site, shop: Shop) -> None:
    shop.function.invoke()
    before = passwords(site.hangzhou, shop.namespace)
    without_pulling(shop.cloud)
    report = shop.function.invoke(force=True)
    assert "refuses the new token for pulling shop/web" in message(report, shop.namespace)
    assert "cr:PullRepository" in message(report, shop.namespace)
    assert passwords(site.hangzhou, shop.namespace) == before


def test_a_token_of_personal_edition_that_pulls_nothing_is_not_written(site: Site) -> None:
    personal = PersonalRegistry(HOME, REGION)
    role = function_role(load_policy("personal-edition.policy"))
    there = world_of(site, role, personal_registries=(personal,))
    cloud = Cloud(without_action(there, "cr:PullRepository"))
    namespace = site.namespace("shop")
    document = scenario("registry-personal-edition", site)
    with serving(cloud) as url, running_registry(cloud, url, personal.service) as registry:
        registry.push_image(IMAGE)
        document["registries"][0] |= {
            "domains": [registry.address],
            "verify": "always",
            "verifyRepository": "shop/web",
        }
        text, ca = yaml.safe_dump(document), registry.certificates / "ca.crt"
        with deployed(cloud, url, clusters_of(site), text, ca) as function:
            text = message(function.invoke(), namespace)
    assert "refuses the new token for pulling shop/web. Allow cr:PullRepository" in text
    assert site.hangzhou.get_secret(namespace, "acr-pull") is None


def without_pulling(cloud: Cloud) -> None:
    """Remove cr:PullRepository from all roles while the cloud is running."""
    roles = []
    for role in cloud.world.roles:
        policies = tuple(
            {
                **policy,
                "Statement": [s for s in policy["Statement"] if s["Action"] != "cr:PullRepository"],
            }
            for policy in role.policies
        )
        roles.append(dataclasses.replace(role, policies=policies))
    object.__setattr__(cloud, "world", dataclasses.replace(cloud.world, roles=tuple(roles)))


def test_an_unreachable_host_fails_the_token_with_verify_always(site: Site) -> None:
    namespace = site.namespace("shop")
    with function_in(Cloud(world_of(site)), site, "registry-verified") as function:
        assert f"registry host {CUSTOM_HOST}" in message(function.invoke(), namespace)
    assert site.hangzhou.get_secret(namespace, "acr-pull") is None


def test_an_unreachable_host_is_a_warning_by_default(site: Site) -> None:
    namespace = site.namespace("shop")
    with function_in(Cloud(world_of(site)), site, "registry-custom-domain") as function:
        outcome = only(function.invoke(), namespace)
    assert outcome["result"] == "created"
    assert f"registry host {CUSTOM_HOST}" in outcome["warnings"][0]


def test_an_image_is_pulled_with_the_verified_token(site: Site, shop: Shop, tmp_path: Path) -> None:
    shop.function.invoke()
    (password,) = passwords(site.hangzhou, shop.namespace).values()
    authfile, destination = tmp_path / "auth.json", tmp_path / "image"
    destination.mkdir()
    login = dataclasses.replace(shop.cloud.registry_admin, username="cr_temp_user")
    authfile.write_text(shop.registry.docker_config(dataclasses.replace(login, password=password)))
    shop.registry.pull_image(IMAGE, authfile, destination)
    with pytest.raises(subprocess.CalledProcessError):
        shop.registry.pull_image("shop/other:1", authfile, destination)
