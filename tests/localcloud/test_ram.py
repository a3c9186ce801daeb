"""Policy evaluation in tables: allowed, denied, and invalid policies."""

from typing import Any

import pytest

from localcloud import ram
from localcloud.ram import Denial

PULL = "cr:PullRepository"
REPOSITORY = "acs:cr:cn-hangzhou:1:repository/cri-1/shop/web"
IMPLICIT = Denial("AccountLevelIdentityBasedPolicy", explicit=False)
EXPLICIT = Denial("AccountLevelIdentityBasedPolicy", explicit=True)


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "1", "Statement": list(statements)}


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def when(operator: str, value: Any) -> dict[str, Any]:
    return {"Condition": {operator: {"sts:ExternalId": value}}}


PERMISSIONS: list[tuple[str, list[dict[str, Any]], Denial | None]] = [
    ("no policy at all", [], IMPLICIT),
    ("exact action and resource", [policy(allow(PULL, REPOSITORY))], None),
    ("actions ignore case", [policy(allow("CR:pullrepository"))], None),
    ("one of several actions", [policy(allow(["cr:Get*", PULL]))], None),
    ("action wildcard", [policy(allow("cr:Pull*"))], None),
    ("any action", [policy(allow("*"))], None),
    ("another action", [policy(allow("cr:PushRepository"))], IMPLICIT),
    ("a wildcard is anchored", [policy(allow("cr:Pull"))], IMPLICIT),
    ("a dot is a dot", [policy(allow(PULL, "acs.cr*"))], IMPLICIT),
    ("resource wildcard", [policy(allow(PULL, "acs:cr:*:1:repository/cri-1/*"))], None),
    ("single-character wildcard", [policy(allow(PULL, "acs:cr:*:?:repository/*"))], None),
    ("one of several resources", [policy(allow(PULL, ["acs:oss:*", REPOSITORY]))], None),
    ("another resource", [policy(allow(PULL, "acs:cr:*:1:repository/cri-2/*"))], IMPLICIT),
    ("resources mind case", [policy(allow(PULL, REPOSITORY.upper()))], IMPLICIT),
    ("any of several policies", [policy(allow("oss:*")), policy(allow(PULL))], None),
    ("deny wins over allow", [policy(allow("*"), deny(PULL))], EXPLICIT),
    ("deny wins whatever the order", [policy(deny(PULL)), policy(allow("*"))], EXPLICIT),
    ("deny of something else", [policy(allow("*"), deny("cr:Push*"))], None),
]


@pytest.mark.parametrize(
    ("policies", "expected"), [row[1:] for row in PERMISSIONS], ids=[row[0] for row in PERMISSIONS]
)
def test_permission(policies: list[dict[str, Any]], expected: Denial | None) -> None:
    for document in policies:
        ram.check_policy(document)
    assert ram.find_denial(policies, None, PULL, REPOSITORY) == expected


CONDITIONS = [
    ("equal", "StringEquals", "tenant-7", {"sts:ExternalId": "tenant-7"}, True),
    ("different", "StringEquals", "tenant-7", {"sts:ExternalId": "tenant-8"}, False),
    ("absent", "StringEquals", "tenant-7", {}, False),
    ("keys ignore case", "StringEquals", "tenant-7", {"sts:externalid": "tenant-7"}, True),
    ("values mind case", "StringEquals", "tenant-7", {"sts:ExternalId": "Tenant-7"}, False),
    ("any of several", "StringEquals", ["a", "tenant-7"], {"sts:ExternalId": "tenant-7"}, True),
    ("a star is a star", "StringEquals", "tenant-*", {"sts:ExternalId": "tenant-7"}, False),
    ("like", "StringLike", "tenant-*", {"sts:ExternalId": "tenant-7"}, True),
    ("unlike", "StringLike", "tenant-*", {"sts:ExternalId": "guest"}, False),
    ("like nothing", "StringLike", "*", {}, False),
]


@pytest.mark.parametrize(
    ("operator", "wanted", "context", "holds"),
    [row[1:] for row in CONDITIONS],
    ids=[row[0] for row in CONDITIONS],
)
def test_condition(operator: str, wanted: Any, context: dict[str, str], holds: bool) -> None:
    document = policy(allow(PULL, **when(operator, wanted)))
    ram.check_policy(document)
    assert (ram.find_denial([document], None, PULL, REPOSITORY, context) is None) == holds


