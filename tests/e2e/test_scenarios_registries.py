"""Every registry scenario of docs/scenarios.md, with exactly the permissions that it names."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.company import (
    ACK_CLUSTERS,
    BEIJING,
    FUNCTION_ROLE,
    HOME,
    MAIN_REGISTRY,
    PARTNER,
    PARTNER_REGISTRY,
    PREFIX,
    REGION,
)
from localcloud.cloud import Cloud
from localcloud.ram_files import any_region, kubeconfig_policy, load_policy
from localcloud.world import (
    Domain,
    Endpoint,
    PersonalRegistry,
    RegistryInstance,
    Role,
    World,
)
from registry_scenarios import (
    CUSTOM_HOST,
    PARTNER_ROLE,
    PERSONAL_HOSTS,
    SCENARIOS,
    TENANT,
    function_in,
    function_role,
    message,
    partner_role,
    pulling,
    trusting,
    trusting_tenant,
    world_of,
)
from scenarios import without_action
from sites import MAIN_HOSTS, PARTNER_HOSTS, Site, only, passwords

# ---- in the function's own account ---------------------------------------------------------------


def test_a_registry_in_the_account_of_the_function(site: Site) -> None:
    namespace = site.namespace("shop")
    with function_in(Cloud(world_of(site)), site, "registry-own-account") as function:
        outcome = only(function.invoke(), namespace)
    assert (outcome["result"], outcome["registryHosts"]) == ("created", MAIN_HOSTS)
    assert sorted(passwords(site.hangzhou, namespace)) == MAIN_HOSTS


def test_the_functions_role_reaches_no_other_instance_of_the_account(site: Site) -> None:
    """As the documentation says: its policy names one instance."""
    namespace = site.namespace("shop")
    other = dataclasses.replace(MAIN_REGISTRY, id="cri-acmehz0000000009")
    world = world_of(site, registries=(MAIN_REGISTRY, other))

    def ask_for_other(document: dict[str, Any]) -> None:
        document["registries"][0]["instanceId"] = other.id

    with function_in(Cloud(world), site, "registry-own-account", ask_for_other) as function:
        report = function.invoke()
    assert "cr:ListInstanceEndpoint for registry instance cri-acmehz0000000009" in message(
        report, namespace
    )
    assert site.hangzhou.get_secret(namespace, "acr-pull") is None


# ---- domains -------------------------------------------------------------------------------------

WITH_CUSTOM = dataclasses.replace(
    MAIN_REGISTRY,
    endpoints=(
        Endpoint("internet", (Domain(MAIN_HOSTS[1]), Domain(CUSTOM_HOST, "USER"))),
        Endpoint("vpc", (Domain(MAIN_HOSTS[0]),)),
    ),
)
CHOICES: dict[str, tuple[dict[str, Any], list[str], int]] = {
    "as shown": ({}, [CUSTOM_HOST], 0),
    "all of the instance's": ({"domains": None}, [*MAIN_HOSTS, CUSTOM_HOST], 1),
    "of one endpoint": ({"domains": None, "endpoints": ["vpc"]}, [MAIN_HOSTS[0]], 1),
}


@pytest.mark.parametrize(("keys", "hosts", "asked"), CHOICES.values(), ids=CHOICES.keys())
def test_a_custom_domain_of_a_registry(
    site: Site, keys: dict[str, Any], hosts: list[str], asked: int
) -> None:
    namespace = site.namespace("shop")
    cloud = Cloud(world_of(site, registries=(WITH_CUSTOM,)))

    def choose(document: dict[str, Any]) -> None:
        given = {**document["registries"][0], **keys}
        document["registries"] = [{key: value for key, value in given.items() if value}]

    with function_in(cloud, site, "registry-custom-domain", choose) as function:
        outcome = only(function.invoke(), namespace)
    assert outcome["registryHosts"] == hosts
    assert len(cloud.calls("ListInstanceEndpoint")) == asked


# ---- regions -------------------------------------------------------------------------------------


def test_a_registry_in_another_region(site: Site) -> None:
    namespace = site.namespace("shop")
    host = "acme-registry.cn-beijing.cr.aliyuncs.com"
    endpoints = (Endpoint("internet", (Domain(host),)),)
    far = RegistryInstance("cri-acmebj0000000001", "cn-beijing", HOME, endpoints)
    cloud = Cloud(world_of(site, function_role(pulling(far)), registries=(far,)))
    with function_in(cloud, site, "registry-other-region") as function:
        assert only(function.invoke(), namespace)["registryHosts"] == [host]
    (call,) = cloud.calls("GetAuthorizationToken")
    assert call.host == "cr.cn-beijing.aliyuncs.com"


# ---- accounts ------------------------------------------------------------------------------------


def test_a_registry_in_another_account(site: Site) -> None:
    namespace = site.namespace("shop")
    role = partner_role(trusting_tenant(FUNCTION_ROLE), timedelta(hours=12))
    cloud = Cloud(world_of(site, role))
    with function_in(cloud, site, "registry-other-account") as function:
        outcome = only(function.invoke(), namespace)
    assert (outcome["result"], outcome["registryHosts"]) == ("created", PARTNER_HOSTS)
    (session,) = sessions_of(cloud, PARTNER_ROLE)
    assert session["DurationSeconds"] == "43200"
    assert PARTNER_REGISTRY.id in session["Policy"]


def test_a_role_that_allows_an_hour_gives_an_hour_and_a_warning(site: Site) -> None:
    namespace = site.namespace("shop")
    cloud = Cloud(world_of(site, partner_role(trusting_tenant(FUNCTION_ROLE))))
    with function_in(cloud, site, "registry-other-account") as function:
        outcome = only(function.invoke(), namespace)
    assert outcome["result"] == "created"
    assert "no session of 43200 s" in outcome["warnings"][0]
    assert [each["DurationSeconds"] for each in sessions_of(cloud, PARTNER_ROLE)] == [
        "43200",
        "3600",
    ]


def chain_world(site: Site, registry_trust: Mapping[str, Any]) -> World:
    """The partner trusts the cluster's account, which trusts the function."""
    between = f"acs:ram::{BEIJING}:role/{PREFIX}cluster"
    trust = load_policy("cluster-account-role.trust", function_role_arn=FUNCTION_ROLE)
    policies = (
        kubeconfig_policy(ACK_CLUSTERS["prod-beijing"][0]),
        load_policy("rrsa-role.policy", registry_role_arn=any_region(PARTNER_ROLE)),
    )
    role = Role(BEIJING, between.rpartition("/")[2], trust, policies)
    return world_of(site, role, partner_role(registry_trust))


