"""RAM policy evaluation: pure functions over policy documents of Version "1".

Statements know Effect, Action, Resource, Principal and the conditions StringEquals and StringLike.
Anything else in a document is a PolicyError, so that a misspelt key cannot pass for a grant.
Rests on the "Policy elements" and "Policy evaluation" pages of the RAM documentation.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Document = Mapping[str, Any]
Context = Mapping[str, str]

PolicyType = Literal["AccountLevelIdentityBasedPolicy", "SessionPolicy", "AssumeRolePolicy"]
_PERMISSION_KEYS = {"Effect", "Action", "Resource"}
_TRUST_KEYS = {"Effect", "Action", "Principal"}


class PolicyError(ValueError):
    """The document is not a policy."""


@dataclass(frozen=True)
class Denial:
    """Why an action is refused: by which kind of policy, and whether a Deny said so."""

    policy_type: PolicyType
    explicit: bool


@dataclass(frozen=True)
class Principal:
    """An identity as trust policies name it.

    Attributes:
        kind: The Principal element's key: RAM, Service or Federated.
        names: Every name it answers to, such as its role's ARN and its account's `:root`.
    """

    kind: str
    names: frozenset[str]


def service_principal(name: str) -> Principal:
    return Principal("Service", frozenset({name}))


def role_principal(role_arn: str) -> Principal:
    """A session of the role: trusted as the role, or as any RAM identity of its account."""
    account = role_arn.split(":")[3]
    return Principal("RAM", frozenset({role_arn, f"acs:ram::{account}:root"}))


def federated_principal(provider_arn: str) -> Principal:
    """Every identity of the provider; conditions narrow it down."""
    return Principal("Federated", frozenset({provider_arn}))


def check_policy(document: Document) -> None:
    """Raise PolicyError unless the document is a permission policy."""
    for statement in _statements(document):
        _check_statement(statement, _PERMISSION_KEYS)


def check_trust_policy(document: Document) -> None:
    """Raise PolicyError unless the document is a role's trust policy."""
    for statement in _statements(document):
        _check_statement(statement, _TRUST_KEYS)
        _check_strings_object(statement["Principal"], "Principal")


def parse_policy(text: str) -> Document:
    """The permission policy in JSON text, or PolicyError."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise PolicyError("not JSON") from error
    check_policy(document)
    return dict(document)


def find_denial(
    identity_policies: Iterable[Document],
    session_policy: Document | None,
    action: str,
    resource: str,
    context: Context | None = None,
) -> Denial | None:
    """Why the identity may not, or None if it may.

    The effective permission is what both the identity's policies and, if there is one, the
    session policy allow; an explicit deny in either wins.
    """
    denial = _denial_by(
        "AccountLevelIdentityBasedPolicy", identity_policies, action, resource, context or {}
    )
    if denial or session_policy is None:
        return denial
    return _denial_by("SessionPolicy", [session_policy], action, resource, context or {})


def find_trust_denial(
    trust_policy: Document,
    principal: Principal,
    context: Context | None = None,
    action: str = "sts:AssumeRole",
) -> Denial | None:
    """Why the role may not be assumed by the principal, or None if it may."""

    def names(statement: Document) -> bool:
        trusted = _listed(statement["Principal"].get(principal.kind, ()))
        return not principal.names.isdisjoint(trusted)

    return _decide("AssumeRolePolicy", [trust_policy], action, names, context or {})


def _denial_by(
    policy_type: PolicyType,
    documents: Iterable[Document],
    action: str,
    resource: str,
    context: Context,
) -> Denial | None:
    def covers(statement: Document) -> bool:
        return any(_matches(pattern, resource) for pattern in _listed(statement["Resource"]))

    return _decide(policy_type, documents, action, covers, context)


def _decide(
    policy_type: PolicyType,
    documents: Iterable[Document],
    action: str,
    selects_cluster: Callable[[Document], bool],
    context: Context,
) -> Denial | None:
    effects = {
        statement["Effect"]
        for document in documents
        for statement in _statements(document)
        if any(_matches(p.lower(), action.lower()) for p in _listed(statement["Action"]))
        and selects_cluster(statement)
        and _conditions_hold(statement.get("Condition", {}), context)
    }
    if "Deny" in effects:
        return Denial(policy_type, explicit=True)
    return None if "Allow" in effects else Denial(policy_type, explicit=False)


def _conditions_hold(conditions: Document, context: Context) -> bool:
    """Every operator and key must hold, for any one of the key's values; an absent key does not."""
    values = {key.lower(): value for key, value in context.items()}
    return all(
        key.lower() in values
        and any(_OPERATORS[operator](want, values[key.lower()]) for want in _listed(wanted))
        for operator, keys in conditions.items()
        for key, wanted in keys.items()
    )


def _matches(pattern: str, text: str) -> bool:
    """Whether the text fits a pattern in which `*` is any run of characters and `?` any one."""
    regex = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(regex, text) is not None


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": str.__eq__,
    "StringLike": _matches,
}


def _statements(document: Any) -> list[Any]:
    if not isinstance(document, Mapping) or document.get("Version") != "1":
        raise PolicyError('not an object of Version "1"')
    statements = document.get("Statement")
    if not isinstance(statements, list) or not statements:
        raise PolicyError("no Statement")
    return statements


def _check_statement(statement: Any, required: set[str]) -> None:
    if not isinstance(statement, Mapping) or not required <= set(statement):
        raise PolicyError(f"a statement lacks one of {sorted(required)}")
    if unknown := set(statement) - required - {"Condition"}:
        raise PolicyError(f"unknown elements {sorted(unknown)}")
    if statement["Effect"] not in {"Allow", "Deny"}:
        raise PolicyError("Effect is neither Allow nor Deny")
    for key in required & {"Action", "Resource"}:
        if not _is_strings(statement[key]):
            raise PolicyError(f"{key} is neither a string nor a list of strings")
    _check_condition(statement.get("Condition", {}))


def _check_condition(condition: Any) -> None:
    if not isinstance(condition, Mapping) or not set(condition) <= set(_OPERATORS):
        raise PolicyError(f"Condition knows only {sorted(_OPERATORS)}")
    for operator, keys in condition.items():
        _check_strings_object(keys, operator)


def _check_strings_object(value: Any, name: str) -> None:
    if not isinstance(value, Mapping) or not all(_is_strings(v) for v in value.values()):
        raise PolicyError(f"{name} is not an object of strings or lists of strings")


def _is_strings(value: Any) -> bool:
    return all(isinstance(item, str) for item in _listed(value))


def _listed(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)
