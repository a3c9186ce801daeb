"""What `check` asks for and prints is what infra/rbac and infra/ram give."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import yaml

from acr_refresher.cli.check_rights import (
    Grant,
    Right,
    grant_assume_role,
    grant_cluster_list,
    grant_cluster_role_binding,
    grant_cluster_rule,
    grant_in_ack,
    grant_kubeconfig,
    grant_kubeconfig_secret,
    grant_oidc_trust,
    grant_pull,
    grant_registry_action,
    rights_in,
)
from acr_refresher.cli.check_roles import policy_principal
from acr_refresher.core.model import AckAccess, Cluster, InClusterAccess, KmsAccess, Role, Rrsa
from factories import MAIN, PARTNER, wanted
from localcloud.ram_files import assume_policy, kubeconfig_policy, load_policy
from localkube.rbac import FOLDER, manifests, rrsa_manifests

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
    assert grant_cluster_rule(token)[0].where.startswith("the rules of a Role in kube-system")


def test_a_binding_is_that_of_infra_rbac() -> None:
    _, binding = manifests()
    (printed,) = statements(*grant_cluster_role_binding("acr-refresher"))
    assert printed == binding


def test_a_service_account_is_bound_as_such() -> None:
    (printed,) = statements(*grant_cluster_role_binding("system:serviceaccount:ops:refresher"))
    assert printed["subjects"] == [
        {"kind": "ServiceAccount", "name": "refresher", "namespace": "ops"}
    ]


def test_a_binding_to_nobody_known_is_not_printed() -> None:
    assert grant_cluster_role_binding("") == ()
    assert grant_in_ack("", "c1") == ()


@pytest.mark.parametrize(
    ("holder", "is_role"), [("acs:ram::1:role/fn", True), ("acs:ram::1:user/ann", False)]
)
def test_on_ack_the_grant_is_an_entry_as_infra_rbac_shows_it(holder: str, is_role: bool) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^  (\{.*\})$", readme, re.MULTILINE)
    (grant,) = grant_in_ack(holder, "CLUSTER_ID")
    assert json.loads(grant.text) == {**json.loads(shown), "is_ram_role": is_role}
    assert holder in grant.where


def statements(*printed: Grant) -> list[dict[str, Any]]:
    return [json.loads(each.text) for each in printed]


def test_a_registrys_statements_are_those_of_the_policy() -> None:
    policy = load_policy(
        "registry-account-role.policy", region="cn-beijing", account="2", instance="cri-partner"
    )
    printed = (
        *grant_registry_action(ROLE.arn, PARTNER, "cr:GetAuthorizationToken"),
        *grant_registry_action(ROLE.arn, PARTNER, "cr:ListInstanceEndpoint"),
        *grant_pull(ROLE.arn, PARTNER),
    )
    assert statements(*printed) == policy["Statement"]


def test_personal_edition_has_no_instance() -> None:
    personal = replace(PARTNER, instance_id="")
    (action,) = statements(*grant_registry_action(ROLE.arn, personal, "cr:GetAuthorizationToken"))
    (pull,) = statements(*grant_pull(ROLE.arn, personal))
    assert (action["Resource"], pull["Resource"]) == ("*", "*")


def test_a_kubeconfigs_statements_are_those_of_the_policies() -> None:
    (statement,) = statements(*grant_kubeconfig(ROLE.arn, AckAccess("c1", "cn-hangzhou")))
    (complete,) = kubeconfig_policy("c1")["Statement"]
    assert statement == {**complete, "Resource": "acs:cs:*:*:cluster/c1"}
    (listing,) = statements(*grant_cluster_list(ROLE.arn))
    assert [listing] == load_policy("cluster-discovery.policy")["Statement"]


def test_a_secrets_statements_are_those_of_the_policy() -> None:
    policy = load_policy(
        "kubeconfig-secret.policy", region="cn-hangzhou", account="2", secret="idc", key="*"
    )
    for name in ("idc", "acs:kms:cn-hangzhou:2:secret/idc"):
        access = KmsAccess(name, "cn-hangzhou")
        assert statements(*grant_kubeconfig_secret(ROLE.arn, access)) == policy["Statement"]


def test_trust_asks_for_the_external_id() -> None:
    role = Role("acs:ram::2:role/pull", "tenant-7")
    policy, trust = grant_assume_role(ROLE.arn, role)
    assert policy.where == f"the policy of {ROLE.arn}"
    (complete,) = assume_policy(role.arn)["Statement"]
    assert statements(policy) == [{**complete, "Resource": "acs:ram:*:2:role/pull"}]
    document = load_policy(
        "registry-account-role.trust-external-id",
        function_role_arn=ROLE.arn,
        external_id="tenant-7",
    )
    assert statements(trust) == document["Statement"]


def test_trust_in_a_cluster_is_that_of_the_policy() -> None:
    rrsa = Rrsa("acs:ram::1:role/rrsa", "acs:ram::1:oidc-provider/ack")
    (trust,) = grant_oidc_trust(rrsa, "https://issuer.example")
    document = load_policy(
        "rrsa-role.trust",
        oidc_provider_arn=rrsa.oidc_provider_arn,
        oidc_issuer="https://issuer.example",
        namespace=rrsa.namespace,
        service_account=rrsa.service_account,
    )
    assert (trust.where, statements(trust)) == (
        f"the trust policy of {rrsa.role_arn}",
        document["Statement"],
    )


def test_nothing_is_to_be_pasted_where_it_is_not_known_for_whom() -> None:
    assert grant_assume_role("", ROLE) == ()
    assert grant_registry_action("", PARTNER, "cr:GetAuthorizationToken") == ()


@pytest.mark.parametrize(
    ("arn", "named"),
    [
        ("acs:ram::1:assumed-role/fn/run-1", "acs:ram::1:role/fn"),
        ("acs:sts::1:assumed-role/fn/a@b.example", "acs:ram::1:role/fn"),
        ("acs:ram::1:role/fn/run-1", "acs:ram::1:role/fn"),
        ("acs:ram::1:user/ann", "acs:ram::1:user/ann"),
        ("acs:ram::1:root", "acs:ram::1:root"),
    ],
)
def test_policies_name_a_session_by_its_role_and_anybody_else_as_such(arn: str, named: str) -> None:
    assert policy_principal(arn) == named