def test_a_chain_of_roles(site: Site) -> None:
    namespace = site.namespace("shop", site.beijing)
    between = f"acs:ram::{BEIJING}:role/{PREFIX}cluster"
    cloud = Cloud(chain_world(site, trusting_tenant(between)))
    with function_in(cloud, site, "registry-role-chain") as function:
        outcome = only(function.invoke(), namespace)
    assert (outcome["result"], outcome["registryHosts"]) == ("created", PARTNER_HOSTS)
    (last,) = (call for call in cloud.calls("AssumeRole") if PARTNER_ROLE in str(call.parameters))
    assert f"assumed-role/{PREFIX}cluster/" in last.caller_arn
    assert last.parameters["ExternalId"] == TENANT


DISTRUST = {
    "another tenant": lambda _: trusting_tenant(FUNCTION_ROLE),
    "the function alone": lambda _: trusting(FUNCTION_ROLE),
}


@pytest.mark.parametrize("trust", DISTRUST.values(), ids=DISTRUST.keys())
def test_missing_trust_names_the_role_and_the_missing_principal(
    site: Site, trust: Callable[[None], Mapping[str, Any]]
) -> None:
    namespace = site.namespace("shop", site.beijing)
    with function_in(
        Cloud(chain_world(site, trust(None))), site, "registry-role-chain"
    ) as function:
        text = message(function.invoke(), namespace)
    assert f"The trust policy of {PARTNER_ROLE} lacks this caller" in text
    assert f"denied to {PREFIX}cluster:" in text
    assert f"of account {BEIJING}" in text
    assert "external ID" in text


def test_without_permission_to_assume_the_next_role_the_failure_says_so(site: Site) -> None:
    namespace = site.namespace("shop", site.beijing)
    world = chain_world(site, trusting_tenant(f"acs:ram::{BEIJING}:role/{PREFIX}cluster"))
    roles = tuple(
        dataclasses.replace(role, policies=role.policies[:1]) if role.account == BEIJING else role
        for role in world.roles
    )
    cloud = Cloud(dataclasses.replace(world, roles=roles))
    with function_in(cloud, site, "registry-role-chain") as function:
        text = message(function.invoke(), namespace)
    assert f"a policy of the caller lacks sts:AssumeRole on {PARTNER_ROLE}" in text
    assert f"denied to {PREFIX}cluster:" in text


