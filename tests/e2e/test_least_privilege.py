"""Runs have exactly infra/ram and infra/rbac. Without one permission, the run names it."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.company import FAILED_RUNS, HOME, LOG_PROJECT, REGION, company
from demo.platform import S_FC2_YAML, S_YAML
from demo.stage import Stage, deployed
from fleets import fleet
from localcloud.cloud import Cloud
from localcloud.ram_files import POLICY_DIRECTORY
from localcloud.server import serving
from localcloud.world import Role, World
from localkube.double import Fault
from localkube.rbac import USER, manifests
from sites import OUR_BINDING, BrokenSite, Site, config_of

# ---- RAM -----------------------------------------------------------------------------------------

ACTIONS = {
    "sts:AssumeRole": ("function", "sts:AssumeRole"),
    "cr:GetAuthorizationToken, own account": ("function", "cr:GetAuthorizationToken"),
    "cr:ListInstanceEndpoint, own account": ("function", "cr:ListInstanceEndpoint"),
    "cr:GetAuthorizationToken, other account": ("registry", "cr:GetAuthorizationToken"),
    "cr:ListInstanceEndpoint, other account": ("registry", "cr:ListInstanceEndpoint"),
    "cs:DescribeClusterUserKubeconfig": ("cluster", "cs:DescribeClusterUserKubeconfig"),
    "cs:GetUserConfig": ("cluster", "cs:GetUserConfig"),
}
"""The policies of the company's cloud, by their owner."""

FAILING = "test_without_an_action_a_run_fails_and_names_it"
TRIED = {
    "function-role": {"sts:AssumeRole": FAILING},
    "cluster-account-role": {
        "cs:DescribeClusterUserKubeconfig": FAILING,
        "cs:GetUserConfig": FAILING,
    },
    "registry-account-role": {
        "cr:GetAuthorizationToken": FAILING,
        "cr:ListInstanceEndpoint": FAILING,
        "cr:PullRepository": "test_a_token_that_the_registry_refuses_is_not_written",
    },
    "personal-edition": {
        "cr:GetAuthorizationToken": "test_without_its_permission_personal_edition_fails",
        "cr:PullRepository": "test_a_token_of_personal_edition_that_pulls_nothing_is_not_written",
    },
    "rrsa-role": {"sts:AssumeRole": "test_without_permission_to_assume_the_registry_role_it_fails"},
    "cluster-discovery": {
        "cs:GetClusters": "test_without_a_permission_a_run_fails_and_names_it",
        "cs:DescribeClustersV1": "test_without_a_permission_a_run_fails_and_names_it",
        "cs:ListClusters": "test_without_a_permission_a_run_fails_and_names_it",
    },
    "kubeconfig-secret": {
        "kms:GetSecretValue": "test_without_permission_for_the_kms_secret_a_run_fails",
        "kms:Decrypt": "test_without_permission_for_the_kms_secret_a_run_fails",
    },
    "outcomes-log": {
        "log:PostLogStoreLogs": "test_without_permission_to_write_the_report_names_the_action"
    },
    "function-platform": {
        "log:PostLogStoreLogs": "test_without_permission_to_store_log_lines_none_are_stored",
        "mns:SendMessage": "test_without_permission_to_send_messages_none_is_sent",
    },
    "fan-out": {
        "fc:InvokeFunction": "test_without_permission_to_start_itself_it_serves_all_clusters"
    },
}
"""Every action of every policy in infra/ram, with the test that removes it and expects its name."""


def test_every_action_of_the_policies_is_tested() -> None:
    granted = {
        file.name.removesuffix(".policy.json"): sorted(actions_of(policy_in(file)))
        for file in POLICY_DIRECTORY.glob("*.policy.json")
    }
    assert granted == {policy: sorted(actions) for policy, actions in TRIED.items()}
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    named = {test for actions in TRIED.values() for test in actions.values()}
    assert [test for test in named if f"def {test}(" not in tests] == []


def policy_in(file: Path) -> dict[str, Any]:
    """The policy of a file, with empty lists for the placeholders that stand for lists."""
    document: dict[str, Any] = json.loads(re.sub(r": \$\{\w+\}", ": []", file.read_text()))
    return document


