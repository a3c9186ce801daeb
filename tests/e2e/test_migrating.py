"""docs/migrating.md, step by step: pods can pull at any moment."""

from __future__ import annotations

import base64
import json

from localkube import KubeCluster
from sites import MAIN_HOSTS, SECRET, Site, only, passwords, references

HELPERS = "acr-credential-secret-aggregation"
HOST = MAIN_HOSTS[0]


class Pod:
    """A pod of the default service account, with the references at the time of its creation."""

    def __init__(self, cluster: KubeCluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._references = references(cluster, namespace)

    def pulls_with(self) -> set[str]:
        """The existing secrets that the pod can log in with."""
        return {
            name
            for name in self._references
            if HOST in passwords(self._cluster, self._namespace, name)
        }


def test_both_controllers_run_side_by_side_and_then_ours_alone(site: Site) -> None:
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

        # Step 3: no older pod is left.
        site.hangzhou.expect("DELETE", f"/api/v1/namespaces/{shop}/secrets/{HELPERS}")
        assert newer.pulls_with() == Pod(site.hangzhou, shop).pulls_with() == {SECRET}
        unbind_helper(site.hangzhou, shop)
        assert newer.pulls_with() == Pod(site.hangzhou, shop).pulls_with() == {SECRET}

        alone = only(function.timer(), shop)
        assert (alone["result"], alone["warnings"]) == ("unchanged", [])
        assert references(site.hangzhou, shop) == [SECRET]


def test_the_way_back_leaves_the_secrets_of_the_helper_unchanged(site: Site) -> None:
    shop = site.namespace("shop", default=(HELPERS,))
    install_helper(site.hangzhou, shop)
    with site.function() as function:
        function.timer()
    with site.function(watchNamespace=f"{site.prefix}-elsewhere") as function:
        assert only(function.invoke(force=True), shop)["result"] == "removed"
    assert references(site.hangzhou, shop) == [HELPERS]
    assert Pod(site.hangzhou, shop).pulls_with() == {HELPERS}


def test_the_report_counts_namespaces_with_competing_controllers(site: Site) -> None:
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
    """Create what the helper leaves in a namespace, and its binding."""
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