def sessions_of(cloud: Cloud, role_arn: str) -> list[Mapping[str, str]]:
    """The parameters of each requested session of a role, in order, including refused requests."""
    calls = cloud.calls("AssumeRole")
    return [call.parameters for call in calls if call.parameters["RoleArn"] == role_arn]


# ---- Personal Edition ----------------------------------------------------------------------------


def test_a_personal_edition_registry(site: Site) -> None:
    namespace = site.namespace("shop")
    role = function_role(load_policy("personal-edition.policy"))
    personal = PersonalRegistry(HOME, REGION, tuple(PERSONAL_HOSTS))
    cloud = Cloud(world_of(site, role, personal_registries=(personal,)))
    with function_in(cloud, site, "registry-personal-edition") as function:
        outcome = only(function.invoke(), namespace)
    assert (outcome["result"], outcome["registryHosts"]) == ("created", PERSONAL_HOSTS)
    (password,) = set(passwords(site.hangzhou, namespace).values())
    assert cloud.registry_tokens[password].registry == personal


def test_without_its_permission_personal_edition_fails(site: Site) -> None:
    """The permission to pull gives no token."""
    namespace = site.namespace("shop")
    role = function_role(load_policy("personal-edition.policy"))
    there = world_of(site, role, personal_registries=(PersonalRegistry(HOME, REGION),))
    cloud = Cloud(without_action(there, "cr:GetAuthorizationToken"))
    with function_in(cloud, site, "registry-personal-edition") as function:
        text = message(function.invoke(), namespace)
    assert "Allow cr:GetAuthorizationToken and cr:PullRepository on *" in text


def test_personal_edition_of_another_account(site: Site) -> None:
    namespace = site.namespace("shop")
    policies = (load_policy("personal-edition.policy"),)
    role = Role(PARTNER, f"{PREFIX}registry", trusting(FUNCTION_ROLE), policies)
    personal = PersonalRegistry(PARTNER, REGION)
    cloud = Cloud(world_of(site, role, personal_registries=(personal,)))

    def of_partner(document: dict[str, Any]) -> None:
        document["registries"][0]["assumeRoleARN"] = PARTNER_ROLE

    with function_in(cloud, site, "registry-personal-edition", of_partner) as function:
        assert only(function.invoke(), namespace)["result"] == "created"


# ---- several in one secret -----------------------------------------------------------------------


def several(site: Site, **more: Any) -> World:
    policies = (pulling(MAIN_REGISTRY), load_policy("personal-edition.policy"))
    personal = (PersonalRegistry(HOME, REGION),)
    return world_of(site, function_role(*policies), personal_registries=personal, **more)


def test_several_registries_in_one_secret(site: Site) -> None:
    namespace = site.namespace("shop")
    with function_in(Cloud(several(site)), site, "registry-several") as function:
        outcome = only(function.invoke(), namespace)
    hosts = sorted([*MAIN_HOSTS, *PARTNER_HOSTS, *PERSONAL_HOSTS])
    assert (outcome["result"], outcome["registryHosts"]) == ("created", hosts)
    by_host = passwords(site.hangzhou, namespace)
    assert sorted(by_host) == hosts
    assert len(set(by_host.values())) == 3


def test_two_registries_with_the_same_host_give_a_warning(site: Site) -> None:
    """The partner's instance claims a host of ours. Its name comes second."""
    namespace = site.namespace("shop")
    endpoints = (Endpoint("internet", (Domain(MAIN_HOSTS[0]),)),)
    clashing = dataclasses.replace(PARTNER_REGISTRY, endpoints=endpoints)
    cloud = Cloud(several(site, registries=(MAIN_REGISTRY, clashing)))
    with function_in(cloud, site, "registry-several") as function:
        report = function.invoke()
        again = only(function.invoke(), namespace)
    outcome = only(report, namespace)
    assert outcome["result"] == "incomplete"
    (failure,) = outcome["failures"]
    assert (failure["meaning"], failure["subject"]) == ("invalid", "registry partner")
    assert f"{MAIN_HOSTS[0]} is also a host of registry main" in failure["message"]
    assert outcome["registryHosts"] == sorted([*MAIN_HOSTS, *PERSONAL_HOSTS])
    assert [each["subject"] for each in again["failures"]] == ["registry partner"]


def test_every_registry_scenario_of_the_document_is_tested() -> None:
    shown: Sequence[str] = re.findall(r"^```yaml (registry-[a-z-]+)$", SCENARIOS, re.MULTILINE)
    tests = [file.read_text() for file in Path(__file__).parent.glob("test_*.py")]
    assert len(shown) == 10
    assert not [name for name in shown if not any(f'"{name}"' in test for test in tests)]
