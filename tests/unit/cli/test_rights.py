"""What `check` asks for and prints is what infra/rbac and infra/ram give."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import yaml

from acr_refresher.cli import grants
from acr_refresher.cli.rights import Right, rights_in
from acr_refresher.core.model import AckAccess, Cluster, InClusterAccess, KmsAccess, Role, Rrsa
from factories import MAIN, PARTNER, wanted
from localcloud.ram_files import load_policy
from localkube.rbac import manifests, rrsa_manifests

ROLE = Role("acs:ram::2:role/pull")


def rules_of(rights: tuple[Right, ...]) -> set[tuple[str, ...]]:
    """What rules to paste allow: group, resource, name and verb."""
    return granted(rule for right in rights for rule in yaml.safe_load(right.rule))


def granted(rules: Any) -> set[tuple[str, ...]]:
    return {
        (group, resource, name, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    }


def test_the_rights_are_those_of_the_cluster_role() -> None:
    cluster = Cluster("prod", InClusterAccess(), (wanted(name="one"), wanted(name="two")))
    role, _ = manifests(secret_names=("one", "two"))
    assert rules_of(rights_in(cluster)) == granted(role["rules"])


def test_rrsa_takes_that_of_its_role_besides() -> None:
    rrsa = Rrsa("acs:ram::1:role/rrsa", "acs:ram::1:oidc-provider/ack")
    both = (replace(MAIN, rrsa=rrsa), replace(PARTNER, rrsa=rrsa))
    *_, token = rights_in(Cluster("prod", InClusterAccess(), (wanted(*both),)))
    role, _ = rrsa_manifests()
    assert rules_of((token,)) == granted(role["rules"])
    assert str(token).endswith("in kube-system")
    assert grants.in_cluster(token)[0].where == "the rules of a Role in kube-system"


def statements(*printed: grants.Grant) -> list[dict[str, Any]]:
    return [json.loads(one.text) for one in printed]


def test_a_registrys_statements_are_those_of_the_policy() -> None:
    policy = load_policy(
        "registry-account-role.policy", region="cn-beijing", account="2", instance="cri-partner"
    )
    actions = ("cr:GetAuthorizationToken", "cr:ListInstanceEndpoint")
    printed = (*grants.registry_actions(PARTNER, *actions), *grants.pulling(PARTNER))
    assert statements(*printed) == policy["Statement"]


def test_personal_edition_has_no_instance() -> None:
    personal = replace(PARTNER, instance_id="")
    (action,) = statements(*grants.registry_actions(personal, "cr:GetAuthorizationToken"))
    (pull,) = statements(*grants.pulling(personal))
    assert (action["Resource"], pull["Resource"]) == ("*", "*")


def test_a_kubeconfigs_statements_are_those_of_the_policies() -> None:
    (statement,) = statements(*grants.kubeconfig(AckAccess("c1", "cn-hangzhou")))
    (whole,) = load_policy("cluster-account-role.policy")["Statement"]
    assert statement == {**whole, "Resource": "acs:cs:*:*:cluster/c1"}
    (listing,) = statements(*grants.listing((ROLE,)))
    assert [listing] == load_policy("cluster-discovery.policy")["Statement"]


def test_a_secrets_statements_are_those_of_the_policy() -> None:
    policy = load_policy(
        "kubeconfig-secret.policy", region="cn-hangzhou", account="2", secret="idc", key="*"
    )
    for name in ("idc", "acs:kms:cn-hangzhou:2:secret/idc"):
        access = KmsAccess(name, "cn-hangzhou", (ROLE,))
        assert statements(*grants.kubeconfig_secret(access)) == policy["Statement"]


def test_trust_asks_for_the_external_id() -> None:
    role = Role("acs:ram::2:role/pull", "tenant-7")
    policy, trust = grants.assume_role((ROLE,), role)
    assert policy.where == f"the policy of {ROLE.arn}"
    document = load_policy(
        "registry-account-role.trust-external-id",
        function_role_arn=ROLE.arn,
        external_id="tenant-7",
    )
    assert statements(trust) == document["Statement"]
