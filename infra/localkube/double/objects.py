"""Objects as they are stored: named, defaulted, and without empty fields."""

import base64
import datetime as dt
import uuid
from typing import Any

from localkube.double.dialect import NAMESPACE_LABEL, Dialect
from localkube.double.routing import NAMESPACES, SECRETS, Resource
from localkube.wire import Json


def new_object(dialect: Dialect, resource: Resource, submitted: Json, namespace: str) -> Json:
    """What is stored for a submitted object, without a resourceVersion yet."""
    given = submitted.get("metadata") or {}
    metadata: Json = {"name": given.get("name", "")}
    if resource.namespaced:
        metadata["namespace"] = namespace
    metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp()}
    for key in ("labels", "annotations", "finalizers", "ownerReferences"):
        if given.get(key):
            metadata[key] = given[key]
    return completed(dialect, resource, {"metadata": metadata, **known_fields(resource, submitted)})


def known_fields(resource: Resource, submitted: Json) -> Json:
    """The fields of the kind, with ``stringData`` as the ``data`` that it stands for."""
    fields = {key: value for key, value in submitted.items() if key in resource.fields}
    plain = fields.pop("stringData", None) or {}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
    if encoded:
        fields["data"] = {**(fields.get("data") or {}), **encoded}
    return fields


def completed(dialect: Dialect, resource: Resource, content: Json) -> Json:
    """The object with its defaults and without empty fields, as the API shows it."""
    content = {key: value for key, value in content.items() if value not in (None, {}, [])}
    metadata = {key: value for key, value in content["metadata"].items() if value not in ({}, [])}
    content["metadata"] = metadata
    if resource is SECRETS:
        content.setdefault("type", "Opaque")
    if resource is NAMESPACES:
        content.setdefault("spec", {"finalizers": ["kubernetes"]})
        content.setdefault("status", {"phase": "Active"})
        if dialect.labels_namespaces:
            labels = metadata.get("labels", {})
            metadata["labels"] = {**labels, NAMESPACE_LABEL: metadata["name"]}
    return content


def terminating(namespace: Json) -> Json:
    """A namespace whose deletion has begun."""
    metadata = {"deletionTimestamp": timestamp(), **namespace["metadata"]}
    return {**namespace, "metadata": metadata, "status": {"phase": "Terminating"}}


def is_terminating(namespace: Json) -> bool:
    return "deletionTimestamp" in namespace["metadata"]


def merge_patched(target: Any, patch: Any) -> Any:
    """A JSON merge patch, RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patched(result.get(key), value)
    return result


def timestamp() -> str:
    return dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
