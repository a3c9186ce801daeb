"""What the API server refuses to store, and with which words."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import TypeAlias

from localkube.double.dialect import Dialect
from localkube.double.routing import (
    CLUSTER_ROLES,
    NAMESPACES,
    ROLES,
    SECRETS,
    SERVICE_ACCOUNTS,
    Resource,
)
from localkube.wire import Json

Cause: TypeAlias = tuple[str, str, str]  # reason, field, message

MAX_SECRET_BYTES = 1024 * 1024
DOCKER_CONFIG_TYPE = "kubernetes.io/dockerconfigjson"
DOCKER_CONFIG_KEY = ".dockerconfigjson"

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED_NAME = re.compile(r"([a-z0-9.-]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")


def undecodable(dialect: Dialect, resource: Resource, content: Json) -> str | None:
    """Why an object cannot even be read as its kind, or None."""
    if resource is SERVICE_ACCOUNTS:
        references = content.get("imagePullSecrets") or []
        if not isinstance(references, list) or not all(isinstance(r, dict) for r in references):
            return dialect.text_for_references
    for value in (content.get("data") or {}).values() if resource is SECRETS else ():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return f"illegal base64 data at input byte {_first_illegal(value)}"
    return None


def not_in_schema(resource: Resource, patch: Json) -> str | None:
    """Why an apply patch does not fit the kind, or None."""
    known = resource.fields | {"apiVersion", "kind", "metadata", "status"}
    for key in patch.keys() - known:
        return f".{key}: field not declared in schema"
    metadata = patch.get("metadata") or {}
    maps = {
        ".metadata.labels": metadata.get("labels"),
        ".metadata.annotations": metadata.get("annotations"),
        ".data": patch.get("data"),
    }
    for path, values in maps.items():
        for key, value in (values or {}).items():
            if not isinstance(value, str):
                return (
                    f"{path}.{key}: expected string, got &value.valueUnstructured{{Value:{value}}}"
                )
    return None


def causes(dialect: Dialect, resource: Resource, content: Json, before: Json | None) -> list[Cause]:
    """Every reason why an object may not be stored, given the one that it replaces."""
    found = list(_metadata_causes(resource, content["metadata"]))
    if resource is SECRETS:
        found += _secret_causes(dialect, content)
        if before is not None:
            found += _immutable_causes(content, before)
    if resource in (CLUSTER_ROLES, ROLES):
        found += _rule_causes(content)
    return found


def _metadata_causes(resource: Resource, metadata: Json) -> Iterator[Cause]:
    name = metadata["name"]
    pattern = _DNS_LABEL if resource is NAMESPACES else _DNS_SUBDOMAIN
    if resource.api_version == "v1" and not pattern.fullmatch(name):
        what = "label" if resource is NAMESPACES else "subdomain"
        yield _invalid_value("metadata.name", name, f"a lowercase RFC 1123 {what} must consist of")
    for field in ("labels", "annotations"):
        for key, value in (metadata.get(field) or {}).items():
            if not _QUALIFIED_NAME.fullmatch(key):
                yield _invalid_value(f"metadata.{field}", key, "name part must consist of")
            if field == "labels" and not _LABEL_VALUE.fullmatch(value):
                yield _invalid_value("metadata.labels", value, "a valid label must be")


def _secret_causes(dialect: Dialect, content: Json) -> Iterator[Cause]:
    data = content.get("data") or {}
    for key in data:
        if not _DATA_KEY.fullmatch(key):
            yield _invalid_value(f"data[{key}]", key, "a valid config key must consist of")
    if sum(len(base64.b64decode(value)) for value in data.values()) > MAX_SECRET_BYTES:
        yield "FieldValueTooLong", "data", dialect.too_long(MAX_SECRET_BYTES)
    if content["type"] == DOCKER_CONFIG_TYPE:
        field = f"data[{DOCKER_CONFIG_KEY}]"
        if DOCKER_CONFIG_KEY not in data:
            yield "FieldValueRequired", field, "Required value"
        elif not _is_json(base64.b64decode(data[DOCKER_CONFIG_KEY])):
            yield _invalid_value(field, "<secret contents redacted>", "invalid character")


def _immutable_causes(content: Json, before: Json) -> Iterator[Cause]:
    if content["type"] != before["type"]:
        yield _invalid_value("type", content["type"], "field is immutable")
    if before.get("immutable"):
        why = "Forbidden: field is immutable when `immutable` is set"
        if not content.get("immutable"):
            yield "FieldValueForbidden", "immutable", why
        if content.get("data") != before.get("data"):
            yield "FieldValueForbidden", "data", why


def _rule_causes(content: Json) -> Iterator[Cause]:
    """A rule without verbs: pkg/apis/rbac/validation/validation.go."""
    for index, rule in enumerate(content.get("rules") or ()):
        if not rule.get("verbs"):
            why = "Required value: verbs must contain at least one value"
            yield "FieldValueRequired", f"rules[{index}].verbs", why


def _invalid_value(field: str, value: str, why: str) -> Cause:
    return "FieldValueInvalid", field, f'Invalid value: "{value}": {why}'


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


def _first_illegal(value: str) -> int:
    match = re.match(r"[A-Za-z0-9+/]*", value)
    return match.end() if match else 0