def actions_of(policy: Mapping[str, Any]) -> Iterator[str]:
    for statement in policy["Statement"]:
        actions = statement["Action"]
        yield from [actions] if isinstance(actions, str) else actions


@pytest.mark.parametrize(("owner", "action"), ACTIONS.values(), ids=ACTIONS.keys())
def test_without_an_action_a_run_fails_and_names_it(
    broken: BrokenSite, owner: str, action: str
) -> None:
    broken.namespace("shop")
    world = company({"prod-hangzhou": broken.hangzhou, "prod-beijing": broken.beijing})
    with function_in(without(world, owner, action), broken) as function:
        report = function.invoke()
    assert report["ok"] is False
    text = str(report)
    assert "denied" in text
    assert action in text


@pytest.mark.parametrize("owner", ["cluster", "registry"])
def test_without_trust_a_run_fails_and_names_the_role(broken: BrokenSite, owner: str) -> None:
    broken.namespace("shop")
    world = company({"prod-hangzhou": broken.hangzhou, "prod-beijing": broken.beijing})
    with function_in(distrusting(world, owner), broken) as function:
        report = function.invoke()
    assert report["ok"] is False
    assert f"role/acr-refresher-{owner}" in str(report)
    assert "trust policy" in str(report)


FANNING_OUT = {
    "3.0": (S_YAML, "functions/acr-refresher"),
    "2.0": (S_FC2_YAML, "services/acr-refresher/functions/acr-refresher"),
}


@pytest.mark.parametrize(("file", "resource"), FANNING_OUT.values(), ids=FANNING_OUT)
def test_without_permission_to_start_itself_it_serves_all_clusters(
    tmp_path: Path, file: Path, resource: str
) -> None:
    """With the permission, in the same cloud, all clusters are delegated."""
    complete = company({})
    narrow = without(complete, "function", "fc:InvokeFunction")
    with fleet(tmp_path, 4, file=file, world=narrow, shardSize=2) as there:
        report = there.invoke()
        assert (report["ok"], report["failing"], there.unserved) == (False, [], [])
        assert [shard["started"] for shard in report["delegated"]] == [False, False]
        for shard in report["delegated"]:
            assert shard["failure"]["meaning"] == "denied"
            text = f"Allow fc:InvokeFunction on acs:fc:{REGION}:{HOME}:{resource} in a policy"
            assert text in shard["failure"]["message"]
        failed = there.fire_timer().result
        assert failed is not None
        assert "could not be started: timer-" in failed.body.decode()
        assert there.shards == {}

        there.grant(complete)
        assert there.invoke()["ok"]
        there.function.wait_until_idle()
        assert [task.state for task in there.shards.values()] == ["Succeeded", "Succeeded"]


def test_without_permission_to_store_log_lines_none_are_stored(tmp_path: Path) -> None:
    """The permission to write outcomes is for another logstore and does not suffice."""
    complete = company({})
    narrow = without(complete, "function", "log:PostLogStoreLogs", on="logstore/function")
    with fleet(tmp_path, 1, world=narrow) as there:
        there.invoke()
        printed = there.function.lines
        assert there.cloud.logs.records(LOG_PROJECT.name, "function") == []

        there.grant(complete)
        there.invoke()
        stored = there.cloud.logs.records(LOG_PROJECT.name, "function")
        assert [*printed, *(line["message"] for line in stored)] == there.function.lines
        assert stored


def test_without_permission_to_send_messages_none_is_sent(
    tmp_path: Path,
) -> None:
    complete = company({})
    with fleet(tmp_path, 1, world=without(complete, "function", "mns:SendMessage")) as there:
        there.clusters[0].faults.add(Fault("GET", "/secrets", status=403, times=None))
        there.function.fire_timer()
        there.function.wait_until_idle()
        assert there.cloud.messages[FAILED_RUNS.arn] == []

        there.grant(complete)
        there.function.fire_timer()
        there.function.wait_until_idle()
        assert [task.state for task in there.function.tasks] == ["Failed", "Failed"]
        assert len(there.cloud.messages[FAILED_RUNS.arn]) == 1


