"""Registry tokens that are issued for the cluster's own identity, as in docs/scenarios.md."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from demo.company import HOME, PREFIX
from localcloud.cloud import Cloud
from localcloud.ram_files import any_region, load_policy
from localcloud.world import OidcProvider, Role
from oidc_issuers import Issuer, jwks_of
from operators import command
from pasting import changed, distrusting, mended
from registry_scenarios import (
    PARTNER_ROLE,
    function_in,
    message,
    partner_role,
    trusting,
    world_of,
)
from sites import PARTNER_HOSTS, Site, only

RRSA_ROLE = f"acs:ram::{HOME}:role/{PREFIX}rrsa"
RRSA_PROVIDER = f"acs:ram::{HOME}:oidc-provider/ack-rrsa-c1d00000000000000000000000000001"
ISSUER = "https://kubernetes.default.svc.cluster.local"
HELPERS_ACCOUNT = ("kube-system", "aliyun-acr-credential-helper")


@pytest.fixture
def rrsa(site: Site) -> Iterator[Cloud]:
    """A cloud that knows the Hangzhou cluster's identities, with the helper's account there."""
    site.hangzhou.expect(
        "PATCH",
        "/api/v1/namespaces/{}/serviceaccounts/{}".format(*HELPERS_ACCOUNT),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": HELPERS_ACCOUNT[1]}},
        query={"fieldManager": "test"},
        content_type="application/apply-patch+yaml",
    )
    provider = OidcProvider(RRSA_PROVIDER, ISSUER, ("sts.aliyuncs.com",), jwks_of(site.hangzhou))
    trust = load_policy(
        "rrsa-role.trust",
        oidc_provider_arn=RRSA_PROVIDER,
        oidc_issuer=ISSUER,
        namespace=HELPERS_ACCOUNT[0],
        service_account=HELPERS_ACCOUNT[1],
    )
    policy = load_policy("rrsa-role.policy", registry_role_arn=any_region(PARTNER_ROLE))
    role = Role(HOME, f"{PREFIX}rrsa", trust, (policy,))
    world = world_of(site, role, partner_role(trusting(RRSA_ROLE)), oidc_providers=(provider,))
    yield Cloud(world)
    for kind in ("rolebindings", "roles"):
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/{kind}"
        site.hangzhou.request("DELETE", f"{path}/acr-refresher-rrsa")


def test_a_registry_with_the_identity_of_the_cluster(site: Site, rrsa: Cloud) -> None:
    namespace = site.namespace("shop")
    site.hangzhou.grant_rrsa()
    with function_in(rrsa, site, "registry-rrsa") as function:
        outcome = only(function.invoke(), namespace)
    assert (outcome["result"], outcome["registryHosts"]) == ("created", PARTNER_HOSTS)
    (first,) = rrsa.calls("AssumeRoleWithOIDC")
    assert first.caller_arn == ""
    (last,) = (call for call in rrsa.calls("AssumeRole") if PARTNER_ROLE in str(call.parameters))
    assert f"assumed-role/{PREFIX}rrsa/" in last.caller_arn


def test_without_permission_to_request_the_token_the_failure_names_the_rule(
    site: Site, rrsa: Cloud
) -> None:
    namespace = site.namespace("shop")
    with function_in(rrsa, site, "registry-rrsa") as function:
        text = message(function.invoke(), namespace)
    assert (
        '{apiGroups: [""], resources: ["serviceaccounts/token"],'
        f' resourceNames: ["{HELPERS_ACCOUNT[1]}"], verbs: ["create"]}}'
    ) in text
    assert f"in {HELPERS_ACCOUNT[0]} lacks this rule, or its binding is missing: " in text


def test_an_oidc_provider_that_does_not_know_the_cluster_is_reported(
    site: Site, rrsa: Cloud
) -> None:
    """For example because the cluster was created again: its issuer has other keys."""
    namespace = site.namespace("shop")
    site.hangzhou.grant_rrsa()
    provider = dataclasses.replace(rrsa.world.oidc_providers[0], jwks=Issuer(ISSUER).jwks)
    stale = Cloud(dataclasses.replace(rrsa.world, oidc_providers=(provider,)))
    with function_in(stale, site, "registry-rrsa") as function:
        text = message(function.invoke(), namespace)
    assert (
        f"sts:AssumeRoleWithOIDC for role {RRSA_ROLE}: STS does not accept the cluster's token"
        in text
    )
    assert "Check rrsaOIDCProviderRoleARN" in text


def test_a_role_that_trusts_another_service_account_is_reported(site: Site, rrsa: Cloud) -> None:
    namespace = site.namespace("shop")
    site.hangzhou.grant_rrsa()
    role = rrsa.world.find_role(RRSA_ROLE)
    assert role
    statement = {**role.trust_policy["Statement"][0]}
    statement["Condition"] = {"StringEquals": {"oidc:sub": "system:serviceaccount:a:b"}}
    trust = {**role.trust_policy, "Statement": [statement]}
    changed = world_of(
        site,
        dataclasses.replace(role, trust_policy=trust),
        oidc_providers=rrsa.world.oidc_providers,
    )
    with function_in(Cloud(changed), site, "registry-rrsa") as function:
        text = message(function.invoke(), namespace)
    subject = "system:serviceaccount:{}:{}".format(*HELPERS_ACCOUNT)
    assert f"the role's trust policy lacks {RRSA_PROVIDER} with oidc:sub {subject}" in text


def test_without_permission_to_assume_the_registry_role_it_fails(site: Site, rrsa: Cloud) -> None:
    namespace = site.namespace("shop")
    site.hangzhou.grant_rrsa()
    role = rrsa.world.find_role(RRSA_ROLE)
    assert role
    powerless = dataclasses.replace(role, policies=())
    changed = world_of(
        site, powerless, partner_role(trusting(RRSA_ROLE)), oidc_providers=rrsa.world.oidc_providers
    )
    with function_in(Cloud(changed), site, "registry-rrsa") as function:
        text = message(function.invoke(), namespace)
    assert f"a policy of the caller lacks sts:AssumeRole on {PARTNER_ROLE}" in text
    assert f"denied to {PREFIX}rrsa:" in text


def checked(cloud: Cloud, site: Site) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code of `check`, and its findings about the registry and the rights, by subject."""
    with function_in(cloud, site, "registry-rrsa") as function:
        result = command(function, "check", "--cluster", "prod-hangzhou", "-o", "json")
    return result.exit_code, {
        finding["what"]: finding
        for finding in json.loads(result.stdout)["findings"]
        if finding["subject"] in ("registry partner by prod-hangzhou", "cluster prod-hangzhou")
    }


