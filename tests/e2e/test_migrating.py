"""docs/migrating.md, step by step: whoever pulls can pull at any moment."""

from __future__ import annotations

import base64
import json

from localkube import KubeCluster
from sites import MAIN_HOSTS, SECRET, Site, only, passwords, references

HELPERS = "acr-credential-secret-aggregation"
HOST = MAIN_HOSTS[0]


class Pod:
    """A pod of the default service account, with the references that it had when it was made."""

    def __init__(self, cluster: KubeCluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._references = references(cluster, namespace)

    def pulls_with(self) -> set[str]:
        """The secrets it can log in with. Those that are not there are passed over."""
        return {
            name
            for name in self._references
            if HOST in passwords(self._cluster, self._namespace, name)
        }


def test_both_side_by_side_then_ours_alone(site: Site) -> None:
    shop = site.namespace("shop", default=(HELPERS,))
    install_helper(site.hangzhou, shop)
    older = Pod(site.hangzhou, shop)
    with site.function() as function:
        both = only(function.timer(), shop)
        assert both["result"] == "created"
        assert "docs/migrating.md" in both["warnings"][0]
        newer = Pod(site.hangzhou, shop)
        assert (older.pulls_with(), newer.pulls_with()) == ({HELPERS}, {HELPERS, SECRET})

        assert only(function.invoke(force=True), shop)["result"] == "renewed"
        assert (older.pulls_with(), newer.pulls_with()) == ({HELPERS}, {HELPERS, SECRET})

        # Step 3: there is no older pod any more.
        site.hangzhou.expect("DELETE", f"/api/v1/namespaces/{shop}/secrets/{HELPERS}")
        assert newer.pulls_with() == Pod(site.hangzhou, shop).pulls_with() == {SECRET}
        unbind_helper(site.hangzhou, shop)
        assert newer.pulls_with() == Pod(site.hangzhou, shop).pulls_with() == {SECRET}

        alone = only(function.timer(), shop)
        assert (alone["result"], alone["warnings"]) == ("unchanged", [])
        assert references(site.hangzhou, shop) == [SECRET]


def test_the_way_back_leaves_the_helpers_as_they_were(site: Site) -> None:
    shop = site.namespace("shop", default=(HELPERS,))
    install_helper(site.hangzhou, shop)
    with site.function() as function:
        function.timer()
    with site.function(watchNamespace=f"{site.prefix}-elsewhere") as function:
        assert only(function.invoke(force=True), shop)["result"] == "removed"
    assert references(site.hangzhou, shop) == [HELPERS]
    assert Pod(site.hangzhou, shop).pulls_with() == {HELPERS}


def test_a_cluster_counts_its_namespaces_with_two_writers(site: Site) -> None:
    names = [site.namespace(name, default=(HELPERS,)) for name in ("a", "b")]
    alone = site.namespace("c")
    with site.function() as function:
        function.timer()
        idle = function.timer()
    assert idle["clusters"][0]["requests"] == 3
    assert {name: len(only(idle, name)["warnings"]) for name in (*names, alone)} == {
        names[0]: 1,
        names[1]: 1,
        alone: 0,
    }


def install_helper(cluster: KubeCluster, namespace: str) -> None:
    """What the helper leaves in a namespace beside its binding."""
    auth = base64.b64encode(b"cr_temp_user:the helper's").decode()
    document = json.dumps({"auths": {host: {"auth": auth} for host in MAIN_HOSTS}})
    kind = "kubernetes.io/dockerconfigjson"
    cluster.create_secret(namespace, HELPERS, type=kind, stringData={".dockerconfigjson": document})


def unbind_helper(cluster: KubeCluster, namespace: str) -> None:
    kept = [name for name in references(cluster, namespace) if name != HELPERS]
    cluster.expect(
        "PATCH",
        f"/api/v1/namespaces/{namespace}/serviceaccounts/default",
        {"imagePullSecrets": [{"name": name} for name in kept]},
        content_type="application/merge-patch+json",
    )
