"""Discovery of clusters as in docs/scenarios.md, with the permissions that it names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acr_refresher.invocation import RunFailed
from demo.company import BEIJING, HOME
from demo.stage import Stage
from localcloud import world
from localcloud.ram_files import kubeconfig_policy, load_policy
from scenarios import by_name, scenario, staged, the_company, without_action
from sites import BrokenSite, Site, only, passwords, results

FOUND = "clusters-discovered"


def with_discovery(there: world.World, *accounts: str) -> world.World:
    """The world in which the cluster roles of these accounts may also discover clusters."""
    may = (load_policy("cluster-discovery.policy"), kubeconfig_policy("*"))
    roles = tuple(
        replace(role, policies=(*role.policies, *may))
        if role.name == "acr-refresher-cluster" and role.account in accounts
        else role
        for role in there.roles
    )
    hangzhou, beijing = there.clusters
    tagged = replace(hangzhou, tags={"acr-refresher": "enabled"})
    return replace(there, roles=roles, clusters=(tagged, beijing))


@pytest.fixture
def there(site: Site) -> world.World:
    return with_discovery(the_company(site), HOME, BEIJING)


def test_discovered_clusters_are_served_under_their_own_names(
    site: Site, there: world.World
) -> None:
    shop = site.namespace("shop")
    web = site.namespace("web", site.beijing, builder=())
    with staged(site, scenario(FOUND), there) as function:
        report = function.timer()
        assert results(report) == {shop: "created", web: "created"}
        assert set(by_name(report)) == {"prod-hangzhou", "prod-beijing"}
        assert "builder" in only(report, web)["serviceAccounts"], "as this section says"
        idle = function.timer()
        assert [cluster["requests"] for cluster in idle["clusters"]] == [3, 3]


def test_the_next_timer_run_serves_a_new_cluster_and_skips_a_cluster_that_is_not_running(
    site: Site, there: world.World
) -> None:
    web = site.namespace("web", site.beijing)
    hangzhou, beijing = there.clusters
    with staged(site, scenario(FOUND), replace(there, clusters=(hangzhou,))) as function:
        assert list(by_name(function.timer())) == ["prod-hangzhou"]
        grow(function, replace(beijing, state="initial"))
        report = function.timer()
        assert report["ok"]
        assert by_name(report)["prod-beijing"]["skipped"] == "its state is initial"
        grow(function, beijing)
        assert results(function.timer()) == {web: "created"}


def grow(function: Stage, cluster: world.AckCluster) -> None:
    """Add this cluster to the cloud from now on, beside the first cluster."""
    there = function.cloud.world
    object.__setattr__(
        function.cloud, "world", replace(there, clusters=(there.clusters[0], cluster))
    )


def test_a_discovered_cluster_that_is_also_configured_is_served_once_as_configured(
    site: Site, there: world.World
) -> None:
    shop = site.namespace("shop")
    document = scenario(FOUND) | {
        "clusters": [{**scenario("cluster-ack")["clusters"][0], "name": "mine"}]
    }
    with staged(site, document, there) as function:
        report = function.timer()
        assert set(by_name(report)) == {"mine", "prod-beijing"}
        assert results(report) == {shop: "created"}


def test_two_clusters_with_the_same_name_are_distinguished_by_their_ids(
    site: Site, there: world.World
) -> None:
    namesake = replace(there.clusters[1], name="prod-hangzhou")
    document = scenario(FOUND)
    with staged(site, document, replace(there, clusters=(there.clusters[0], namesake))) as function:
        names = set(by_name(function.timer()))
        assert names == {f"prod-hangzhou@{cluster.id}" for cluster in (there.clusters[0], namesake)}
        assert set(by_name(function.invoke(clusters=["*@c1d*1"]))) == {
            f"prod-hangzhou@{there.clusters[0].id}"
        }


def test_a_denied_list_fails_alone_and_the_other_clusters_are_served(site: Site) -> None:
    shop = site.namespace("shop")
    only_home = with_discovery(the_company(site), HOME)
    with staged(site, scenario(FOUND), only_home) as function:
        report = function.invoke()
        assert results(report) == {shop: "created"}
        assert report["failing"] == ["discover[1] cn-beijing"]
        failure = by_name(report)["discover[1] cn-beijing"]["failure"]
        assert failure["meaning"] == "denied"
        assert (
            "Allow cs:GetClusters and cs:DescribeClustersV1 and cs:ListClusters"
            in failure["message"]
        )
        with pytest.raises(RunFailed, match=r"discover\[1\] cn-beijing"):
            function.timer()


@pytest.mark.parametrize(
    ("patterns", "served"),
    [(["prod-b*"], ["prod-beijing"]), (["prod-hangzhou"], ["prod-hangzhou"])],
)
def test_an_event_may_name_discovered_clusters(
    site: Site, there: world.World, patterns: list[str], served: list[str]
) -> None:
    with staged(site, scenario(FOUND), there) as function:
        assert list(by_name(function.invoke(clusters=patterns))) == served


def test_an_event_that_matches_no_cluster_is_refused_and_nothing_is_changed(
    site: Site, there: world.World
) -> None:
    shop = site.namespace("shop")
    with staged(site, scenario(FOUND), there) as function:
        with pytest.raises(Exception, match='no cluster matches "prdo-\\*"') as refused:
            function.invoke(clusters=["prod-*", "prdo-*"])
        assert type(refused.value).__name__ == "InvalidEvent"
        assert function.cloud.calls("DescribeClusterUserKubeconfig") == []
    assert passwords(site.hangzhou, shop) == {}


def test_a_pattern_is_not_called_unknown_if_a_list_is_missing(site: Site) -> None:
    with staged(site, scenario(FOUND), with_discovery(the_company(site), HOME)) as function:
        report = function.invoke(clusters=["elsewhere"])
    assert report["failing"] == ["discover[1] cn-beijing"]


@pytest.mark.parametrize("action", ["cs:GetClusters", "cs:DescribeClustersV1", "cs:ListClusters"])
def test_without_a_permission_a_run_fails_and_names_it(broken: BrokenSite, action: str) -> None:
    there = with_discovery(the_company(broken), HOME, BEIJING)
    with staged(broken, scenario(FOUND), without_action(there, action)) as function:
        report = function.invoke()
    assert report["failing"] == ["discover[0] cn-hangzhou", "discover[1] cn-beijing"]
    for outcome in report["clusters"]:
        assert outcome["failure"]["meaning"] == "denied"
        assert action in outcome["failure"]["message"]
