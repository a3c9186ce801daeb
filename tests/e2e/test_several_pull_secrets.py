"""Several pull secrets in one cluster, each with its own registries, namespaces and accounts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from localkube import KubeCluster
from localkube.double import Fault
from sites import (
    CLUSTERS,
    MAIN_HOSTS,
    OUR_BINDING,
    PARTNER_HOSTS,
    BrokenSite,
    Site,
    clear_secrets,
    config_of,
    passwords,
    references,
)

OURS, THEIRS = "main-pull", "partner-pull"


@pytest.fixture
def both(site: Site) -> Iterator[Site]:
    """A site on which the function may write only Secrets of these two names."""
    with writing_both(site.hangzhou):
        yield site


@contextmanager
def writing_both(cluster: KubeCluster) -> Iterator[None]:
    """Restore rights and remove the Secrets afterwards, because the clusters are shared."""
    cluster.apply_rbac(secret_names=[OURS, THEIRS])
    yield
    clear_secrets(cluster)
    cluster.apply_rbac()


def config(site: Site, theirs: str = "shop") -> str:
    pull_secrets = [
        {"secretName": OURS, "registries": ["main"], "serviceAccount": "*"},
        {
            "secretName": THEIRS,
            "registries": ["partner"],
            "watchNamespace": f"{site.prefix}-{theirs}",
        },
    ]
    cluster = {**CLUSTERS[0], "pullSecrets": pull_secrets}
    return config_of({"watchNamespace": f"{site.prefix}-*"}, clusters=[cluster])


def held(cluster: KubeCluster, namespace: str) -> dict[str, list[str]]:
    names = {name: sorted(passwords(cluster, namespace, name)) for name in (OURS, THEIRS)}
    return {name: hosts for name, hosts in names.items() if hosts}


def test_each_pull_secret_has_its_registries_namespaces_and_accounts(both: Site) -> None:
    shop = both.namespace("shop", default=("docker-hub",), builder=())
    web = both.namespace("web")
    with both.function(config(both)) as function:
        report = function.timer()
    assert report["ok"]
    assert held(both.hangzhou, shop) == {OURS: MAIN_HOSTS, THEIRS: PARTNER_HOSTS}
    assert held(both.hangzhou, web) == {OURS: MAIN_HOSTS}
    assert references(both.hangzhou, shop) == ["docker-hub", OURS, THEIRS]
    assert references(both.hangzhou, shop, "builder") == [OURS]
    reported = [
        (secret["namespace"], secret["secret"]) for secret in report["clusters"][0]["secrets"]
    ]
    assert sorted(reported) == [(shop, OURS), (shop, THEIRS), (web, OURS)]


def test_two_pull_secrets_bind_the_same_account_without_a_conflict(both: Site) -> None:
    """Requests are lists, and a write and a binding per pull secret. Nothing is read again."""
    for name in ("shop", "web"):
        both.namespace(name)
    with both.function(config(both, theirs="*")) as function:
        first = function.timer()["clusters"][0]
        idle = function.timer()["clusters"][0]
    assert first["requests"] == 4 + 2 * 2 * 2
    assert idle["requests"] == 4  # namespaces, service accounts, and Secrets by each name


def test_a_pull_secret_is_removed_from_a_namespace_and_the_other_is_kept(both: Site) -> None:
    shop, *kept = (both.namespace(name) for name in ("shop", "k1", "k2", "k3"))
    with both.function(config(both, theirs="*")) as function:
        function.timer()
    with both.function(config(both, theirs="k*")) as function:
        report = function.timer()
    results = {
        (secret["namespace"], secret["secret"]): secret["result"]
        for secret in report["clusters"][0]["secrets"]
    }
    assert results[shop, THEIRS] == "removed"
    assert results[shop, OURS] == "unchanged"
    assert references(both.hangzhou, shop) == [OURS]
    assert all(references(both.hangzhou, name) == [OURS, THEIRS] for name in kept)


def test_a_request_for_one_registry_rotates_only_its_pull_secret(both: Site) -> None:
    shop = both.namespace("shop")
    with both.function(config(both)) as function:
        function.timer()
        before = passwords(both.hangzhou, shop, OURS)
        cluster = function.invoke(registries=["partner"], force=True)["clusters"][0]
    assert [secret["secret"] for secret in cluster["secrets"]] == [THEIRS]
    assert cluster["requests"] == 3 + 1
    assert passwords(both.hangzhou, shop, OURS) == before


def test_a_reference_that_somebody_adds_between_two_bindings_is_kept(broken: BrokenSite) -> None:
    """The second binding finds a stale version of the account, so the account is read again."""
    shop = broken.namespace("shop")
    account = f"/api/v1/namespaces/{shop}/serviceaccounts/default"

    def bind_theirs() -> None:
        both_so_far = [{"name": OURS}, {"name": "theirs"}]
        merge = "application/merge-patch+json"
        broken.hangzhou.expect(
            "PATCH", account, {"imagePullSecrets": both_so_far}, content_type=merge
        )

    broken.hangzhou.faults.add(Fault("PATCH", OUR_BINDING))
    broken.hangzhou.faults.add(Fault("PATCH", OUR_BINDING, meanwhile=bind_theirs))
    with writing_both(broken.hangzhou), broken.function(config(broken)) as function:
        assert function.timer()["ok"]
    assert references(broken.hangzhou, shop) == [OURS, "theirs", THEIRS]
