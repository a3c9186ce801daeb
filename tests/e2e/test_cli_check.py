"""`acr-refresher check`: what is missing is found, and what it prints to paste mends it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
import yaml
from typer.testing import Result

from demo.company import FUNCTION_ROLE, PARTNER, PREFIX, REGION, company
from demo.stage import Stage, deployed
from localcloud import authorization, cr
from localcloud.cloud import Cloud
from localcloud.faults import ApiError, BadGateway
from localcloud.server import serving
from localcloud.world import World
from localkube import KubeCluster
from localkube.double import Fault
from localkube.rbac import USER, manifests
from operators import command, printed_secrets
from pasting import allowing, changed, distrusting, mended
from scenarios import scenario, staged, without_action
from sites import CLUSTERS, REGISTRIES, BrokenSite, Site, config_of

CLUSTER_ROLE = "acs:ram::1000000000000001:role/acr-refresher-cluster"
PARTNER_ROLE = f"acs:ram::{PARTNER}:role/{PREFIX}registry"
RIGHTS = [
    (resource, verb)
    for rule in manifests()[0]["rules"]
    for resource in rule["resources"]
    for verb in rule["verbs"]
]


def there(site: Site) -> World:
    return company({"prod-hangzhou": site.hangzhou, "prod-beijing": site.beijing})


@contextmanager
def function_in(
    world: World,
    site: Site,
    clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    **of_registries: Any,
) -> Iterator[Stage]:
    clusters = {"prod-hangzhou": site.hangzhou, "prod-beijing": site.beijing}
    cloud = Cloud(world, clock=clock)
    registries = [{**registry, **of_registries} for registry in REGISTRIES]
    text = config_of({"watchNamespace": f"{site.prefix}-*"}, registries)
    with serving(cloud) as url, deployed(cloud, url, clusters, text) as function:
        yield function


def checked(world: World, site: Site, **of_registries: Any) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and what is missing."""
    with function_in(world, site, **of_registries) as function:
        result = command(function, "check", "-o", "json")
    return result.exit_code, missing_in(result)


def missing_in(result: Result) -> list[dict[str, Any]]:
    found = json.loads(result.stdout)["findings"]
    return [each for each in found if each["verdict"] == "missing"]


def test_where_nothing_is_missing(site: Site) -> None:
    shop = site.namespace("shop")
    with site.function() as function:
        result = command(function, "check")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert (result.exit_code, result.stderr, printed_secrets(function, result)) == (0, "", [])
    assert f"ok {FUNCTION_ROLE}" in lines
    assert len(function.cloud.calls("GetCallerIdentity")) == 1
    assert f"ok assume {CLUSTER_ROLE}" in lines
    assert lines.count("ok cr:GetAuthorizationToken") == 2
    assert lines.count("ok cs:DescribeClusterUserKubeconfig") == 2
    assert lines.count("ok reach the API server") == 2
    assert lines.count("ok patch secrets acr-pull") == 2
    assert "missing" not in lines[-1]
    assert site.hangzhou.get_secret(shop, "acr-pull") is None


@pytest.mark.parametrize(
    "action",
    [
        "cr:GetAuthorizationToken",
        "cr:ListInstanceEndpoint",
        "cs:DescribeClusterUserKubeconfig",
        "cs:GetUserConfig",
        "sts:AssumeRole",
    ],
)
def test_a_missing_permission_is_found_and_what_is_printed_mends_it(
    broken: BrokenSite, action: str
) -> None:
    world = without_action(there(broken), action)
    code, missing = checked(world, broken)
    assert (code, bool(missing)) == (1, True)
    assert all("denied" in each["why"] or "either" in each["why"] for each in missing)
    assert checked(mended(world, missing), broken) == (0, [])


