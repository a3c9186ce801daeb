"""The pull secrets work with an unmodified registry and client: docker-registry and skopeo."""

from __future__ import annotations

import base64
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from demo.company import MAIN_REGISTRY, PARTNER_REGISTRY, company
from demo.stage import Stage, deployed
from localcloud.cloud import Cloud
from localcloud.registry import Registry, running_registry
from localcloud.server import serving
from registry_scenarios import scenario
from sites import CLUSTERS, REGISTRIES, SECRET, Site, config_of, later, only

IMAGE = "shop/web:1"


@dataclass(frozen=True)
class Shop:
    """A namespace of a cluster whose pods pull IMAGE from the registry."""

    function: Stage
    registry: Registry
    site: Site
    namespace: str
    folder: Path

    def pull(self, image: str = IMAGE) -> None:
        """Pull with only the Secret's dockerconfigjson. Raises CalledProcessError if refused."""
        secret = self.site.hangzhou.get_secret(self.namespace, SECRET)
        assert secret
        authfile = self.folder / "auth.json"
        authfile.write_bytes(base64.b64decode(secret["data"][".dockerconfigjson"]))
        destination = self.folder / f"image-{time.monotonic_ns()}"
        destination.mkdir()
        self.registry.pull_image(image, authfile, destination)
        assert (destination / "manifest.json").exists()


@contextmanager
def shop_of(site: Site, folder: Path) -> Iterator[Shop]:
    clusters = {"prod-hangzhou": site.hangzhou, "prod-beijing": site.beijing}
    cloud = Cloud(company(clusters))
    with serving(cloud) as url, running_registry(cloud, url, MAIN_REGISTRY.id) as registry:
        registry.push_image(IMAGE)
        registries = [{**REGISTRIES[0], "domains": [registry.address]}]
        text = config_of({"watchNamespace": f"{site.prefix}-*"}, registries, CLUSTERS)
        with deployed(cloud, url, clusters, text) as function:
            yield Shop(function, registry, site, site.namespace("shop"), folder)


def test_an_image_is_pulled_until_the_token_expires_and_again_after_the_next_run(
    site: Site, tmp_path: Path
) -> None:
    with shop_of(site, tmp_path) as shop:
        created = only(shop.function.timer(), shop.namespace)
        assert created["registryHosts"] == [shop.registry.address]
        shop.pull()
        with later(59):
            shop.pull()
        with later(61):
            with pytest.raises(subprocess.CalledProcessError) as refused:
                shop.pull()
            assert "unauthorized" in refused.value.stderr.lower()
            assert only(shop.function.timer(), shop.namespace)["reason"] == "expired"
            shop.pull()


OTHERS = "other/secret:1"


def test_a_token_pulls_only_the_configured_repositories(site: Site, tmp_path: Path) -> None:
    """The role may pull all of them, as the same run without `repositories` shows."""
    namespace = site.namespace("shop")
    cloud = Cloud(company({"prod-hangzhou": site.hangzhou, "prod-beijing": site.beijing}))
    with serving(cloud) as url, running_registry(cloud, url, PARTNER_REGISTRY.id) as registry:
        for image in (IMAGE, "base/python:1", "base/ruby:1", OTHERS):
            registry.push_image(image)

        def deploy(**keys: object) -> Shop:
            document = scenario("registry-some-repositories", site)
            document["registries"][0].update(keys, domains=[registry.address])
            text = yaml.safe_dump(document)
            with deployed(cloud, url, {"prod-hangzhou": site.hangzhou}, text) as function:
                only(function.invoke(), namespace)
                return Shop(function, registry, site, namespace, tmp_path)

        narrow = deploy()
        narrow.pull()
        narrow.pull("base/python:1")
        for image in (OTHERS, "base/ruby:1"):
            with pytest.raises(subprocess.CalledProcessError) as refused:
                narrow.pull(image)
            assert "denied" in refused.value.stderr.lower()
        wide = deploy(repositories=["shop/*", "base/*", "other/secret"])
        wide.pull(OTHERS)
        wide.pull("base/ruby:1")


def test_a_rotated_secret_can_pull_at_once(site: Site, tmp_path: Path) -> None:
    with shop_of(site, tmp_path) as shop:
        shop.function.timer()
        assert only(shop.function.invoke(force=True), shop.namespace)["reason"] == "forced"
        shop.pull()
