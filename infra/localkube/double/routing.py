"""What a request asks for: the verb and the resource in its method, path and query."""

from collections.abc import Mapping
from dataclasses import dataclass

from localkube.double import selectors


@dataclass(frozen=True)
class Resource:
    """A kind of object that the double keeps."""

    plural: str
    kind: str
    api_version: str = "v1"
    namespaced: bool = True
    fields: frozenset[str] = frozenset()  # those at the top, besides metadata and status

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def qualified(self) -> str:
        """The plural as messages have it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """The kind as messages of validation have it."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


RBAC = "rbac.authorization.k8s.io/v1"
NAMESPACES = Resource("namespaces", "Namespace", namespaced=False, fields=frozenset({"spec"}))
SECRETS = Resource(
    "secrets", "Secret", fields=frozenset({"data", "stringData", "type", "immutable"})
)
SERVICE_ACCOUNTS = Resource(
    "serviceaccounts",
    "ServiceAccount",
    fields=frozenset({"imagePullSecrets", "secrets", "automountServiceAccountToken"}),
)
CLUSTER_ROLES = Resource(
    "clusterroles",
    "ClusterRole",
    RBAC,
    namespaced=False,
    fields=frozenset({"rules", "aggregationRule"}),
)
CLUSTER_ROLE_BINDINGS = Resource(
    "clusterrolebindings",
    "ClusterRoleBinding",
    RBAC,
    namespaced=False,
    fields=frozenset({"subjects", "roleRef"}),
)
ROLES = Resource("roles", "Role", RBAC, fields=frozenset({"rules"}))
ROLE_BINDINGS = Resource(
    "rolebindings", "RoleBinding", RBAC, fields=frozenset({"subjects", "roleRef"})
)
RESOURCES = {
    (resource.group, resource.plural): resource
    for resource in (
        NAMESPACES,
        SECRETS,
        SERVICE_ACCOUNTS,
        CLUSTER_ROLES,
        CLUSTER_ROLE_BINDINGS,
        ROLES,
        ROLE_BINDINGS,
    )
}


@dataclass(frozen=True)
class Target:
    """What a request wants to do, as authorization sees it."""

    verb: str
    group: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def resource(self) -> Resource | None:
        """The resource, or None where the double keeps no such thing."""
        return None if self.subresource else RESOURCES.get((self.group, self.plural))


def target_of(method: str, path: str, query: Mapping[str, str]) -> Target | None:
    """The target of a request, or None for a path that names no resource."""
    match path.strip("/").split("/"):
        case ["api", "v1", first, *rest]:
            group = ""
        case ["apis", group, "v1", first, *rest]:
            pass
        case _:
            return None
    parts = [first, *rest]
    namespace = parts[1] if first == "namespaces" and len(parts) > 1 else ""
    if namespace and len(parts) > 2 and parts[2] not in ("status", "finalize"):
        parts = parts[2:]
    plural, name, subresource = (*parts, "", "", "")[:3]
    verb = _verb(method, query, named=bool(name))
    if verb in ("list", "watch"):
        # A selector of one name asks for that object alone, so resourceNames count.
        name = selectors.selected_name(query.get("fieldSelector", ""))
    return Target(verb, group, plural, namespace, name, subresource)


def _verb(method: str, query: Mapping[str, str], *, named: bool) -> str:
    if method == "GET" and not named:
        return "watch" if query.get("watch") in ("1", "true") else "list"
    if method == "DELETE" and not named:
        return "deletecollection"
    verbs = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch"}
    return verbs.get(method, method.lower())