@contextmanager
def function_in(world: World, site: Site) -> Iterator[Stage]:
    clusters = {"prod-hangzhou": site.hangzhou, "prod-beijing": site.beijing}
    cloud = Cloud(world)
    text = config_of({"watchNamespace": f"{site.prefix}-*"})
    with serving(cloud) as url, deployed(cloud, url, clusters, text) as function:
        yield function


def without(world: World, owner: str, action: str, on: str = "") -> World:
    """The world in which the policies of a role do not allow this action on such resources."""

    def narrowed(role: Role) -> Role:
        if not role.name.endswith(owner):
            return role
        policies = tuple(policy_without(policy, action, on) for policy in role.policies)
        return dataclasses.replace(role, policies=policies)

    changed = dataclasses.replace(world, roles=tuple(narrowed(role) for role in world.roles))
    assert changed != world, f"{owner} has no {action}"
    return changed


def policy_without(policy: Mapping[str, Any], action: str, on: str) -> dict[str, Any]:
    narrowed: dict[str, Any] = copy.deepcopy(dict(policy))
    for statement in narrowed["Statement"]:
        if on not in str(statement["Resource"]):
            continue
        actions = statement["Action"]
        actions = [actions] if isinstance(actions, str) else actions
        statement["Action"] = [allowed for allowed in actions if allowed != action] or ["none:None"]
    return narrowed


def distrusting(world: World, owner: str) -> World:
    """The world in which a role trusts somebody else."""
    stranger = {"RAM": ["acs:ram::9999999999999999:role/stranger"]}

    def changed(role: Role) -> Role:
        if not role.name.endswith(owner):
            return role
        trust = copy.deepcopy(role.trust_policy)
        trust["Statement"][0]["Principal"] = stranger
        return dataclasses.replace(role, trust_policy=trust)

    return dataclasses.replace(world, roles=tuple(changed(role) for role in world.roles))


# ---- RBAC ----------------------------------------------------------------------------------------

RIGHTS = [
    ("namespaces", "list"),
    ("secrets", "list"),
    ("secrets", "patch"),
    ("secrets", "create"),
    ("secrets", "delete"),
    ("serviceaccounts", "list"),
    ("serviceaccounts", "patch"),
    ("serviceaccounts", "get"),
]
"""Every right in infra/rbac."""


def test_every_rule_of_the_cluster_role_is_tested() -> None:
    role = manifests()[0]
    granted = [
        (resource, verb)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]
    assert sorted(granted) == sorted(RIGHTS)


@pytest.mark.parametrize(("resource", "verb"), RIGHTS)
def test_without_a_right_in_the_cluster_a_run_fails_and_names_it(
    broken: BrokenSite, resource: str, verb: str
) -> None:
    """Each right is used in the life of a secret: creation, binding with a competitor, removal."""
    shop = broken.namespace("shop", default=("theirs",))
    removing = verb == "delete"
    with broken.function() as function:
        if removing:
            function.timer()
    broken.hangzhou.grant(USER, manifests_without(resource, verb))
    rival = competitor_for(broken, shop)
    broken.hangzhou.faults.add(Fault("PATCH", OUR_BINDING, meanwhile=rival))
    watched = "elsewhere" if removing else f"{broken.prefix}-*"
    with broken.function(watchNamespace=watched) as function:
        text = str(function.invoke(force=True)["clusters"][0])
    assert "denied" in text
    assert f"'{resource}'" in text or f'"{resource}"' in text
    assert verb in text


def manifests_without(resource: str, verb: str) -> list[dict[str, Any]]:
    role, binding = manifests()
    for rule in role["rules"]:
        if resource in rule["resources"]:
            rule["verbs"] = [allowed for allowed in rule["verbs"] if allowed != verb]
    role["rules"] = [rule for rule in role["rules"] if rule["verbs"]]  # a rule needs a verb
    return [role, binding]


def competitor_for(site: BrokenSite, namespace: str) -> Callable[[], object]:
    """Another controller that writes the service account just before our write."""
    return lambda: site.hangzhou.expect(
        "PATCH",
        f"/api/v1/namespaces/{namespace}/serviceaccounts/default",
        {"imagePullSecrets": [{"name": "newer"}]},
        content_type="application/merge-patch+json",
    )
