"""Role-based access control, evaluated from the roles and bindings in the store."""

from dataclasses import dataclass

from localkube.double.routing import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    Target,
)
from localkube.double.store import Store, Stored
from localkube.wire import Json

SUPERUSERS = "system:masters"


@dataclass(frozen=True)
class User:
    """Who makes a request."""

    name: str
    groups: frozenset[str] = frozenset()


def is_allowed(store: Store, user: User, target: Target) -> bool:
    """Whether any rule of any role bound to the user allows this."""
    return SUPERUSERS in user.groups or any(
        _matches(rule, target) for rule in _rules(store, user, target.namespace)
    )


def denial(user: User, target: Target) -> str:
    """The reason that the API server gives."""
    resource = f"{target.plural}/{target.subresource}" if target.subresource else target.plural
    scope = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    return (
        f'User "{user.name}" cannot {target.verb} resource "{resource}" '
        f'in API group "{target.group}" {scope}'
    )


def _rules(store: Store, user: User, namespace: str) -> list[Json]:
    """Those of the cluster's bindings, and of the namespace's."""
    rules: list[Json] = []
    local = store.latest(ROLE_BINDINGS.plural).after("", f"{namespace}/").objects
    for binding in (*store.latest(CLUSTER_ROLE_BINDINGS.plural).objects, *local):
        if any(_is_subject(subject, user) for subject in binding.content.get("subjects") or ()):
            role = _role(store, binding.content["roleRef"], namespace)
            rules += (role.content.get("rules") or ()) if role else ()
    return rules


def _role(store: Store, reference: Json, namespace: str) -> Stored | None:
    if reference["kind"] == "Role":
        return store.get(ROLES.plural, namespace, reference["name"])
    return store.get(CLUSTER_ROLES.plural, "", reference["name"])


def _is_subject(subject: Json, user: User) -> bool:
    match subject:
        case {"kind": "User", "name": name}:
            return bool(name == user.name)
        case {"kind": "Group", "name": name}:
            return name in user.groups
        case {"kind": "ServiceAccount", "name": name, "namespace": namespace}:
            return user.name == f"system:serviceaccount:{namespace}:{name}"
    return False


def _matches(rule: Json, target: Target) -> bool:
    resource = f"{target.plural}/{target.subresource}" if target.subresource else target.plural
    names = rule.get("resourceNames")
    return (
        _has(rule, "verbs", target.verb)
        and _has(rule, "apiGroups", target.group)
        and _has(rule, "resources", resource)
        and (not names or target.name in names)
    )


def _has(rule: Json, field: str, value: str) -> bool:
    values = rule.get(field) or ()
    return value in values or "*" in values
