"""What `check` tries in a cluster, and what it means if the cluster refuses."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

import pytest

from acr_refresher.cli.check_rights import CheckResult, Verdict
from acr_refresher.cli.check_trial import UNCONFINED, try_run
from acr_refresher.core.model import (
    Cluster,
    InClusterAccess,
    SecretContent,
    SecretState,
    ServiceAccountState,
)
from acr_refresher.errors import Conflict, Denied, Gone, Invalid, PortError, Unreachable
from acr_refresher.kube.api import KubernetesApi
from acr_refresher.kube.refusals import CANNOT_DRY_RUN
from acr_refresher.run.ports import AppliedSecret
from factories import NOW, account, credential, secret, wanted
from runs import Kube


@dataclass(eq=False)
class Api(Kube):
    """A cluster that refuses lists or writes with an error, if it is given one."""

    secrets: tuple[SecretState, ...] = ()
    unreadable: PortError | None = None
    refusal: PortError | None = None
    warnings: tuple[str, ...] = ()
    confined: bool = False
    applied: list[tuple[str, str, SecretContent, str | None]] = field(default_factory=list)
    bound: list[ServiceAccountState] = field(default_factory=list)

    async def list_secrets(self, name: str) -> tuple[SecretState, ...]:
        if self.unreadable:
            raise self.unreadable
        return tuple(each for each in self.secrets if each.name == name)

    async def list_service_accounts(self, namespace: str = "") -> tuple[ServiceAccountState, ...]:
        return tuple(account(namespace=each) for each in self.names if namespace in ("", each))

    async def apply_secret(
        self,
        namespace: str,
        name: str,
        content: SecretContent,
        uid: str | None,
        resource_version: str | None = None,
    ) -> AppliedSecret:
        assert resource_version is None
        if self.refusal:
            raise self.refusal
        self.applied.append((namespace, name, content, uid))
        return AppliedSecret(secret(namespace=namespace, name=name), created=uid is None)

    async def is_confined(self, account: ServiceAccountState) -> bool:
        assert account.namespace in self.names
        return self.confined

    async def patch_service_account(self, account: ServiceAccountState) -> ServiceAccountState:
        self.bound.append(account)
        return account


def tried(api: Api, *names: str) -> list[CheckResult]:
    cluster = Cluster(
        "prod", InClusterAccess(), tuple(wanted(name=name, namespaces=("*",)) for name in names)
    )
    results = asyncio.run(try_run("cluster prod", cluster, cast("KubernetesApi", api), NOW))
    assert {each.subject for each in results} == {"cluster prod"}
    return list(results)


def test_each_pull_secret_is_written_and_bound_in_one_namespace() -> None:
    api = Api(("one", "two"))
    results = tried(api, "acr-pull", "other")
    assert {each.verdict for each in results} == {Verdict.OK}
    assert [each.what for each in results] == [
        "list namespaces, secrets and service accounts",
        "write acr-pull in one (dry run)",
        "bind service account default in one (dry run)",
        "write other in one (dry run)",
        "bind service account default in one (dry run)",
        UNCONFINED,
    ]
    assert [written[:2] for written in api.applied] == [("one", "acr-pull"), ("one", "other")]
    assert [each.image_pull_secrets for each in api.bound] == [("acr-pull",), ("other",)]


def test_a_placeholder_stands_for_every_login() -> None:
    """Also for those in a secret that is there: the check needs no token."""
    api = Api(("one",), secrets=(secret(credential(password="hunter2"), namespace="one"),))
    tried(api, "acr-pull")
    ((_, _, content, uid),) = api.applied
    assert uid == api.secrets[0].uid
    document = content.dockerconfigjson.get_secret_value()
    assert "registry-0.invalid" in document
    assert "hunter2" not in document
    assert [entry.hosts for entry in content.entries] == [("registry-0.invalid",)]


def test_a_secret_that_must_be_replaced_is_not_tried() -> None:
    there = secret(credential(), namespace="one", immutable=True)
    api = Api(("one", "two"), secrets=(there,))
    assert tried(api, "acr-pull")[1].what == "write acr-pull in two (dry run)"
    without = Api(("one",), secrets=(there,))
    _, result, _ = tried(without, "acr-pull")
    assert (result.verdict, without.applied) == (Verdict.WARNING, [])
    assert result.why == "no namespace that the configuration selects can be used to try it"


def test_a_list_that_fails_is_told_and_nothing_else_is_tried() -> None:
    error = Unreachable("cannot decrypt", retryable=False, service="kube")
    api = Api(unreadable=error)
    (result,) = tried(api, "acr-pull")
    assert (result.verdict, result.why) == (Verdict.UNREACHABLE, "cannot decrypt")
    assert api.applied == []


@pytest.mark.parametrize(
    ("refusal", "verdict"),
    [
        (Denied("denied by quota small", service="kube"), Verdict.MISSING),
        (Invalid("malformed", service="kube"), Verdict.MISSING),
        (Unreachable("webhook fails", retryable=False, service="kube"), Verdict.UNREACHABLE),
        (Conflict("changed", service="kube"), Verdict.WARNING),
        (Gone("deleted", service="kube"), Verdict.WARNING),
        (Invalid(f"admission webhook a {CANNOT_DRY_RUN}", service="kube"), Verdict.WARNING),
    ],
)
def test_a_refused_write_has_a_verdict(refusal: PortError, verdict: Verdict) -> None:
    api = Api(("one",), refusal=refusal)
    _, written, bound, _ = tried(api, "acr-pull")
    assert (written.verdict, written.why) == (verdict, str(refusal))
    assert bound.verdict is Verdict.OK


def test_warnings_of_the_api_server_are_shown() -> None:
    *_, result = tried(Api(("one",), warnings=("the API server warns: soon",)), "acr-pull")
    assert (result.verdict, result.why) == (Verdict.WARNING, "the API server warns: soon")


@pytest.mark.parametrize(
    ("confined", "what"), [(True, "writes confined by admission policies"), (False, UNCONFINED)]
)
def test_the_check_shows_whether_policies_confine_the_function(confined: bool, what: str) -> None:
    *_, result = tried(Api(("one",), confined=confined), "acr-pull")
    assert (result.what, result.verdict) == (what, Verdict.OK)