def test_a_refusal_of_what_no_document_names_says_what_to_try(
    broken: BrokenSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cloud that checks cr:ListInstanceEndpoint on `*` only."""
    differently = replace(authorization.LIST_REGISTRY_ENDPOINTS, resources=("*",))
    monkeypatch.setattr(cr, "LIST_REGISTRY_ENDPOINTS", differently)
    code, missing = checked(there(broken), broken)
    assert (code, {each["what"] for each in missing}) == (1, {"cr:ListInstanceEndpoint"})
    words = "No document names the resource of cr:ListInstanceEndpoint."
    assert all(words in each["why"] for each in missing)
    assert all("still refused, allow it on *, and set" in each["why"] for each in missing)
    everywhere = {"Effect": "Allow", "Action": "cr:ListInstanceEndpoint", "Resource": "*"}
    world = there(broken)
    for arn in (FUNCTION_ROLE, PARTNER_ROLE):
        world = changed(world, arn, partial(allowing, statement=everywhere))
    assert checked(world, broken, sessionPolicy=False) == (0, [])


def test_missing_trust_is_found_and_what_is_printed_mends_it(broken: BrokenSite) -> None:
    world = there(broken)
    stranger = "acs:ram::9999999999999999:role/stranger"
    world = changed(world, CLUSTER_ROLE, lambda role: distrusting(role, RAM=[stranger]))
    code, missing = checked(world, broken)
    assert code == 1
    assert f"The trust policy of {CLUSTER_ROLE} lacks this caller" in missing[0]["why"]
    assert FUNCTION_ROLE in missing[0]["grants"][1]["text"]
    assert checked(mended(world, missing), broken) == (0, [])


@pytest.mark.parametrize(("resource", "verb"), RIGHTS)
def test_a_missing_right_is_found_and_what_is_printed_mends_it(
    broken: BrokenSite, resource: str, verb: str
) -> None:
    role, binding = manifests()
    for rule in role["rules"]:
        if resource in rule["resources"]:
            rule["verbs"] = [each for each in rule["verbs"] if each != verb]
    role["rules"] = [rule for rule in role["rules"] if rule["verbs"]]  # a rule needs a verb
    broken.hangzhou.grant(USER, [role, binding])
    code, (missing,) = checked(there(broken), broken)
    assert (code, missing["subject"]) == (1, "cluster prod-hangzhou")
    assert missing["what"].split()[:2] == [verb, resource]
    (grant,) = missing["grants"]
    assert grant["where"] == "the rules of the ClusterRole acr-refresher"
    role["rules"] += yaml.safe_load(grant["text"])
    broken.hangzhou.grant(USER, [role, binding])
    assert checked(there(broken), broken) == (0, [])


def unbind(cluster: KubeCluster) -> None:
    """Take away the binding, and wait until the server acts upon that."""
    path = f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{USER}"
    cluster.expect("DELETE", path)
    while cluster.request("GET", "/api/v1/namespaces", as_user=USER).status != 403:
        time.sleep(0.02)


def test_a_missing_binding_is_found_and_what_is_printed_mends_it(site: Site) -> None:
    """The ClusterRole is in place, and adding rules to it would mend nothing."""
    file = {"name": "prod-hangzhou", "kubeconfig": "kubeconfigs/prod-hangzhou.yaml"}
    unbind(site.hangzhou)
    with site.function(config_of({}, clusters=[file, CLUSTERS[1]])) as function:
        broken = command(function, "check", "-o", "json")
        text = command(function, "check").stdout
        (missing,) = missing_in(broken)
        (grant,) = missing["grants"]
        site.hangzhou.grant(USER, [json.loads(grant["text"])])
        mended = command(function, "check")
    assert (broken.exit_code, missing["subject"]) == (1, "cluster prod-hangzhou")
    assert f"user {USER} has none of the rights: the ClusterRole is not granted" in missing["why"]
    assert grant["where"] == "the cluster (kubectl apply -f -)"
    assert "rules of" not in text
    assert mended.exit_code == 0


def test_on_ack_a_missing_grant_is_found_and_told_as_ack_takes_it(broken: BrokenSite) -> None:
    unbind(broken.hangzhou)
    code, (missing,) = checked(there(broken), broken)
    (grant,) = missing["grants"]
    assert (code, missing["what"]) == (1, "the ClusterRole acr-refresher")
    assert grant["where"].startswith(f"all that ACK grants {CLUSTER_ROLE}")
    assert json.loads(grant["text"])["cluster"] == CLUSTERS[0]["clusterId"]


def test_a_cluster_that_cannot_be_reached_is_told_and_the_rest_is_tried(
    broken: BrokenSite,
) -> None:
    broken.hangzhou.faults.add(Fault("POST", "selfsubject", status=503, times=None))
    with function_in(there(broken), broken) as function:
        result = command(function, "check", "-o", "json")
    (each,) = (
        each
        for each in json.loads(result.stdout)["findings"]
        if each["verdict"] != "ok" and each["verdict"] != "warning"
    )
    assert (result.exit_code, each["verdict"]) == (1, "unreachable")
    assert (each["subject"], each["what"]) == ("cluster prod-hangzhou", "reach the API server")
    assert (each["grants"], "503" in each["why"]) == ([], True)


def test_a_cloud_that_cannot_be_reached_is_not_told_as_missing_rights(broken: BrokenSite) -> None:
    with function_in(there(broken), broken) as function:
        for action in ("GetCallerIdentity", "AssumeRole", "GetAuthorizationToken"):
            function.cloud.faults.inject(action, BadGateway(), times=None)
        result = command(function, "check")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert "unreachable sts:GetCallerIdentity" in lines
    assert f"unreachable assume {CLUSTER_ROLE}" in lines
    assert "missing" not in result.stdout
    assert "add to" not in result.stdout
    assert f"sts.{REGION}.aliyuncs.com gave an answer that is not the API's" in result.stdout


def test_credentials_that_are_no_good_give_nothing_to_paste(broken: BrokenSite) -> None:
    with function_in(there(broken), broken) as function:
        unknown = ApiError(404, "InvalidAccessKeyId.NotFound")
        for action in ("GetCallerIdentity", "AssumeRole"):
            function.cloud.faults.inject(action, unknown, times=None)
        result = command(function, "check")
    assert result.exit_code == 1
    assert "  missing  sts:GetCallerIdentity" in result.stdout
    assert "the caller's access key is unknown, disabled or expired: get a new one" in result.stdout
    assert "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET" in result.stdout
    assert "the function's role" not in result.stdout
    assert "add to" not in result.stdout


def test_a_wrong_clock_is_found(broken: BrokenSite) -> None:
    def ahead() -> datetime:
        return datetime.now(timezone.utc) + timedelta(minutes=5)

    with function_in(there(broken), broken, ahead) as function:
        result = command(function, "check")
    assert result.exit_code == 1
    assert re.search(
        r"missing +(299|300|301) s between the time here and in the cloud", result.stdout
    )


def test_one_cluster_is_checked_with_its_registries_alone(broken: BrokenSite) -> None:
    with broken.function() as function:
        result = command(function, "check", "--cluster", "prod-h*")
    assert result.exit_code == 0
    assert "prod-beijing" not in result.stdout
    assert "registry partner" in result.stdout


def test_lists_of_clusters_are_tried(broken: BrokenSite) -> None:
    with staged(broken, scenario("clusters-discovered")) as function:
        result = command(function, "check")
    assert result.exit_code == 1
    assert re.search("missing +cs:DescribeClustersV1", result.stdout)
    assert (
        '"Action": ["cs:GetClusters", "cs:DescribeClustersV1", "cs:ListClusters"]' in result.stdout
    )


def test_what_personal_edition_does_not_need_is_not_told_as_tried(broken: BrokenSite) -> None:
    with staged(broken, scenario("registry-personal-edition")) as function:
        result = command(function, "check")
    assert "cr:GetAuthorizationToken" in result.stdout
    assert "cr:ListInstanceEndpoint" not in result.stdout


def test_a_kubeconfig_that_is_a_secret_is_tried(broken: BrokenSite) -> None:
    with staged(broken, scenario("cluster-kms-secret")) as function:
        result = command(function, "check")
    assert result.exit_code == 1
    assert re.search("missing +kms:GetSecretValue", result.stdout)
