"""A registry's role session has the permissions that its token needs, and no others."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from acr_refresher.core.model import Registry, Role, Rrsa
from acr_refresher.core.session_policy import MAX_LENGTH, excess_length, session_policy

HOME = Role("acs:ram::1:role/first")
LAST = Role("acs:ram::2:role/last")
RRSA = Rrsa("acs:ram::3:role/rrsa", "acs:ram::3:oidc-provider/ack")
REGISTRY = Registry("main", "cri-main", "cn-hangzhou", role_chain=(HOME, LAST))

INSTANCE = "acs:cr:cn-hangzhou:2:instance/cri-main"
REPOSITORIES = "acs:cr:cn-hangzhou:2:repository/cri-main/*"


def allowed(registry: Registry) -> dict[str, list[str]]:
    """Resource to actions."""
    document = json.loads(session_policy(registry))
    assert document["Version"] == "1"
    assert {statement["Effect"] for statement in document["Statement"]} == {"Allow"}
    return {statement["Resource"]: statement["Action"] for statement in document["Statement"]}


def test_the_policy_allows_the_token_the_hosts_and_pulls_from_this_instance_only() -> None:
    """cr:GetAuthorizationToken has no resource-level permission, so it cannot be narrowed."""
    assert allowed(REGISTRY) == {
        "*": ["cr:GetAuthorizationToken"],
        INSTANCE: ["cr:ListInstanceEndpoint"],
        REPOSITORIES: ["cr:PullRepository"],
    }


def test_no_hosts_are_requested_if_domains_are_configured() -> None:
    policy = allowed(replace(REGISTRY, domains=("registry.example.com",)))
    assert policy == {"*": ["cr:GetAuthorizationToken"], REPOSITORIES: ["cr:PullRepository"]}


def test_personal_edition_has_no_resources_of_its_own() -> None:
    assert allowed(replace(REGISTRY, instance_id="")) == {
        "*": ["cr:GetAuthorizationToken", "cr:PullRepository"]
    }


def test_the_account_is_that_of_the_last_role() -> None:
    rrsa_alone = replace(REGISTRY, role_chain=(), rrsa=RRSA)
    assert "acs:cr:cn-hangzhou:3:instance/cri-main" in allowed(rrsa_alone)
    assert INSTANCE in allowed(replace(REGISTRY, rrsa=RRSA))


def test_repositories_narrow_what_the_token_pulls() -> None:
    narrow = replace(REGISTRY, repositories=("shop/*", "base/python", "tools/ci-*"))
    *others, pulls = json.loads(session_policy(narrow))["Statement"]
    assert pulls == {
        "Effect": "Allow",
        "Action": ["cr:PullRepository"],
        "Resource": [
            "acs:cr:cn-hangzhou:2:repository/cri-main/shop/*",
            "acs:cr:cn-hangzhou:2:repository/cri-main/base/python",
            "acs:cr:cn-hangzhou:2:repository/cri-main/tools/ci-*",
        ],
    }
    assert others == json.loads(session_policy(REGISTRY))["Statement"][:2]


def test_by_how_much_a_policy_is_too_long() -> None:
    length = len(session_policy(REGISTRY))
    assert excess_length(REGISTRY) == length - MAX_LENGTH
    longest = replace(REGISTRY, instance_id="cri-main" + "0" * ((MAX_LENGTH - length) // 2))
    assert excess_length(longest) in {-1, 0}
    assert len(session_policy(longest)) in {MAX_LENGTH - 1, MAX_LENGTH}
    assert excess_length(replace(longest, instance_id=longest.instance_id + "0")) in {1, 2}
    assert excess_length(replace(REGISTRY, role_chain=())) == -MAX_LENGTH


@pytest.mark.parametrize(
    "registry",
    [
        pytest.param(replace(REGISTRY, role_chain=()), id="no role is assumed"),
        pytest.param(replace(REGISTRY, narrowed=False), id="not wanted"),
    ],
)
def test_none(registry: Registry) -> None:
    assert session_policy(registry) == ""


def test_a_policy_may_be_as_long_as_sts_accepts() -> None:
    """Only the resource of its repositories has the ID if the hosts are configured."""
    registry = replace(REGISTRY, domains=("registry.example.com",))
    unused = MAX_LENGTH - len(session_policy(registry))
    longest = replace(registry, instance_id=registry.instance_id + "0" * unused)
    assert len(session_policy(longest)) == MAX_LENGTH
    assert " " not in session_policy(longest)


def test_a_policy_that_is_too_long_for_sts_is_refused_with_a_remedy() -> None:
    with pytest.raises(ValueError, match=rf"STS accepts {MAX_LENGTH}: set sessionPolicy: false"):
        session_policy(replace(REGISTRY, instance_id="cri-" + "0" * 1000))