ACCOUNT = "/".join(HELPERS_ACCOUNT)
FIRST, LAST = f"assume {RRSA_ROLE} as service account {ACCOUNT}", f"assume {PARTNER_ROLE}"


def test_the_preflight_check_uses_the_identity_of_the_cluster(site: Site, rrsa: Cloud) -> None:
    code, without = checked(rrsa, site)
    site.hangzhou.grant_rrsa()
    well, with_it = checked(rrsa, site)
    right = f"create serviceaccounts/token {HELPERS_ACCOUNT[1]} in {HELPERS_ACCOUNT[0]}"
    assert (code, without[right]["verdict"], without[FIRST]["grants"]) == (1, "missing", [])
    where = without[right]["grants"][0]["where"]
    assert where.startswith("the rules of a Role in kube-system, bound to the same user")
    assert well == 0
    tried = (right, FIRST, LAST, "cr:ListInstanceEndpoint", "cr:GetAuthorizationToken")
    assert [with_it[what]["verdict"] for what in tried] == ["ok"] * len(tried)


def trusting_another_account(role: Role) -> Role:
    statement = {**role.trust_policy["Statement"][0]}
    statement["Condition"] = {"StringEquals": {"oidc:sub": "system:serviceaccount:a:b"}}
    return replace(role, trust_policy={**role.trust_policy, "Statement": [statement]})


def powerless(role: Role) -> Role:
    return replace(role, policies=())


def trusting_somebody_else(role: Role) -> Role:
    return distrusting(role, RAM=["acs:ram::9999999999999999:role/stranger"])


@pytest.mark.parametrize(
    ("arn", "change", "what"),
    [
        pytest.param(RRSA_ROLE, trusting_another_account, FIRST, id="the first role's trust"),
        pytest.param(RRSA_ROLE, powerless, LAST, id="the first role's policy"),
        pytest.param(PARTNER_ROLE, trusting_somebody_else, LAST, id="the registry role's trust"),
        pytest.param(
            PARTNER_ROLE, powerless, "cr:GetAuthorizationToken", id="the registry role's policy"
        ),
    ],
)
def test_the_statements_that_the_preflight_check_prints_repair_each_role(
    site: Site, rrsa: Cloud, arn: str, change: Callable[[Role], Role], what: str
) -> None:
    site.hangzhou.grant_rrsa()
    world = changed(rrsa.world, arn, change)
    while True:  # each role of the chain is tried if the role before it can be assumed
        code, found = checked(Cloud(world), site)
        missing = [finding for finding in found.values() if finding["verdict"] == "missing"]
        if not missing:
            break
        assert code == 1
        assert all(finding["grants"] for finding in missing)
        before, world = world, mended(world, missing)
        assert world != before
    assert (code, found[what]["verdict"]) == (0, "ok")
