"""How role sessions lead to a registry token, and what is done once for all who ask."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from acr_refresher.core.model import Credential, Registry, Role, Rrsa, Verification
from acr_refresher.errors import Denied, Gone, Invalid, PortError
from acr_refresher.run.ports import (
    CloudCredentials,
    ContainerRegistry,
    RegistryHosts,
    RegistryToken,
    Sts,
    TokenSource,
)
from acr_refresher.run.tokens import Minter
from factories import HOUR, MAIN, NOW

FUNCTION = CloudCredentials("function", SecretStr("secret"))
FIRST = Role("acs:ram::1:role/first")
LAST = Role("acs:ram::2:role/last", "tenant-7")
RRSA = Rrsa("acs:ram::3:role/rrsa", "acs:ram::3:oidc-provider/ack")
CHAINED = replace(MAIN, role_chain=(FIRST, LAST))


@dataclass
class Cloud(Sts, ContainerRegistry, RegistryHosts):
    """Doubles of STS, CR and the registry. A session has the name of its role."""

    longest: timedelta = 12 * HOUR
    refusal: PortError | None = None
    assumed: list[tuple[str, str, str, timedelta, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    async def assume_role(
        self,
        caller: CloudCredentials,
        role: Role,
        session_name: str,
        duration: timedelta,
        policy: str = "",
    ) -> CloudCredentials:
        assert session_name == "run-7"
        self.assumed.append((caller.access_key_id, role.arn, role.external_id, duration, policy))
        if duration > self.longest:
            raise Invalid("too long", service="sts", code="InvalidParameter.DurationSeconds")
        return CloudCredentials(role.arn, SecretStr("secret"))

    async def assume_role_with_oidc(
        self, rrsa: Rrsa, token: SecretStr, session_name: str, duration: timedelta, policy: str = ""
    ) -> CloudCredentials:
        caller = CloudCredentials(token.get_secret_value(), SecretStr(""))
        return await self.assume_role(caller, Role(rrsa.role_arn), session_name, duration, policy)

    async def token(self, caller: CloudCredentials, registry: Registry) -> RegistryToken:
        self.tokens.append(caller.access_key_id)
        return RegistryToken("user", SecretStr(registry.name), NOW + HOUR, "REQ")

    async def hosts(self, caller: CloudCredentials, registry: Registry) -> tuple[str, ...]:
        del caller
        return (f"{registry.name}.example.com",)

    async def check_login(self, host: str, token: RegistryToken, repository: str) -> None:
        del host, token, repository
        if self.refusal:
            raise self.refusal


@dataclass(eq=False)
class Cluster(TokenSource):
    name: str
    missing: bool = False

    async def service_account_token(
        self, namespace: str, name: str, audience: str, duration: timedelta
    ) -> SecretStr:
        if self.missing:
            raise Gone("not there", service="kube", code="404")
        assert (audience, duration) == ("sts.aliyuncs.com", timedelta(minutes=10))
        return SecretStr(f"{namespace}/{name} of {self.name}")


def minted(
    cloud: Cloud, *registries: Registry, clusters: tuple[Cluster, ...] = (Cluster("a"),)
) -> list[Credential]:
    """What each cluster gets of each registry, all at once."""

    async def mint() -> list[Credential]:
        minter = Minter(cloud, cloud, cloud, FUNCTION, "run-7", NOW)
        wanted = [minter.credential(r, c) for r in registries for c in clusters]
        try:
            return list(await asyncio.gather(*wanted))
        finally:
            await minter.aclose()

    return asyncio.run(mint())


def test_without_roles_the_function_asks_itself() -> None:
    cloud = Cloud()
    [credential] = minted(cloud, MAIN)
    assert (cloud.assumed, cloud.tokens) == ([], ["function"])
    assert credential.entry.hosts == ("main.example.com",)


def test_each_role_is_assumed_by_the_one_before_and_the_last_is_narrowed() -> None:
    cloud = Cloud()
    minted(cloud, replace(CHAINED, session_duration=2 * HOUR))
    first, last = cloud.assumed
    assert first == ("function", FIRST.arn, "", HOUR, "")
    assert last[:4] == (FIRST.arn, LAST.arn, "tenant-7", 2 * HOUR)
    assert "acs:cr:cn-hangzhou:2:instance/cri-main" in last[4]


def test_many_clusters_share_one_token() -> None:
    cloud = Cloud()
    minted(cloud, CHAINED, clusters=(Cluster("a"), Cluster("b")))
    assert len(cloud.assumed) == 2
    assert len(cloud.tokens) == 1


def test_two_registries_behind_one_role_have_sessions_of_their_own() -> None:
    """Each may do what its own registry needs; the role before is the same session."""
    cloud = Cloud()
    minted(cloud, CHAINED, replace(CHAINED, name="other", instance_id="cri-other"))
    assert [role for _, role, *_ in cloud.assumed].count(FIRST.arn) == 1
    policies = [policy for *_, policy in cloud.assumed if policy]
    pulls = [json.loads(policy)["Statement"][-1]["Resource"] for policy in policies]
    assert sorted(pulls) == [
        "acs:cr:cn-hangzhou:2:repository/cri-main/*",
        "acs:cr:cn-hangzhou:2:repository/cri-other/*",
    ]


def test_without_session_policies_they_share_one() -> None:
    cloud = Cloud()
    wide = replace(CHAINED, narrowed=False)
    minted(cloud, wide, replace(wide, name="other", instance_id="cri-other"))
    assert [role for _, role, *_ in cloud.assumed] == [FIRST.arn, LAST.arn]


def test_with_rrsa_the_chain_begins_with_the_clusters_identity() -> None:
    cloud = Cloud()
    minted(cloud, replace(CHAINED, rrsa=RRSA))
    identity = "kube-system/aliyun-acr-credential-helper of a"
    assert [call[:2] for call in cloud.assumed] == [
        (identity, RRSA.role_arn),
        (RRSA.role_arn, FIRST.arn),
        (FIRST.arn, LAST.arn),
    ]


def test_with_rrsa_alone_its_role_is_the_last() -> None:
    cloud = Cloud()
    minted(cloud, replace(MAIN, rrsa=RRSA, session_duration=3 * HOUR))
    [(_, role, _, duration, policy)] = cloud.assumed
    assert (role, duration) == (RRSA.role_arn, 3 * HOUR)
    assert "acs:cr:cn-hangzhou:3:instance/cri-main" in policy


def test_with_rrsa_each_cluster_has_a_token_of_its_own() -> None:
    cloud = Cloud()
    minted(cloud, replace(MAIN, rrsa=RRSA), clusters=(Cluster("a"), Cluster("b")))
    assert len(cloud.tokens) == 2


def test_a_missing_service_account_is_told_with_its_remedy() -> None:
    with pytest.raises(
        Invalid, match="no service account kube-system/aliyun-acr-credential-helper"
    ):
        minted(Cloud(), replace(MAIN, rrsa=RRSA), clusters=(Cluster("a", missing=True),))


def test_rrsa_needs_a_cluster() -> None:
    minter = Minter(Cloud(), Cloud(), Cloud(), FUNCTION, "run-7", NOW)
    with pytest.raises(Invalid, match="begins in a cluster"):
        asyncio.run(minter.credential(replace(MAIN, rrsa=RRSA), None))


def test_a_role_that_allows_only_an_hour_gets_an_hour_and_a_warning() -> None:
    cloud = Cloud(longest=HOUR)
    [credential] = minted(cloud, replace(CHAINED, session_duration=12 * HOUR))
    assert [duration for *_, duration, _ in cloud.assumed] == [HOUR, 12 * HOUR, HOUR]
    [warning] = credential.warnings
    assert warning.startswith("registry main: the last role allows no session of 43200 s")
    assert "MaxSessionDuration" in warning


def test_it_is_tried_once_a_run_whoever_asks() -> None:
    cloud = Cloud(longest=HOUR)
    long = replace(CHAINED, session_duration=12 * HOUR)
    minted(cloud, long, clusters=(Cluster("a"), Cluster("b"), Cluster("c")))
    assert len(cloud.assumed) == 3


def test_a_role_that_refuses_even_an_hour_fails() -> None:
    with pytest.raises(Invalid, match="too long"):
        minted(Cloud(longest=timedelta(0)), replace(MAIN, role_chain=(LAST,)))


def test_a_token_that_its_registry_refuses_counts_as_not_minted() -> None:
    refusal = Denied("registry host main.example.com refuses the new token", service="registry")
    with pytest.raises(Denied, match="refuses the new token"):
        minted(Cloud(refusal=refusal), MAIN)
    assert minted(Cloud(refusal=refusal), replace(MAIN, verify=Verification.NEVER))


def test_a_policy_too_long_for_sts_is_told_before_anything_is_asked() -> None:
    cloud = Cloud()
    with pytest.raises(Invalid, match="registry main: the session policy has"):
        minted(cloud, replace(CHAINED, instance_id="cri-" + "0" * 1000))
    assert cloud.assumed == []
