"""Registries that a namespace requests by annotation, in the format of Elastic Container Instance.

`k8s.aliyun.com/acr-instance-ids: "cri-…, cn-beijing:cri-…"` names instances. A namespace gets only
registries that the configuration lists as grantable for it. Roles in annotations are ignored: an
editor of a namespace would otherwise choose the permissions that the function uses.
https://www.alibabacloud.com/help/en/eci/user-guide/pull-images-from-a-container-registry-instance-without-using-a-secret
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from acr_refresher.core.model import NamespaceState, PullSecret, Registry

INSTANCE_IDS_ANNOTATION = "k8s.aliyun.com/acr-instance-ids"
ROLE_ANNOTATIONS = ("k8s.aliyun.com/acr-service-arns", "k8s.aliyun.com/acr-user-arns")

_MAX_SHOWN = 60
_SEPARATORS = re.compile(r"[,;\s]+")  # the separator is not documented


def requested_registries(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """The requested instances, as `ID` or `REGION:ID`, in their order."""
    return tuple(filter(None, _SEPARATORS.split(annotations.get(INSTANCE_IDS_ANNOTATION, ""))))


def names_roles(annotations: Mapping[str, str]) -> bool:
    """Whether the annotations name roles."""
    return any(annotations.get(key) for key in ROLE_ANNOTATIONS)


def allowed_registries(namespace: NamespaceState, wanted: PullSecret) -> tuple[Registry, ...]:
    """The requested registries that the namespace may have. An excluded namespace gets none."""
    if wanted.namespaces.leaves_out(namespace.name):
        return ()
    return tuple(
        registry
        for registry in wanted.allowed_on_request
        if any(_is_instance(requested, registry) for requested in namespace.requested)
    )


def request_warnings(namespace: NamespaceState, given: Collection[Registry]) -> tuple[str, ...]:
    """A warning for each annotation of the namespace that has no effect."""
    refusals = [
        f"{requested[:_MAX_SHOWN]} is requested by annotation and not granted: add its registry to"
        " grantable, or remove it from the annotation"
        for requested in namespace.requested
        if not any(_is_instance(requested, registry) for registry in given)
    ]
    if namespace.requested and namespace.names_roles:
        refusals.append(
            f"the annotations {' and '.join(ROLE_ANNOTATIONS)} are ignored:"
            " roles come from the configuration"
        )
    return tuple(refusals)


def _is_instance(requested: str, registry: Registry) -> bool:
    region, _, instance = requested.rpartition(":")
    return instance == registry.instance_id and region in ("", registry.region_id)
