"""Which namespaces and service accounts are meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

ALL = "all"
SYSTEM_PREFIX = "kube-"


class Operator(str, Enum):
    """The operators of a Kubernetes label selector's matchExpressions."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class LabelRequirement:
    """One requirement of a label selector, as Kubernetes defines it."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """NotIn also holds where the label is absent, as it does in Kubernetes."""
        if self.operator is Operator.EXISTS:
            return self.key in labels
        if self.operator is Operator.DOES_NOT_EXIST:
            return self.key not in labels
        return (labels.get(self.key) in self.values) is (self.operator is Operator.IN)


@dataclass(frozen=True, slots=True)
class NamespaceSelection:
    """Exact names, globs or `all`; exclusions, which always win; and label requirements.

    Namespaces beginning with `kube-` belong to Kubernetes. They are taken only where a pattern
    itself begins with `kube-`, never through `all` or `*`.
    """

    patterns: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    labels: tuple[LabelRequirement, ...] = ()

    def selects(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether the namespace of this name and these labels is meant."""
        return (
            any(_pattern_selects(pattern, name) for pattern in self.patterns)
            and not self.leaves_out(name)
            and all(requirement.holds(labels) for requirement in self.labels)
        )

    def leaves_out(self, name: str) -> bool:
        """Whether the namespace of this name is excluded, whatever else speaks for it."""
        return matches_any(name, self.excluded)


@dataclass(frozen=True, slots=True)
class ServiceAccountSelection:
    """Service accounts by name, or every one of the namespace where `names` is empty (`*`)."""

    names: tuple[str, ...] = ()

    @property
    def everyone(self) -> bool:
        """Whether every service account is meant."""
        return not self.names


def matches_any(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a name matches at least one glob. Case counts."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _pattern_selects(pattern: str, name: str) -> bool:
    if name.startswith(SYSTEM_PREFIX) and not pattern.startswith(SYSTEM_PREFIX):
        return False
    return pattern == ALL or fnmatchcase(name, pattern)
