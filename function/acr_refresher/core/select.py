"""Selects namespaces and service accounts, and reads which registries a namespace requests.

The annotations of a request are those of Elastic Container Instance:
`k8s.aliyun.com/acr-instance-ids: "cri-…, cn-beijing:cri-…"` names instances.
https://www.alibabacloud.com/help/en/eci/user-guide/pull-images-from-a-container-registry-instance-without-using-a-secret
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

from acr_refresher.settings import SETTINGS

ALL = "all"
SYSTEM_PREFIX = "kube-"
INSTANCE_IDS_ANNOTATION = "k8s.aliyun.com/acr-instance-ids"
ROLE_ANNOTATIONS = ("k8s.aliyun.com/acr-service-arns", "k8s.aliyun.com/acr-user-arns")
_REQUESTED = re.compile(r"[^,;\s]+")  # the separator is not documented


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
        """Whether the labels meet the requirement. An absent label meets NotIn."""
        if self.operator is Operator.EXISTS:
            return self.key in labels
        if self.operator is Operator.DOES_NOT_EXIST:
            return self.key not in labels
        return (labels.get(self.key) in self.values) is (self.operator is Operator.IN)


@dataclass(frozen=True, slots=True)
class NamespaceSelection:
    """Exact names, globs or `all`; exclusions, which always win; and label requirements.

    Namespaces whose names begin with `kube-` belong to Kubernetes. Only patterns that also begin
    with `kube-` select them; `all` and `*` do not.
    """

    patterns: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    labels: tuple[LabelRequirement, ...] = ()

    def selects(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a namespace of this name with these labels is selected."""
        return (
            any(_pattern_selects(pattern, name) for pattern in self.patterns)
            and not self.leaves_out(name)
            and all(requirement.holds(labels) for requirement in self.labels)
        )

    def leaves_out(self, name: str) -> bool:
        """Whether a namespace of this name is excluded, whatever else selects it."""
        return matches_any(name, self.excluded)


@dataclass(frozen=True, slots=True)
class ServiceAccountSelection:
    """Service accounts by name. Empty `names` select all accounts of the namespace (`*`)."""

    names: tuple[str, ...] = ()

    def selects(self, name: str) -> bool:
        """Whether a service account of this name is selected."""
        return not self.names or name in self.names


def matches_any(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a name matches at least one glob. Matching is case-sensitive."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _pattern_selects(pattern: str, name: str) -> bool:
    if name.startswith(SYSTEM_PREFIX) and not pattern.startswith(SYSTEM_PREFIX):
        return False
    return pattern == ALL or fnmatchcase(name, pattern)


def requested_registries(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """The requested instances, as `ID` or `REGION:ID`, in their order, without repetitions.

    Of more than `SETTINGS.requested_registries`, one more is returned, which shows that there are
    more.
    """
    requested: dict[str, None] = {}
    text = annotations.get(INSTANCE_IDS_ANNOTATION, "")
    for found in _REQUESTED.finditer(text):
        requested[found[0][: SETTINGS.quoted_text]] = None
        if len(requested) > SETTINGS.requested_registries:
            break
    return tuple(requested)


def names_roles(annotations: Mapping[str, str]) -> bool:
    """Whether the annotations name roles."""
    return any(annotations.get(key) for key in ROLE_ANNOTATIONS)
