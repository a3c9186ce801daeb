"""A new token is tried at its registry's hosts before it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from acr_refresher.core.model import Verification
from acr_refresher.errors import Denied, PortError, Unreachable
from acr_refresher.run.ports import RegistryHosts, RegistryToken
from acr_refresher.run.tokens import verify_token
from factories import MAIN, NOW

TOKEN = RegistryToken("user", SecretStr("token"), NOW + timedelta(hours=1), "REQ")
SILENT = Unreachable("registry host b: no answer in time", service="registry")
REFUSAL = Denied("registry host c refuses the new token", service="registry")


@dataclass
class Hosts(RegistryHosts):
    """Hosts that take the token, but for those with an error."""

    errors: Mapping[str, PortError] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def check_login(self, host: str, token: RegistryToken, repository: str) -> None:
        assert token is TOKEN
        self.asked.append((host, repository))
        if error := self.errors.get(host):
            raise error


def warnings(
    hosts: Hosts, verify: Verification = Verification.REACHABLE, repository: str = ""
) -> tuple[str, ...]:
    registry = replace(MAIN, verify=verify, verify_repository=repository)
    return asyncio.run(verify_token(hosts, registry, ("a", "b", "c"), TOKEN))


def test_every_host_is_asked_once() -> None:
    hosts = Hosts()
    assert warnings(hosts, repository="shop/web") == ()
    assert hosts.asked == [("a", "shop/web"), ("b", "shop/web"), ("c", "shop/web")]


def test_a_host_that_cannot_be_reached_is_a_warning() -> None:
    assert warnings(Hosts({"b": SILENT})) == ("registry main: registry host b: no answer in time",)


def test_with_always_it_is_a_failure() -> None:
    with pytest.raises(Unreachable, match="no answer in time"):
        warnings(Hosts({"b": SILENT}), Verification.ALWAYS)


@pytest.mark.parametrize("verify", [Verification.REACHABLE, Verification.ALWAYS])
def test_a_refusal_goes_before_what_could_not_be_found_out(verify: Verification) -> None:
    with pytest.raises(Denied, match="refuses the new token"):
        warnings(Hosts({"b": SILENT, "c": REFUSAL}), verify)


def test_with_never_nothing_is_sent() -> None:
    hosts = Hosts({"a": REFUSAL})
    assert warnings(hosts, Verification.NEVER) == ()
    assert hosts.asked == []
