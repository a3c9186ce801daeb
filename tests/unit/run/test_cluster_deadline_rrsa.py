"""With RRSA a cluster is asked for its identity: that is its own time, and what follows is not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from acr_refresher.config.load import Config
from acr_refresher.core.model import (
    Cluster,
    KubeconfigAccess,
    PullSecret,
    Registry,
    Role,
    Rrsa,
    SecretContent,
)
from acr_refresher.core.report import Report
from acr_refresher.core.request import RunContext
from acr_refresher.errors import Unreachable
from acr_refresher.run.ports import AppliedSecret, CloudCredentials, RegistryToken, Sts
from acr_refresher.run.run import run
from factories import MAIN, NOW, request, wanted
from runs import NEVER, Fleet, Kube, Registries
from virtual_time import VirtualTime, in_virtual_time

RRSA = Rrsa("acs:ram::7:role/rrsa", "acs:ram::7:oidc-provider/ack-rrsa-c1")
OURS = Registry("ours", "cri-ours", "cn-beijing", rrsa=RRSA)
OTHER = replace(OURS, name="other", instance_id="cri-other")
LATE = replace(MAIN, name="late", instance_id="cri-late")


@dataclass(eq=False)
class WithIdentity(Kube):
    """A cluster that issues tokens, so many seconds after it is asked."""

    takes: float = 0

    async def service_account_token(
        self, namespace: str, name: str, audience: str, duration: timedelta
    ) -> SecretStr:
        del namespace, name, audience, duration
        await asyncio.sleep(self.takes)
        return SecretStr("identity")


@dataclass
class Cloud(Registries, Sts):
    """Takes so many seconds for a token of a registry that is named; `silent` gives none at all."""

    takes: dict[str, float]
    silent: str = ""

    async def assume_role(
        self,
        caller: CloudCredentials,
        role: Role,
        session_name: str,
        duration: timedelta,
        policy: str = "",
    ) -> CloudCredentials:
        raise NotImplementedError

    async def assume_role_with_oidc(
        self, rrsa: Rrsa, token: SecretStr, session_name: str, duration: timedelta, policy: str = ""
    ) -> CloudCredentials:
        del rrsa, token, session_name, duration, policy
        return CloudCredentials("ak", SecretStr("secret"))

    async def token(self, caller: CloudCredentials, registry: Registry) -> RegistryToken:
        await asyncio.sleep(self.takes.get(registry.name, 0))
        if registry.name == self.silent:
            raise Unreachable("no answer in time", service="cr")
        return await super().token(caller, registry)


def everywhere(registry: Registry) -> PullSecret:
    return wanted(registry, namespaces=("all",), name=f"acr-{registry.name}")


def served(kube: Kube, cloud: Cloud, *registries: Registry) -> tuple[Report, float]:
    """A run over one cluster with a pull secret for each registry, and how long it took."""
    secrets = tuple(map(everywhere, registries))
    config = Config((Cluster("a", KubeconfigAccess("a"), secrets),), (), concurrency=8)
    dependencies = replace(Fleet({"a": kube}).dependencies(), sts=cloud, registry_api=cloud)
    context = RunContext(run="run-7", request=request(), now=NOW, budget=timedelta(minutes=5))

    async def serve(loop: VirtualTime) -> tuple[Report, float]:
        return await run(context, config, dependencies), loop.time()

    with capture_logs():
        return in_virtual_time(serve)


def outcomes(report: Report) -> dict[str, str]:
    return {each.secret: each.result.value for each in report.clusters[0].secrets}


def test_a_registry_that_is_silent_does_not_keep_a_clusters_other_secrets_from_being_written() -> (
    None
):
    cloud = Cloud({"ours": 8}, silent="ours")
    report, took = served(WithIdentity(), cloud, MAIN, OURS)
    assert took > 20, "all attempts together take longer than a cluster's own time"
    assert outcomes(report) == {"acr-main": "created", "acr-ours": "failed"}


def test_waiting_for_the_cloud_is_not_the_clusters_own_time() -> None:
    report, _ = served(WithIdentity(takes=3), Cloud({"ours": 60, "other": 90}), OURS, OTHER)
    assert set(outcomes(report).values()) == {"created"}
    assert report.ok


def test_a_cluster_that_issues_no_identity_still_gets_the_logins_that_need_none() -> None:
    """In one secret or in another: the identity takes half of the cluster's time at most."""
    report, took = served(WithIdentity(takes=NEVER), Cloud({}), OURS, MAIN)
    assert took == pytest.approx(10, abs=0.1)
    assert outcomes(report) == {"acr-ours": "failed", "acr-main": "created"}
    [failure] = report.clusters[0].secrets[0].failures
    assert (failure.meaning, failure.code) == ("unreachable", "Deadline")
    assert failure.subject == "registry ours"
    assert (
        "the cluster issued no token for service account kube-system/aliyun-acr-credential-helper"
        " within 10.0 s" in failure.message
    )


def test_identities_that_a_cluster_does_not_issue_take_their_time_together() -> None:
    report, took = served(WithIdentity(takes=NEVER), Cloud({"main": 120}), OURS, OTHER, MAIN)
    assert took == pytest.approx(120, abs=0.1)
    assert outcomes(report) == {
        "acr-ours": "failed",
        "acr-other": "failed",
        "acr-main": "created",
    }


def test_a_registry_that_stalls_leaves_time_to_write_the_other_logins() -> None:
    """Whatever stalls, for however long: 300 s, less 5 s to wind up and 20 s to write."""
    report, took = served(WithIdentity(), Cloud({"ours": NEVER}), OURS, MAIN)
    assert took == pytest.approx(275, abs=0.1)
    assert outcomes(report) == {"acr-ours": "failed", "acr-main": "created"}
    [failure] = report.clusters[0].secrets[0].failures
    assert (failure.code, failure.subject) == ("Deadline", "registry ours")
    assert failure.message.startswith("no token within 275 s")


@dataclass
class Watched(Cloud):
    """Remembers when a token that was asked for was no longer waited for."""

    given_up: dict[str, float] = field(default_factory=dict)

    async def token(self, caller: CloudCredentials, registry: Registry) -> RegistryToken:
        try:
            return await super().token(caller, registry)
        except asyncio.CancelledError:
            self.given_up[registry.name] = asyncio.get_running_loop().time()
            raise


def test_a_token_that_is_given_up_is_no_longer_asked_for() -> None:
    """Unless another cluster waits for it."""
    cloud = Watched({"ours": NEVER})
    served(WithIdentity(), cloud, OURS, MAIN)
    assert cloud.given_up == {"ours": pytest.approx(275, abs=0.1)}


@dataclass(eq=False)
class Timed(Kube):
    """Remembers when something was written first."""

    first: float | None = None

    async def apply_secret(
        self,
        namespace: str,
        name: str,
        content: SecretContent,
        uid: str | None,
        resource_version: str | None = None,
    ) -> AppliedSecret:
        if self.first is None:
            self.first = asyncio.get_running_loop().time()
        return await super().apply_secret(namespace, name, content, uid, resource_version)


def test_all_tokens_are_minted_before_the_first_secret_is_written() -> None:
    """So a slow token does not come in the midst of a cluster's writes, which its time counts."""
    kube = Timed()
    report, _ = served(kube, Cloud({"late": 30}), MAIN, LATE)
    assert set(outcomes(report).values()) == {"created"}
    assert kube.first == 30
