"""A small function on the local Function Compute, and the adapter that invokes it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from acr_refresher.cloud.client import CloudClient, CloudTransport
from acr_refresher.cloud.fc import FunctionClient
from acr_refresher.core.model import Function
from acr_refresher.run.ports import CloudCredentials
from localcloud.cloud import Cloud
from localcloud.demo import FUNCTION_ACCOUNT, FUNCTION_ROLE_ARN, REGION, function_role
from localcloud.fc.deploy import deployed
from localcloud.fc.deployed import DeployedFunction
from localcloud.ram_files import load_policy
from localcloud.server import serving
from localcloud.world import World
from small_functions import small_function

THREE = Function("small", REGION, FUNCTION_ACCOUNT)
TWO = replace(THREE, service="services")
LATEST = replace(TWO, qualifier="LATEST")
BOTH = pytest.mark.parametrize("function", [THREE, TWO], ids=["3.0", "2.0"])
EVERY_WAY = [THREE, replace(THREE, qualifier="LATEST"), TWO, LATEST]
NAMES = ["3.0", "3.0 by qualifier", "2.0", "2.0 by qualifier"]
CODE = Path(__file__).parents[2] / "function"
ECHO = b'{"do": "echo", "text": "hello"}'


@dataclass(frozen=True)
class Scene:
    cloud: Cloud
    there: DeployedFunction
    client: FunctionClient
    caller: CloudCredentials

    def invoke(self, function: Function, payload: bytes = ECHO) -> bytes:
        return asyncio.run(self.client.invoke(function, payload))

    def start(self, function: Function, task_id: str, payload: bytes = ECHO) -> bool:
        return asyncio.run(self.client.start(function, payload, task_id))


@contextmanager
def scene(folder: Path, function: Function, resource: str | list[str] = "") -> Iterator[Scene]:
    """A small function, and a caller who may what infra/ram/fan-out.policy.json says, or less."""
    names = {"service": "services", "function": "small"}
    policy = load_policy("fan-out.policy", region=REGION, account=FUNCTION_ACCOUNT, **names)
    if resource:
        policy["Statement"][0]["Resource"] = resource
    cloud = Cloud(World(roles=(replace(function_role(), policies=(policy,)),)))
    with serving(cloud) as url, deployed(
        cloud, small_function(folder, service=function.service)
    ) as there:  # fmt: skip
        cloud_client = CloudClient(CloudTransport(url), threads=2)
        caller = caller_of(cloud)
        yield Scene(cloud, there, FunctionClient(cloud_client, caller), caller)
        cloud_client.close()


def caller_of(cloud: Cloud) -> CloudCredentials:
    session = cloud.function_credentials(FUNCTION_ROLE_ARN)
    secret, token = SecretStr(session.access_key_secret), SecretStr(session.security_token)
    return CloudCredentials(session.access_key_id, secret, token)
