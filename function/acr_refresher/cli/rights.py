"""The rights in a cluster that serving it takes: those of infra/rbac, for its own configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from acr_refresher.core.model import Cluster, Registry, Rrsa


@dataclass(frozen=True, slots=True)
class Right:
    """A verb on a resource; on one object where a name is given. Namespace empty: in all."""

    verb: str
    resource: str
    subresource: str = ""
    name: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        named = f" {self.name}" if self.name else ""
        return f"{self.verb} {self._resource}{named}{self.place}"

    @property
    def place(self) -> str:
        """Where it is needed, if not in all namespaces."""
        return f" in {self.namespace}" if self.namespace else ""

    @property
    def rule(self) -> str:
        """As one of the rules of a ClusterRole, or of a Role in the namespace."""
        names = f'resourceNames: ["{self.name}"], ' if self.name else ""
        return (
            f'- {{apiGroups: [""], resources: ["{self._resource}"], {names}verbs: ["{self.verb}"]}}'
        )

    @property
    def attributes(self) -> dict[str, str]:
        """As an access review asks for it."""
        given = {
            "verb": self.verb,
            "resource": self.resource,
            "subresource": self.subresource,
            "name": self.name,
            "namespace": self.namespace,
        }
        return {key: value for key, value in given.items() if value}

    @property
    def _resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def rights_in(cluster: Cluster) -> tuple[Right, ...]:
    """All that a run may use there."""
    return (
        Right("list", "namespaces"),
        *(
            Right(verb, "secrets", name=wanted.name)
            for wanted in cluster.pull_secrets
            for verb in ("list", "patch", "create", "delete")
        ),
        *(Right(verb, "serviceaccounts") for verb in ("list", "get", "patch")),
        *(_token(rrsa) for rrsa in _identities(registries_of([cluster]))),
    )


def registries_of(clusters: Iterable[Cluster]) -> tuple[Registry, ...]:
    """The registries that any namespace of the clusters may get, each once."""
    found = (
        registry
        for cluster in clusters
        for wanted in cluster.pull_secrets
        for registry in (*wanted.registries, *wanted.on_request)
    )
    return tuple(dict.fromkeys(found))


def _identities(registries: Iterable[Registry]) -> Iterator[Rrsa]:
    """Of RRSA: each service account once."""
    found = {
        (one.rrsa.namespace, one.rrsa.service_account): one.rrsa for one in registries if one.rrsa
    }
    yield from found.values()


def _token(rrsa: Rrsa) -> Right:
    return Right("create", "serviceaccounts", "token", rrsa.service_account, rrsa.namespace)
