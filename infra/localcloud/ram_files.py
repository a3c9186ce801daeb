"""Reads the RAM policies of infra/ram, the same files that Terraform's templatefile reads."""

import json
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

POLICY_DIRECTORY = Path(__file__).resolve().parents[1] / "ram"


def load_policy(name: str, **variables: str | Sequence[str]) -> dict[str, Any]:
    """The policy document in infra/ram/<name>.json, its `${placeholders}` filled in.

    A list is filled in as JSON, as by Terraform's jsonencode.

    Raises:
        ValueError: a placeholder has no variable, or a variable has no placeholder.
        FileNotFoundError: there is no such policy.
    """
    text = (POLICY_DIRECTORY / f"{name}.json").read_text(encoding="utf-8")
    placeholders = {match["braced"] for match in Template.pattern.finditer(text)}
    if placeholders != set(variables):
        raise ValueError(f"{name} takes {sorted(placeholders)}, not {sorted(variables)}")
    texts = {
        placeholder: value if isinstance(value, str) else json.dumps(value)
        for placeholder, value in variables.items()
    }
    document: dict[str, Any] = json.loads(Template(text).substitute(texts))
    return document


def assume_policy(*role_arns: str) -> dict[str, Any]:
    """The policy that allows to assume these roles, as Terraform fills it in."""
    return load_policy("function-role.policy", roles=[any_region(arn) for arn in role_arns])


def kubeconfig_policy(*cluster_ids: str) -> dict[str, Any]:
    """The policy that allows to get these clusters' kubeconfigs; `*` stands for all clusters."""
    clusters = [f"acs:cs:*:*:cluster/{cluster_id}" for cluster_id in cluster_ids]
    return load_policy("cluster-account-role.policy", clusters=clusters)


def any_region(role_arn: str) -> str:
    """The role as a policy names it, as a resource: with `*` for its region."""
    return role_arn.replace("acs:ram::", "acs:ram:*:", 1)
