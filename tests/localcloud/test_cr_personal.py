"""Personal Edition's GetAuthorizationToken with the SDK's generic client, and what it can pull."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from alibabacloud_tea_openapi.exceptions import ClientException

from localcloud.authorization import PULL_FROM_PERSONAL_EDITION
from localcloud.cloud import Cloud, Login
from localcloud.cr import milliseconds
from localcloud.demo import (
    FUNCTION_ROLE_ARN,
    REGION,
    REGISTRY_ACCOUNT,
    REGISTRY_ROLE_ARN,
    function_role,
    registry_role,
)
from localcloud.registry import Registry, running_registry
from localcloud.sdk import assume_role, personal_token
from localcloud.server import serving
from localcloud.world import PersonalRegistry, World

PERSONAL = PersonalRegistry(REGISTRY_ACCOUNT, REGION, (f"registry.{REGION}.aliyuncs.com",))
IMAGE = "shop/web:1.0"


def role_with(*statements: tuple[str, str]) -> Any:
    """The registry account's role with permissions of (action, resource)."""
    allowed = [{"Effect": "Allow", "Action": a, "Resource": r} for a, r in statements]
    return replace(registry_role(), policies=({"Version": "1", "Statement": allowed},))


def cloud_with(role: Any, *registries: PersonalRegistry) -> Cloud:
    return Cloud(World(roles=(function_role(), role), personal_registries=registries))


PULLING = role_with(
    ("cr:GetAuthorizationToken", "*"), ("cr:PullRepository", PERSONAL.repository_arn("shop/*"))
)


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return cloud_with(PULLING, PERSONAL)


@pytest.fixture(scope="module")
def url(cloud: Cloud) -> Iterator[str]:
    with serving(cloud) as url:
        yield url


def puller(cloud: Cloud, url: str) -> Any:
    function = cloud.function_credentials(FUNCTION_ROLE_ARN)
    return assume_role(url, function, REGISTRY_ROLE_ARN, duration_seconds=7200)


def refusal(cloud: Cloud, url: str, host: str = f"cr.{REGION}.aliyuncs.com") -> tuple[int, str]:
    """HTTP status and error code."""
    with pytest.raises(ClientException) as caught:
        personal_token(url, puller(cloud, url), host)
    return caught.value.status_code, caught.value.code


def test_a_token_lives_as_long_as_the_role_session(cloud: Cloud, url: str) -> None:
    session = puller(cloud, url)
    body = personal_token(url, session)
    assert body["data"]["tempUserName"] == "cr_temp_user"
    expiration = datetime.strptime(session.expiration, "%Y-%m-%dT%H:%M:%S%z")
    assert body["data"]["expireDate"] == milliseconds(expiration)
    [call] = [c for c in cloud.calls("GetAuthorizationToken") if c.request_id == body["requestId"]]
    assert (call.version, call.status) == ("2016-06-07", 200)


@pytest.fixture(scope="module")
def registry(cloud: Cloud, url: str) -> Iterator[Registry]:
    with running_registry(cloud, url, PERSONAL.service) as registry:
        for image in (IMAGE, "billing/web:1.0"):
            registry.push_image(image)
        yield registry


def pull(registry: Registry, login: Login, scratch: Path, image: str = IMAGE) -> list[str]:
    authfile, destination = scratch / "auth.json", scratch / "image"
    authfile.write_text(registry.docker_config(login), encoding="utf-8")
    registry.pull_image(image, authfile, destination)
    return [path.name for path in destination.iterdir()]


def test_a_token_pulls_what_its_session_may(
    cloud: Cloud, url: str, registry: Registry, tmp_path: Path
) -> None:
    data = personal_token(url, puller(cloud, url))["data"]
    login = Login(data["tempUserName"], data["authorizationToken"])
    assert "manifest.json" in pull(registry, login, tmp_path)
    with pytest.raises(subprocess.CalledProcessError) as denied:
        pull(registry, login, tmp_path, "billing/web:1.0")
    assert "denied" in denied.value.stderr
    end = cloud.registry_tokens[login.password].expires_at
    with (
        time_machine.travel(end + timedelta(seconds=1), tick=False),
        pytest.raises(subprocess.CalledProcessError) as expired,
    ):
        pull(registry, login, tmp_path)
    assert "invalid username/password" in expired.value.stderr


def test_the_permission_to_pull_gives_no_token() -> None:
    cloud = cloud_with(role_with(("cr:PullRepository", "*")), PERSONAL)
    with serving(cloud) as url:
        assert refusal(cloud, url) == (403, "NoPermission")


def test_a_token_of_a_role_for_one_enterprise_edition_instance_pulls_nothing() -> None:
    """Its permission for tokens covers Personal Edition, but its permission to pull does not."""
    cloud = cloud_with(registry_role(), PERSONAL)
    with serving(cloud) as url:
        password = personal_token(url, puller(cloud, url))["data"]["authorizationToken"]
    session = cloud.registry_tokens[password].session
    place = {"region": REGION, "account": PERSONAL.account, "repository": "shop/web"}
    assert session.find_access_denial(PULL_FROM_PERSONAL_EDITION, **place)


def test_the_registry_is_looked_for_in_the_hosts_region(cloud: Cloud, url: str) -> None:
    assert refusal(cloud, url, "cr.cn-beijing.aliyuncs.com") == (404, "USER_NOT_EXIST")
