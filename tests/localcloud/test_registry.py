"""What tokens of the CR SDK can pull from a real registry with a real client, and how long."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from alibabacloud_cr20181201.models import GetAuthorizationTokenRequest
from alibabacloud_tea_openapi.exceptions import ClientException

from localcloud.cloud import Cloud, Login
from localcloud.demo import (
    FUNCTION_ROLE_ARN,
    REGISTRY,
    REGISTRY_ROLE_ARN,
    demo_world,
    function_role,
    registry_role,
)
from localcloud.ram_files import load_policy
from localcloud.registry import Registry, running_registry
from localcloud.sdk import assume_role, cr_client
from localcloud.server import serving

IMAGE = "shop/web:1.0"
BAD_LOGIN = "invalid username/password"


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return Cloud(demo_world())


@pytest.fixture(scope="module")
def url(cloud: Cloud) -> Iterator[str]:
    with serving(cloud) as url:
        yield url


@pytest.fixture(scope="module")
def registry(cloud: Cloud, url: str) -> Iterator[Registry]:
    with running_registry(cloud, url, REGISTRY.id) as registry:
        registry.push_image(IMAGE)
        yield registry


def mint(cloud: Cloud, url: str, **fields: Any) -> Login:
    """A registry login, issued through the role in the registry's account."""
    function = cloud.function_credentials(FUNCTION_ROLE_ARN)
    credentials = assume_role(url, function, REGISTRY_ROLE_ARN, **fields)
    request = GetAuthorizationTokenRequest(instance_id=REGISTRY.id)
    body = cr_client(url, credentials).get_authorization_token(request).body
    return Login(body.temp_username, body.authorization_token)


@pytest.fixture
def pull(registry: Registry, tmp_path: Path) -> Callable[[Login], list[str]]:
    """Pull the image with a login. Returns the names of the files in it."""

    def pull_with(login: Login) -> list[str]:
        authfile, destination = tmp_path / "auth.json", tmp_path / "image"
        authfile.write_text(registry.docker_config(login), encoding="utf-8")
        registry.pull_image(IMAGE, authfile, destination)
        return [path.name for path in destination.iterdir()]

    return pull_with


def refusal(pull: Callable[[Login], list[str]], login: Login) -> str:
    """The error of the client when the login is refused."""
    with pytest.raises(subprocess.CalledProcessError) as caught:
        pull(login)
    return str(caught.value.stderr)


def test_a_minted_token_pulls(cloud: Cloud, url: str, pull: Callable[[Login], list[str]]) -> None:
    assert "manifest.json" in pull(mint(cloud, url))


def test_a_token_pulls_until_its_session_ends(
    cloud: Cloud, url: str, pull: Callable[[Login], list[str]]
) -> None:
    login = mint(cloud, url, duration_seconds=7200)
    expires_at = cloud.registry_tokens[login.password].expires_at
    with time_machine.travel(expires_at - timedelta(minutes=1), tick=False):
        assert pull(login)
    with time_machine.travel(expires_at, tick=False):
        assert BAD_LOGIN in refusal(pull, login)


def test_a_token_may_be_valid_for_only_a_second(
    cloud: Cloud, pull: Callable[[Login], list[str]]
) -> None:
    with serving(replace(cloud, token_lifetime=timedelta(seconds=1))) as url:
        login = mint(cloud, url)
    time.sleep(1.1)
    assert BAD_LOGIN in refusal(pull, login)


def test_without_the_pull_permission_a_token_is_issued_but_does_not_pull(
    cloud: Cloud, url: str, pull: Callable[[Login], list[str]]
) -> None:
    statement = {"Effect": "Allow", "Action": "cr:GetAuthorizationToken", "Resource": "*"}
    policy = json.dumps({"Version": "1", "Statement": [statement]})
    login = mint(cloud, url, policy=policy)
    assert "denied" in refusal(pull, login)


def test_a_session_policy_does_not_let_a_token_pull_what_the_role_may_not(
    cloud: Cloud, pull: Callable[[Login], list[str]]
) -> None:
    """The role may pull a single repository, the session policy allows all repositories."""
    [*first, repositories] = registry_role().policies[0]["Statement"]
    everything = {
        "Version": "1",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
    for name, allowed in (("shop/web", True), ("billing/web", False)):
        narrow = {**repositories, "Resource": REGISTRY.repository_arn(name)}
        policy = {"Version": "1", "Statement": [*first, narrow]}
        roles = (function_role(), replace(registry_role(), policies=(policy,)))
        # This cloud issues the tokens, so that its registry knows them.
        narrowed = replace(cloud, world=replace(cloud.world, roles=roles))
        with serving(narrowed) as url:
            login = mint(narrowed, url, policy=json.dumps(everything))
        if allowed:
            assert pull(login)
        else:
            assert "denied" in refusal(pull, login)


def test_a_role_that_requires_an_external_id_gives_a_token_that_pulls(
    cloud: Cloud, pull: Callable[[Login], list[str]]
) -> None:
    trust = load_policy(
        "registry-account-role.trust-external-id",
        function_role_arn=FUNCTION_ROLE_ARN,
        external_id="tenant-7",
    )
    roles = (function_role(), replace(registry_role(), trust_policy=trust))
    insisting = replace(cloud, world=replace(cloud.world, roles=roles))
    with serving(insisting) as url:
        assert pull(mint(insisting, url, external_id="tenant-7"))
        with pytest.raises(ClientException, match="not authorized") as caught:
            mint(insisting, url)
    assert caught.value.code == "NoPermission"


@pytest.mark.parametrize(
    ("resource", "allowed"), [("shop/*", True), ("shop/web", True), ("billing/*", False)]
)
def test_a_session_policy_may_narrow_a_token_to_repositories(
    cloud: Cloud, url: str, pull: Callable[[Login], list[str]], resource: str, allowed: bool
) -> None:
    policy = {
        "Version": "1",
        "Statement": [
            {"Effect": "Allow", "Action": "cr:GetAuthorizationToken", "Resource": "*"},
            {
                "Effect": "Allow",
                "Action": "cr:PullRepository",
                "Resource": REGISTRY.repository_arn(resource),
            },
        ],
    }
    login = mint(cloud, url, policy=json.dumps(policy))
    if allowed:
        assert pull(login)
    else:
        assert "denied" in refusal(pull, login)


def test_an_unknown_login_is_refused(pull: Callable[[Login], list[str]]) -> None:
    assert BAD_LOGIN in refusal(pull, Login("cr_temp_user", "made-up"))


def test_username_and_password_go_together(
    cloud: Cloud, url: str, pull: Callable[[Login], list[str]]
) -> None:
    token = mint(cloud, url)
    assert BAD_LOGIN in refusal(pull, replace(token, username=cloud.registry_admin.username))
    assert BAD_LOGIN in refusal(pull, replace(token, username="someone"))


def test_a_token_is_for_its_own_instance(
    cloud: Cloud, url: str, pull: Callable[[Login], list[str]]
) -> None:
    login = mint(cloud, url)
    token = cloud.registry_tokens[login.password]
    cloud.registry_tokens[login.password] = replace(
        token, registry=replace(REGISTRY, id="cri-another")
    )
    assert BAD_LOGIN in refusal(pull, login)


def test_a_registry_token_does_not_push(cloud: Cloud, url: str, registry: Registry) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        replace(registry, admin=mint(cloud, url)).push_image("shop/web:2.0")
    assert "denied" in caught.value.stderr
