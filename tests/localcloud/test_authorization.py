"""The local cloud asks RAM what the documents name, and infra/ram allows exactly that."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from acr_refresher.core import ram_actions
from localcloud import authorization, ram
from localcloud.authorization import TABLE, Permission
from localcloud.ram_files import POLICY_DIRECTORY, load_policy

PLACE = {
    "region": "cn-hangzhou",
    "account": "1879224016553720",
    "role": "acr-refresher-registry",
    "instance": "cri-7k2mzq4v0x9hd1ep",
    "repository": "shop/web",
    "cluster": "c8f1d3b5a79e24680bdf13579ace02468",
    "secret": "kubeconfig/idc",
    "key": "key-default",
    "function": "acr-refresher",
    "service": "acr-refresher",
    "qualifier": "prod",
    "project": "acr-refresher-1230047551289034",
    "logstore": "outcomes",
    "queue": "acr-refresher-failed",
}
ROLE = "acs:ram:*:1879224016553720:role/acr-refresher-registry"
FILLED_IN: Mapping[str, str | list[str]] = {
    **PLACE,
    "roles": [ROLE],
    "registry_role_arn": ROLE,
    "clusters": ["acs:cs:*:*:cluster/c8f1d3b5a79e24680bdf13579ace02468"],
}

IN_A_VERSION = {"service": "acr-refresher.prod"}
USES: Mapping[str, list[tuple[Permission, Mapping[str, str]]]] = {
    "function-role": [(authorization.ASSUME_ROLE, {})],
    "rrsa-role": [(authorization.ASSUME_ROLE, {})],
    "registry-account-role": [
        (authorization.GET_REGISTRY_TOKEN, {}),
        (authorization.LIST_REGISTRY_ENDPOINTS, {}),
        (authorization.PULL, {}),
    ],
    "personal-edition": [
        (authorization.GET_REGISTRY_TOKEN, {}),
        (authorization.PULL_FROM_PERSONAL_EDITION, {}),
    ],
    "cluster-account-role": [(authorization.GET_KUBECONFIG, {})],
    "cluster-discovery": [(authorization.LIST_CLUSTERS, {})],
    "kubeconfig-secret": [
        (authorization.GET_SECRET, {}),
        (authorization.DECRYPT_SECRET, {}),
    ],
    "fan-out": [
        (authorization.INVOKE_FUNCTION_3, {}),
        (authorization.INVOKE_FUNCTION_3_BY_QUALIFIER, {}),
        (authorization.INVOKE_FUNCTION_2, {}),
        (authorization.INVOKE_FUNCTION_2, IN_A_VERSION),
    ],
    "outcomes-log": [(authorization.WRITE_LOGS, {})],
    "function-platform": [
        (authorization.WRITE_LOGS, {"logstore": "outcomes"}),
        (authorization.SEND_MESSAGE, {}),
    ],
}
"""What each policy of infra/ram is for, with the place where it differs from PLACE."""


def policy(name: str) -> dict[str, Any]:
    text = (POLICY_DIRECTORY / f"{name}.policy.json").read_text(encoding="utf-8")
    return load_policy(
        f"{name}.policy",
        **{key: value for key, value in FILLED_IN.items() if f"${{{key}}}" in text},
    )


def denied(document: Mapping[str, Any], uses: str) -> list[tuple[str, str]]:
    """The questions to RAM for which the policy is not enough."""
    return [
        question
        for permission, place in USES[uses]
        for question in permission.questions(**{**PLACE, **place})
        if ram.find_denial([document], None, *question)
    ]


def test_every_policy_and_every_row_of_the_table_is_used() -> None:
    files = {file.name.removesuffix(".policy.json") for file in POLICY_DIRECTORY.glob("*.policy.*")}
    assert files == set(USES)
    assert {permission for uses in USES.values() for permission, _ in uses} == set(TABLE)


@pytest.mark.parametrize("name", USES)
def test_a_policy_lacks_nothing(name: str) -> None:
    assert denied(policy(name), name) == []


@pytest.mark.parametrize("name", USES)
def test_a_policy_has_nothing_superfluous(name: str) -> None:
    for smaller in smaller_policies(policy(name)):
        assert denied(smaller, name), smaller


def smaller_policies(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The policy without one statement, one action or one resource."""
    for number, statement in enumerate(document["Statement"]):
        for element in ("Action", "Resource"):
            values = statement[element]
            for value in [values] if isinstance(values, str) else values:
                smaller = copy.deepcopy(document)
                others = [each for each in values if each != value and isinstance(values, list)]
                smaller["Statement"][number][element] = others
                yield smaller


@pytest.mark.parametrize("permission", TABLE, ids=lambda each: "/".join(each.actions))
def test_a_statement_that_names_a_resource_does_not_cover_all_resources(
    permission: Permission,
) -> None:
    """RAM ignores it for an action without resource-level permission."""
    for action, resource in permission.questions(**PLACE):
        statement = {"Effect": "Allow", "Action": action, "Resource": "acs:*"}
        denial = ram.find_denial(
            [{"Version": "1", "Statement": [statement]}], None, action, resource
        )
        assert (denial is not None) == (resource == "*")


def test_the_policy_of_0_2_0_gives_no_token() -> None:
    """It named the instance."""
    document = json.loads(json.dumps(policy("registry-account-role")))
    tokens, endpoints, pulls = document["Statement"]
    tokens["Resource"] = endpoints["Resource"]
    assert pulls["Action"] == "cr:PullRepository"
    assert denied(document, "registry-account-role") == [("cr:GetAuthorizationToken", "*")]


def test_the_function_assumes_what_the_local_cloud_assumes() -> None:
    """`check` remarks on an action if no document names its resource.

    For Personal Edition, every action is allowed on `*`: a remark would not help.
    """
    assumed = {
        action
        for permission in TABLE
        if permission.document == authorization.ASSUMED
        and permission is not authorization.PULL_FROM_PERSONAL_EDITION
        for action in permission.actions
    }
    assert assumed == set(ram_actions.ASSUMED)


@pytest.mark.parametrize("permission", TABLE, ids=lambda each: "/".join(each.actions))
def test_the_readme_names_the_document_of_each_resource(permission: Permission) -> None:
    text = (POLICY_DIRECTORY / "README.md").read_text(encoding="utf-8")
    actions = ", ".join(f"`{action}`" for action in permission.actions)
    resources = ", ".join(f"`{resource}`" for resource in permission.resources)
    source = permission.document or "**assumed**"
    assert f"| {actions} | {resources} | {source} |" in text
