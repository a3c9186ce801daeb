"""A warm instance keeps one open kubeconfig per cluster, however often kubeconfigs are renewed."""

from __future__ import annotations

import gc
import ssl
from dataclasses import replace

import pytest
from pydantic import SecretStr

from acr_refresher.errors import Invalid
from acr_refresher.kube import kept as kube_kept
from acr_refresher.kube.kept import OpenKubeconfigs
from acr_refresher.kube.kubeconfig import kubeconfig_of
from acr_refresher.run.ports import Kubeconfig
from acr_refresher.settings import SETTINGS
from adapters.kubeapi import encoded
from localkube.pki import Authority

AUTHORITY = Authority()
CLIENT = AUTHORITY.client_certificate("function")
OTHER_CA = Authority("other").pem


def kubeconfig(cluster: str = "a", renewal: int = 0) -> Kubeconfig:
    """A temporary kubeconfig. Each renewal issues another document."""
    user = {
        "client-certificate-data": encoded(f"# {renewal}\n{CLIENT.certificate}"),
        "client-key-data": encoded(CLIENT.key),
    }
    server = f"https://{cluster}.example.com:6443"
    cluster_fields = {"server": server, "certificate-authority-data": encoded(AUTHORITY.pem)}
    return kubeconfig_of(cluster_fields, user)


def contexts() -> int:
    gc.collect()
    return sum(isinstance(each, ssl.SSLContext) for each in gc.get_objects())


def test_two_thousand_renewed_kubeconfigs_leave_one_context_per_cluster() -> None:
    kept, before = OpenKubeconfigs(), contexts()
    clusters = "abcdef"
    for renewal in range(334):
        for cluster in clusters:
            kept.open(kubeconfig(cluster, renewal), cluster=cluster)
        if renewal == 0:
            assert contexts() - before == len(clusters)
    assert contexts() - before == len(clusters)


def test_a_kubeconfig_is_opened_once() -> None:
    kept = OpenKubeconfigs()
    opened = kept.open(kubeconfig(), cluster="a")
    assert kept.open(kubeconfig(), cluster="a") is opened
    assert kept.open(kubeconfig("b"), cluster="b") is not opened
    assert kept.open(kubeconfig(), cluster="a") is opened


def test_another_kubeconfig_proxy_or_authority_is_opened_again() -> None:
    kept = OpenKubeconfigs()
    proxied = {"proxy_url": SecretStr("http://10.0.0.9:3128")}
    opened = [
        kept.open(kubeconfig(), cluster="a"),
        kept.open(kubeconfig(renewal=1), cluster="a"),
        kept.open(kubeconfig(renewal=1), cluster="a", proxy_url=proxied["proxy_url"]),
        kept.open(kubeconfig(renewal=1), cluster="a", ca_pem=OTHER_CA),
    ]
    assert len(set(map(id, opened))) == len(opened)
    assert opened[2].access.proxy_url == proxied["proxy_url"]


def test_the_cluster_that_was_visited_longest_ago_is_dropped_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kube_kept, "SETTINGS", replace(SETTINGS, open_kubeconfigs_kept=2))
    kept = OpenKubeconfigs()
    first, second = (kept.open(kubeconfig(name), cluster=name) for name in "ab")
    kept.open(kubeconfig("a"), cluster="a")
    kept.open(kubeconfig("c"), cluster="c")
    assert kept.open(kubeconfig("a"), cluster="a") is first
    assert kept.open(kubeconfig("b"), cluster="b") is not second


def test_a_kubeconfig_that_cannot_be_opened_replaces_the_one_before() -> None:
    kept = OpenKubeconfigs()
    kept.open(kubeconfig(), cluster="a")
    before = contexts()
    with pytest.raises(Invalid):
        kept.open(Kubeconfig(SecretStr("{}")), cluster="a")
    assert contexts() == before - 1


def test_without_the_name_of_a_cluster_nothing_is_kept() -> None:
    kept = OpenKubeconfigs()
    assert kept.open(kubeconfig()) is not kept.open(kubeconfig())