def test_a_session_may_do_only_what_role_and_session_policy_allow() -> None:
    wide, narrow = policy(allow("*")), policy(allow("cr:Get*"))
    beyond = Denial("SessionPolicy", explicit=False)
    assert ram.find_denial([wide], narrow, PULL, REPOSITORY) == beyond
    assert ram.find_denial([narrow], wide, PULL, REPOSITORY) == IMPLICIT
    assert ram.find_denial([wide], wide, PULL, REPOSITORY) is None
    denying = policy(allow("*"), deny(PULL))
    assert ram.find_denial([wide], denying, PULL, REPOSITORY) == Denial("SessionPolicy", True)


FUNCTION = "acs:ram::1:role/function"
ROLE = ram.role_principal(FUNCTION)
SERVICE = ram.service_principal("fc.aliyuncs.com")
IDP = "acs:ram::1:oidc-provider/ack-rrsa-c1"
PROVIDER = ram.federated_principal(IDP)


def trust(principal: Any, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "sts:AssumeRole", "Principal": principal, **more}


TRUST = [
    ("the role", ROLE, [trust({"RAM": [FUNCTION]})], {}, True),
    ("the role, not in a list", ROLE, [trust({"RAM": FUNCTION})], {}, True),
    ("the role's account", ROLE, [trust({"RAM": ["acs:ram::1:root"]})], {}, True),
    ("another account", ROLE, [trust({"RAM": ["acs:ram::2:root"]})], {}, False),
    ("another role", ROLE, [trust({"RAM": ["acs:ram::1:role/other"]})], {}, False),
    ("the service", SERVICE, [trust({"Service": ["fc.aliyuncs.com"]})], {}, True),
    ("another service", SERVICE, [trust({"Service": ["eci.aliyuncs.com"]})], {}, False),
    ("a service is no role", ROLE, [trust({"Service": ["fc.aliyuncs.com"]})], {}, False),
    ("the provider", PROVIDER, [trust({"Federated": [IDP]})], {}, True),
    ("another provider", PROVIDER, [trust({"Federated": [f"{IDP}-2"]})], {}, False),
    ("a provider is no role", PROVIDER, [trust({"RAM": [IDP]})], {}, False),
    (
        "external ID given",
        ROLE,
        [trust({"RAM": [FUNCTION]}, **when("StringEquals", "x1"))],
        {"sts:ExternalId": "x1"},
        True,
    ),
    (
        "external ID missing",
        ROLE,
        [trust({"RAM": [FUNCTION]}, **when("StringEquals", "x1"))],
        {},
        False,
    ),
    (
        "deny wins",
        ROLE,
        [trust({"RAM": ["acs:ram::1:root"]}), trust({"RAM": [FUNCTION]}, "Deny")],
        {},
        False,
    ),
]


@pytest.mark.parametrize(
    ("principal", "statements", "context", "trusted"),
    [row[1:] for row in TRUST],
    ids=[row[0] for row in TRUST],
)
def test_trust(
    principal: ram.Principal,
    statements: list[dict[str, Any]],
    context: dict[str, str],
    trusted: bool,
) -> None:
    document = policy(*statements)
    ram.check_trust_policy(document)
    assert (ram.find_trust_denial(document, principal, context) is None) == trusted


NOT_POLICIES = [
    ("not an object", []),
    ("no version", {"Statement": [allow("*")]}),
    ("another version", {"Version": "2012-10-17", "Statement": [allow("*")]}),
    ("no statement", {"Version": "1"}),
    ("empty statement list", {"Version": "1", "Statement": []}),
    ("statement not a list", {"Version": "1", "Statement": allow("*")}),
    ("unknown effect", policy({**allow("*"), "Effect": "allow"})),
    ("no resource", policy({"Effect": "Allow", "Action": "*"})),
    ("misspelt element", policy({**allow("*"), "Conditions": {}})),
    ("a principal in a permission policy", policy({**allow("*"), "Principal": {"RAM": "x"}})),
    ("action not a string", policy(allow([1]))),
    ("unknown condition operator", policy(allow("*", **when("StringIsh", "x")))),
    ("condition value not a string", policy(allow("*", **when("StringEquals", 7)))),
]


@pytest.mark.parametrize(
    "document", [row[1] for row in NOT_POLICIES], ids=[row[0] for row in NOT_POLICIES]
)
def test_not_a_policy(document: Any) -> None:
    with pytest.raises(ram.PolicyError):
        ram.check_policy(document)


def test_text_that_is_not_json_is_not_a_policy() -> None:
    with pytest.raises(ram.PolicyError):
        ram.parse_policy("{")


@pytest.mark.parametrize("principal", ["acs:ram::1:root", None, {"RAM": [1]}])
def test_not_a_trust_policy(principal: Any) -> None:
    with pytest.raises(ram.PolicyError):
        ram.check_trust_policy(policy(trust(principal)))
