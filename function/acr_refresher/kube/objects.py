"""Kubernetes objects as JSON: from lists to states, from what is wanted to what is sent."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr
from pydantic_core import to_json

from acr_refresher.core.model import NamespaceState, SecretContent, SecretState, ServiceAccountState
from acr_refresher.core.requested import names_roles, requested_registries
from acr_refresher.core.secret import MANAGED_BY_LABEL, MANAGER, SECRET_TYPE

Json = dict[str, Any]

DOCUMENT_KEY = ".dockerconfigjson"


def namespace_state(namespace: Json) -> NamespaceState:
    """A Namespace. It is terminating from the moment its deletion was asked for."""
    metadata = namespace["metadata"]
    annotations: Mapping[str, str] = metadata.get("annotations") or {}
    return NamespaceState(
        name=metadata["name"],
        labels=metadata.get("labels") or {},
        terminating="deletionTimestamp" in metadata,
        requested=requested_registries(annotations),
        names_roles=names_roles(annotations),
    )


def secret_state(secret: Json, decoded: dict[str, SecretStr]) -> SecretState:
    """A Secret. Its document is empty where there is none.

    `decoded` are the documents of those before, of which most are the same.
    """
    data = (secret.get("data") or {}).get(DOCUMENT_KEY) or ""
    if data not in decoded:
        decoded[data] = _decoded(data)
    metadata = secret["metadata"]
    labels: Mapping[str, str] = metadata.get("labels") or {}
    return SecretState(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        type=secret.get("type", ""),
        managed=labels.get(MANAGED_BY_LABEL) == MANAGER,
        immutable=secret.get("immutable") is True,
        annotations=metadata.get("annotations") or {},
        dockerconfigjson=decoded[data],
    )


def service_account_state(account: Json) -> ServiceAccountState:
    """A ServiceAccount."""
    metadata = account["metadata"]
    return ServiceAccountState(
        metadata["namespace"],
        metadata["name"],
        metadata["resourceVersion"],
        tuple(reference.get("name", "") for reference in account.get("imagePullSecrets") or ()),
    )


def secret_manifest(namespace: str, name: str, shared: bytes, **seen: str | None) -> bytes:
    """A pull secret to apply, to the one that was `seen`, by `uid` and `resourceVersion`.

    The API server answers 409 where another Secret, or another version of it, stands there.
    """
    own = {"namespace": namespace, "name": name}
    own |= {field: value for field, value in seen.items() if value}
    return b'{"metadata":%b,%b' % (to_json(own)[:-1], shared)


def shared_part(content: SecretContent) -> bytes:
    """What manifests of the same content end with, for `secret_manifest`."""
    document = content.dockerconfigjson.get_secret_value().encode()
    metadata = {
        "labels": {MANAGED_BY_LABEL: MANAGER},
        "annotations": dict(content.annotations),
    }
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": SECRET_TYPE,
        "data": {DOCUMENT_KEY: base64.b64encode(document).decode()},
    }
    return b"%b,%b" % (to_json(metadata)[1:], to_json(manifest)[1:])


def deletion(uid: str) -> Json:
    """DeleteOptions for that very object."""
    return {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}


def pull_secrets_patch(account: ServiceAccountState) -> Json:
    """A merge patch of the whole list, which is atomic; with resourceVersion a stale one is 409."""
    return {
        "metadata": {"resourceVersion": account.resource_version},
        "imagePullSecrets": [{"name": name} for name in account.image_pull_secrets],
    }


def _decoded(data: str) -> SecretStr:
    try:
        return SecretStr(base64.b64decode(data).decode("utf-8", "replace"))
    except binascii.Error:
        return SecretStr("")
