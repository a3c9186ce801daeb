"""Registries that a namespace asks for itself, by annotation, as Elastic Container Instance has it.

`k8s.aliyun.com/acr-instance-ids: "cri-…, cn-beijing:cri-…"` names instances. It is answered only
with registries that the configuration lists as grantable there. A role is never taken from an
annotation: whoever may edit a namespace would choose whose rights the function uses.
https://www.alibabacloud.com/help/en/eci/user-guide/pull-images-from-a-container-registry-instance-without-using-a-secret
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from acr_refresher.core.model import NamespaceState, PullSecret, Registry

INSTANCE_IDS_ANNOTATION = "k8s.aliyun.com/acr-instance-ids"
ROLE_ANNOTATIONS = ("k8s.aliyun.com/acr-service-arns", "k8s.aliyun.com/acr-user-arns")

_MAX_SHOWN = 60
_SEPARATORS = re.compile(r"[,;\s]+")  # which one is nowhere documented


def requested_registries(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """The instances asked for, as `ID` or `REGION:ID`, in order."""
    return tuple(filter(None, _SEPARATORS.split(annotations.get(INSTANCE_IDS_ANNOTATION, ""))))


def names_roles(annotations: Mapping[str, str]) -> bool:
    """Whether roles are named as well."""
    return any(annotations.get(key) for key in ROLE_ANNOTATIONS)


def allowed_registries(namespace: NamespaceState, wanted: PullSecret) -> tuple[Registry, ...]:
    """Those asked for that may be had. A namespace left out by name gets none."""
    if wanted.namespaces.leaves_out(namespace.name):
        return ()
    return tuple(
        registry
        for registry in wanted.allowed_on_request
        if any(_means(each, registry) for each in namespace.requested)
    )


def unmet_requests(namespace: NamespaceState, given: Iterable[Registry]) -> tuple[str, ...]:
    """What was asked for and is not among the registries that the namespace is given."""
    registries = tuple(given)
    return tuple(
        each
        for each in namespace.requested
        if not any(_means(each, registry) for registry in registries)
    )


def request_warnings(namespace: NamespaceState, given: Iterable[Registry]) -> tuple[str, ...]:
    """What of the namespace's annotations is not followed."""
    refusals = [
        f"{each[:_MAX_SHOWN]} is asked for by annotation and not granted: add its registry to"
        " grantable, or take it out of the annotation"
        for each in unmet_requests(namespace, given)
    ]
    if namespace.requested and namespace.names_roles:
        refusals.append(
            f"the annotations {' and '.join(ROLE_ANNOTATIONS)} are ignored:"
            " roles come from the configuration"
        )
    return tuple(refusals)


def _means(asked: str, registry: Registry) -> bool:
    region, _, instance = asked.rpartition(":")
    return instance == registry.instance_id and region in ("", registry.region_id)
